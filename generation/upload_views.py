"""Pages on which researchers upload data sets, and images that were made elsewhere."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from generation.models import Upload
from generation.permissions import Request, researcher_required
from generation.upload_form import DatasetForm, SetsForm, UploadForm, like

SHOWN = 200  # problems; more are only counted


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def import_dataset(request: Request) -> HttpResponse:
    return _upload_new(request, DatasetForm, "generation/import_dataset.html")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def import_sets(request: Request) -> HttpResponse:
    return _upload_new(request, SetsForm, "generation/import_sets.html")


def _upload_new(request: Request, kind: type[UploadForm], template: str) -> HttpResponse:
    """The form, filled in as that of an upload to be ``like``; what is sent waits for a worker."""
    if request.method == "POST":
        form = kind(request.POST, request.FILES)
        if form.is_valid() and (upload := form.save(request.user)):
            return redirect(upload)
    else:
        form = kind(initial=_initial(request, kind))
    return render(request, template, {"form": form})


def _initial(request: Request, kind: type[UploadForm]) -> dict[str, Any]:
    """Another try has all that was typed; one after another, what is likely the same."""
    before = Upload.objects.owned_by(request.user).filter(kind=kind.kind)
    pk = request.GET.get("like", "")
    if again := before.filter(pk=pk).first() if pk.isdecimal() else None:
        return like(again)
    if kind is SetsForm and (last := before.filter(status=Upload.Status.DONE).first()):
        return {name: value for name, value in like(last).items() if name in ("prompts", "some")}
    return {}


@never_cache
@require_safe
@researcher_required
def upload(request: Request, pk: int) -> HttpResponse:
    """How far it is, what came in, or all that is wrong. htmx polls while it is under way."""
    found = get_object_or_404(_own(request), pk=pk)
    context = {
        "upload": found,
        "problems": found.problems[:SHOWN],
        "more": max(0, len(found.problems) - SHOWN),
    }
    if not request.htmx:
        return render(request, "generation/upload.html", context)
    if not found.unfinished:
        return HttpResponseClientRefresh()
    return render(request, "generation/upload.html#progress", context)


@require_POST
@researcher_required
def upload_act(request: Request, pk: int, act: str) -> HttpResponse:
    """Cancel it."""
    found = get_object_or_404(_own(request), pk=pk)
    if act != "cancel":
        raise Http404(f"An upload can be cancelled, not “{act}”.")
    found.cancel()
    return redirect(found)


def _own(request: Request):
    return Upload.objects.owned_by(request.user).select_related("dataset", "run__generator")
