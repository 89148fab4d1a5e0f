"""Addresses of a reader's pages."""

from django.urls import path

from annotation.views import answers, reader_way, reading

urlpatterns = [
    path("<slug:slug>/", reader_way.reader_study, name="reader-study"),
    path("<slug:slug>/consent/", reader_way.consent, name="consent"),
    path("<slug:slug>/briefing/", reader_way.briefing, name="briefing"),
    path("<slug:slug>/finish/", reader_way.finish, name="reader-finish"),
    path("<slug:slug>/guess/", reader_way.guess, name="guess"),
    path("<slug:slug>/<int:position>/", reading.reading, name="reading"),
    path(
        "<slug:slug>/<int:position>/references/",
        reading.reading_references,
        name="reading-references",
    ),
    path("<slug:slug>/<int:position>/score/", answers.reading_score, name="reading-score"),
    path("<slug:slug>/<int:position>/ranking/", answers.reading_ranking, name="reading-ranking"),
    path("<slug:slug>/<int:position>/comment/", answers.reading_comment, name="reading-comment"),
    path("<slug:slug>/<int:position>/flag/", answers.reading_flag, name="reading-flag"),
    path("<slug:slug>/<int:position>/activity/", answers.reading_activity, name="reading-activity"),
    path("<slug:slug>/<int:position>/submit/", answers.reading_submit, name="reading-submit"),
    path(
        "<slug:slug>/<int:position>/image/<slug:token>/",
        reading.reading_image,
        name="reading-image",
    ),
]
