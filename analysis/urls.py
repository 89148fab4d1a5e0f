"""Addresses of reports and of a study's data."""

from django.urls import path

from analysis import dry_run_views, gallery_views, row_views, sweep_views, takeout_views, views
from analysis.own import views as own

app_name = "analysis"
urlpatterns = [
    path("studies/<slug:slug>/dry-runs/", dry_run_views.dry_runs, name="dry-runs"),
    path(
        "studies/<slug:slug>/dry-runs/<int:pk>/<slug:act>/",
        dry_run_views.dry_run_act,
        name="dry-run-act",
    ),
    path("studies/<slug:slug>/gallery/", gallery_views.gallery, name="gallery"),
    path(
        "studies/<slug:slug>/gallery/inspect/",
        gallery_views.gallery_inspect,
        name="gallery-inspect",
    ),
    path("studies/<slug:slug>/report/", views.report, name="report"),
    path("sweeps/", sweep_views.sweeps, name="sweeps"),
    path("sweeps/<int:pk>/<slug:table>.csv", sweep_views.sweep_csv, name="sweep-csv"),
    path("ratings/", own.own_ratings, name="own-ratings"),
    path("ratings/<int:pk>/", own.own_report, name="own-report"),
    path("ratings/<int:pk>/delete/", own.delete_own, name="own-delete"),
    path("reports/<int:pk>/<slug:act>/", views.report_act, name="report-act"),
    path("reports/<int:pk>/<slug:name>.svg", views.report_figure, name="report-figure"),
    path("reports/<int:pk>/<slug:name>.png", views.report_png, name="report-png"),
    path("reports/<int:pk>/rows/<slug:table>/", row_views.report_rows, name="report-rows"),
    path("reports/<int:pk>/report.pdf", views.report_pdf, name="report-pdf"),
    path("reports/<int:pk>/<slug:table>.csv", views.report_download, name="report-download"),
    path("reports/<int:pk>/report.zip", views.report_archive, name="report-archive"),
    path("studies/<slug:slug>/exports/", takeout_views.exports, name="exports"),
    path("exports/<int:pk>/cancel/", takeout_views.export_cancel, name="export-cancel"),
    path("exports/<int:pk>/archive.zip", takeout_views.export_download, name="export-download"),
    path("import-study/", takeout_views.restore_new, name="restore-new"),
    path("import-study/<int:pk>/", takeout_views.restore, name="restore"),
    path("import-study/<int:pk>/cancel/", takeout_views.restore_cancel, name="restore-cancel"),
    path("studies/<slug:slug>/data/<slug:table>.csv", views.study_data, name="study-data"),
]
