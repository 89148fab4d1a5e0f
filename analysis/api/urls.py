"""Addresses of results in the API."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from analysis.api.dry_runs import DryRuns
from analysis.api.inspections import ImageFlags, Inspections, Neighbours
from analysis.api.own import Ratings
from analysis.api.reports import Reports, StudyData
from analysis.api.takeout import Exports, Restores
from generation.api.resource import at

router = SimpleRouter(use_regex_path=False)
router.register("reports", Reports, basename="report")

of_a_study = [
    at("inspections/", Inspections, "study-inspections", get="list", post="create"),
    at("inspections/<int:pk>/", Inspections, "inspection", get="retrieve"),
    at("inspections/<int:pk>/cancel/", Inspections, "inspection-cancel", post="cancel"),
    at("inspections/<int:pk>/retry/", Inspections, "inspection-retry", post="retry"),
    at("exports/", Exports, "study-exports", get="list", post="create"),
    at("exports/<int:pk>/", Exports, "export", get="retrieve"),
    at("exports/<int:pk>/file/", Exports, "export-file", get="file"),
    at("exports/<int:pk>/cancel/", Exports, "export-cancel", post="cancel"),
    at("exports/<int:pk>/retry/", Exports, "export-retry", post="retry"),
    at("dry-runs/", DryRuns, "study-dry-runs", get="list", post="create"),
    at("dry-runs/<int:pk>/", DryRuns, "dry-run", get="retrieve", delete="destroy"),
    at("dry-runs/<int:pk>/cancel/", DryRuns, "dry-run-cancel", post="cancel"),
    at("dry-runs/<int:pk>/retry/", DryRuns, "dry-run-retry", post="retry"),
    at("flags/", ImageFlags, "study-flags", get="list"),
    at("neighbours/", Neighbours, "study-neighbours", get="list"),
    at("data/<slug:name>/", StudyData, "study-data", get="retrieve"),
]
urlpatterns = [
    at("ratings/", Ratings, "all-ratings", get="list", post="create"),
    at("ratings/<int:pk>/", Ratings, "ratings", get="retrieve", delete="destroy"),
    at("restores/", Restores, "restores", get="list", post="create"),
    at("restores/<int:pk>/", Restores, "restore", get="retrieve"),
    at("restores/<int:pk>/cancel/", Restores, "restore-cancel", post="cancel"),
    path("studies/<slug:slug>/", include(of_a_study)),
    at("reports/<int:pk>/cancel/", Reports, "report-cancel", post="cancel"),
    at("reports/<int:pk>/retry/", Reports, "report-retry", post="retry"),
    at("reports/<int:pk>/figures/<slug:name>/", Reports, "report-figure", get="figure"),
    at("reports/<int:pk>/tables/<slug:name>/", Reports, "report-table", get="table"),
    *router.urls,
]
