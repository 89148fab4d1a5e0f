"""Addresses of a reader's pages."""

from django.urls import path

from annotation.views import answers, reading

urlpatterns = [
    path("<slug:slug>/", reading.reader_study, name="reader-study"),
    path("<slug:slug>/<int:position>/", reading.reading, name="reading"),
    path(
        "<slug:slug>/<int:position>/references/",
        reading.reading_references,
        name="reading-references",
    ),
    path("<slug:slug>/<int:position>/score/", answers.reading_score, name="reading-score"),
    path("<slug:slug>/<int:position>/ranking/", answers.reading_ranking, name="reading-ranking"),
    path("<slug:slug>/<int:position>/submit/", answers.reading_submit, name="reading-submit"),
    path(
        "<slug:slug>/<int:position>/image/<slug:token>/",
        reading.reading_image,
        name="reading-image",
    ),
]
