"""Addresses of a preview, named as those of a reader's pages (`reading_urls`) are."""

from django.urls import path

from annotation.views import preview

PAGE = "<slug:slug>/<int:position>/"
urlpatterns = [
    path("<slug:slug>/case/<int:position>/", preview.case_preview, name="case-preview"),
    path(PAGE, preview.preview, name="preview"),
    path(f"{PAGE}references/", preview.preview_references, name="preview-references"),
    *(
        path(f"{PAGE}{answer}/", preview.preview_answer, name=f"preview-{answer}")
        for answer in ("score", "ranking", "comment", "flag", "activity")
    ),
    path(f"{PAGE}submit/", preview.preview_submit, name="preview-submit"),
    path(f"{PAGE}image/<slug:token>/", preview.preview_image, name="preview-image"),
]
