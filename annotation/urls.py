"""Addresses of studies (for researchers) and readings (for readers)."""

from django.urls import include, path

from annotation.views import studies

app_name = "annotation"
urlpatterns = [
    path("studies/", studies.study_list, name="study-list"),
    path("studies/<slug:slug>/", studies.study, name="study"),
    path("studies/<slug:slug>/readers/", studies.study_readers, name="study-readers"),
    path(
        "studies/<slug:slug>/readers/<int:number>/revoke/",
        studies.study_revoke,
        name="study-revoke",
    ),
    path("studies/<slug:slug>/cases/<int:position>/", studies.case_sets, name="case-sets"),
    path("studies/<slug:slug>/runs/<int:pk>/<slug:act>/", studies.study_run, name="study-run"),
    path("studies/<slug:slug>/act/<slug:act>/", studies.study_act, name="study-act"),
    path("read/", include("annotation.reading_urls")),
]
