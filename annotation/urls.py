"""Addresses of studies (for researchers) and readings (for readers)."""

from django.urls import include, path

from annotation.views import audits, balance, invitations, new_study, protocols, studies

app_name = "annotation"
urlpatterns = [
    path("studies/", studies.study_list, name="study-list"),
    path("new-study/", new_study.study_new, name="study-new"),  # “new” may be a study's slug
    path("studies/<slug:slug>/", studies.study, name="study"),
    path("studies/<slug:slug>/readers/", studies.study_readers, name="study-readers"),
    path(
        "studies/<slug:slug>/readers/<int:number>/revoke/",
        studies.study_revoke,
        name="study-revoke",
    ),
    path("studies/<slug:slug>/invitations/", invitations.study_invite, name="study-invite"),
    path(
        "studies/<slug:slug>/invitations/<int:pk>/revoke/",
        invitations.study_uninvite,
        name="study-uninvite",
    ),
    path("studies/<slug:slug>/balance/", balance.study_balance, name="study-balance"),
    path("studies/<slug:slug>/cases/<int:position>/", studies.case_sets, name="case-sets"),
    path("studies/<slug:slug>/audit/", audits.study_audit, name="study-audit"),
    path("studies/<slug:slug>/runs/<int:pk>/<slug:act>/", studies.study_run, name="study-run"),
    path("studies/<slug:slug>/act/<slug:act>/", studies.study_act, name="study-act"),
    path("protocols/", protocols.protocol_list, name="protocol-list"),
    path("protocols/<int:pk>/", protocols.protocol_change, name="protocol-change"),
    path("protocols/<int:pk>/delete/", protocols.protocol_delete, name="protocol-delete"),
    path("protocols/<slug:origin>/<slug:key>/copy/", protocols.protocol_copy, name="protocol-copy"),
    path("invitation/", include("annotation.invitation_urls")),
    path("read/", include("annotation.reading_urls")),
]
