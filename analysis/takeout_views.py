"""Pages on which a study is taken home, and brought in from another Blindread."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from analysis.models import Export, Restore
from analysis.takeout import TakeoutError
from analysis.takeout.jobs import create_export, create_restore
from annotation.models import Study
from generation.permissions import Request, researcher_required

SHOWN = 200  # problems; more are only counted


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def exports(request: Request, slug: str) -> HttpResponse:
    """The archives that are there; POST asks for one. htmx polls while one is being made."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    if request.method == "POST":
        try:
            images = request.POST.get("images") != "no"
            create_export(study=study, by=request.user, images=images)
        except TakeoutError as error:
            messages.error(request, str(error))
        return redirect("analysis:exports", slug)
    context = {
        "study": study,
        "underway": study.exports.unfinished().first(),
        "latest": study.exports.first(),
        "exports": study.exports.there().select_related("created_by"),
    }
    if not request.htmx:
        return render(request, "analysis/exports.html", context)
    if not context["underway"]:
        return HttpResponseClientRefresh()
    return render(request, "analysis/exports.html#progress", context)


@require_POST
@researcher_required
def export_cancel(request: Request, pk: int) -> HttpResponse:
    export = _export(request, pk)
    export.cancel()
    return redirect("analysis:exports", export.study.slug)


@never_cache
@require_safe
@researcher_required
def export_download(request: Request, pk: int) -> FileResponse:
    """The archive, piece by piece."""
    export = _export(request, pk)
    if not export.file:
        raise Http404("This archive is not there (any more): a newer one has taken its place.")
    return FileResponse(
        export.file.open(),
        as_attachment=True,
        filename=f"{export.study.slug}{'' if export.images else '-without-images'}.zip",
        content_type="application/zip",
    )


def _export(request: Request, pk: int) -> Export:
    studies = Study.objects.managed_by(request.user)
    return get_object_or_404(Export.objects.select_related("study"), pk=pk, study__in=studies)


class RestoreForm(forms.Form):
    file = forms.FileField(label="ZIP file")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["file"].widget.attrs |= {
            "class": "form-control",
            "accept": ".zip,application/zip",
        }


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def restore_new(request: Request) -> HttpResponse:
    """The form; what is sent waits for a worker."""
    sent = request.method == "POST"
    form = RestoreForm(request.POST, request.FILES) if sent else RestoreForm()
    if form.is_valid():
        try:
            return redirect(create_restore(file=form.cleaned_data["file"], by=request.user))
        except (TakeoutError, OSError) as error:
            form.add_error(None, str(error))
    return render(request, "analysis/restore_new.html", {"form": form})


@never_cache
@require_safe
@researcher_required
def restore(request: Request, pk: int) -> HttpResponse:
    """How far it is, which study came in, or all that is wrong with the file."""
    found = _restore(request, pk)
    context = {
        "restore": found,
        "problems": found.problems[:SHOWN],
        "more": max(0, len(found.problems) - SHOWN),
    }
    if not request.htmx:
        return render(request, "analysis/restore.html", context)
    if not found.unfinished:
        return HttpResponseClientRefresh()
    return render(request, "analysis/restore.html#progress", context)


@require_POST
@researcher_required
def restore_cancel(request: Request, pk: int) -> HttpResponse:
    found = _restore(request, pk)
    found.cancel()
    return redirect(found)


def _restore(request: Request, pk: int) -> Restore:
    own = Restore.objects.owned_by(request.user).select_related("study")
    return get_object_or_404(own, pk=pk)
