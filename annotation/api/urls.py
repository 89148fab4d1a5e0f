"""Addresses of studies and protocols in the API."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from annotation.api.parts import Arms, Audits, Cases, PlanBalance, Record, StudyImages
from annotation.api.people import Members, Monitoring, Reminders
from annotation.api.protocols import Presets, Protocols
from annotation.api.readers import Invitations, Readers
from annotation.api.studies import Studies
from generation.api.resource import at

router = SimpleRouter(use_regex_path=False)
router.register("studies", Studies, basename="study")
router.register("protocols", Protocols, basename="protocol")

of_a_study = [
    at("arms/", Arms, "study-arms", get="list"),
    at("arms/<int:position>/cancel/", Arms, "arm-cancel", post="cancel"),
    at("arms/<int:position>/retry/", Arms, "arm-retry", post="retry"),
    at("cases/", Cases, "study-cases", get="list"),
    at("cases/<int:position>/", Cases, "study-case", get="retrieve"),
    at("cases/<int:position>/references/", Cases, "case-references", post="references"),
    at("cases/<int:position>/exclude/", Cases, "case-exclude", post="exclude"),
    at("cases/<int:position>/include/", Cases, "case-include", post="include"),
    at("cases/<int:position>/sets/<int:arm>/sample/", Cases, "set-sample", post="sample"),
    at("images/<int:pk>/", StudyImages, "study-image", get="retrieve"),
    at("balance/", PlanBalance, "study-balance", get="retrieve"),
    at("record/", Record, "study-record", get="list"),
    at("record/check/", Record, "study-record-check", get="check"),
    at("audits/", Audits, "study-audits", get="list", post="create"),
    at("readers/", Readers, "study-readers", get="list", post="create"),
    at("readers/<int:number>/revoke/", Readers, "reader-revoke", post="revoke"),
    at("readers/<int:number>/pause/", Readers, "reader-pause", post="pause"),
    at("readers/<int:number>/resume/", Readers, "reader-resume", post="resume"),
    at("readers/<int:number>/signs/<slug:rule>/", Monitoring, "reader-sign", post="look"),
    at("monitoring/", Monitoring, "study-monitoring", get="list"),
    at("reminders/", Reminders, "study-reminders", post="create"),
    at("members/", Members, "study-members", get="list", post="create"),
    at("members/<int:pk>/", Members, "member", delete="destroy"),
    at("readers/<int:number>/erase/", Readers, "reader-erase", post="erase"),
    at("invitations/", Invitations, "study-invitations", get="list", post="create"),
    at("invitations/<int:pk>/renew/", Invitations, "invitation-renew", post="renew"),
    at("invitations/<int:pk>/revoke/", Invitations, "invitation-revoke", post="revoke"),
]
urlpatterns = [
    path("studies/<slug:slug>/", include(of_a_study)),
    at("study-estimates/", Studies, "study-estimates", post="estimate"),
    at("presets/", Presets, "presets", get="list"),
    at("presets/<slug:key>/", Presets, "preset", get="retrieve"),
    *router.urls,
]
