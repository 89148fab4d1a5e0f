"""Addresses of reports and of a study's data."""

from django.urls import path

from analysis import views

app_name = "analysis"
urlpatterns = [
    path("studies/<slug:slug>/report/", views.report, name="report"),
    path("studies/<slug:slug>/report/<int:pk>/<slug:act>/", views.report_act, name="report-act"),
    path(
        "studies/<slug:slug>/report/<int:pk>/<slug:name>.svg",
        views.report_figure,
        name="report-figure",
    ),
    path(
        "studies/<slug:slug>/report/<int:pk>/<slug:table>.csv",
        views.report_download,
        name="report-download",
    ),
    path(
        "studies/<slug:slug>/report/<int:pk>/report.zip",
        views.report_archive,
        name="report-archive",
    ),
    path("studies/<slug:slug>/data/<slug:table>.csv", views.study_data, name="study-data"),
]
