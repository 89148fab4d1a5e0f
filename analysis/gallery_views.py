"""The gallery: all images of a study, to be looked at before it is sealed."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from analysis.gallery import (
    ANY,
    Narrowed,
    finished_inspection,
    flag_counts,
    is_stale,
    latest_inspection,
    shown_cases,
)
from analysis.inspections import BEFORE_SEALING, InspectionError, create_inspection
from analysis.metrics.quality import KINDS
from annotation.cases import last_left_out
from annotation.models import Study
from generation.jobs import enqueue
from generation.permissions import Request, researcher_required


class NarrowForm(forms.Form):
    """What stands in the gallery's address."""

    case = forms.IntegerField(required=False, min_value=1)
    arm = forms.IntegerField(required=False, min_value=1)
    flag = forms.ChoiceField(required=False, choices=[(key, key) for key in (ANY, *KINDS)])

    def narrowed(self) -> Narrowed:
        """Without what makes no sense."""
        self.full_clean()
        given = {**self.cleaned_data}
        return Narrowed(given.get("case"), given.get("arm"), given.get("flag", ""))


@never_cache
@require_safe
@researcher_required
def gallery(request: Request, slug: str) -> HttpResponse:
    """All sets beside their references, flags with them. htmx polls an inspection's progress."""
    study = _load(request, slug)
    latest = latest_inspection(study)
    underway = latest and latest.unfinished
    inspected = finished_inspection(study)
    context: dict[str, Any] = {
        "study": study,
        "latest": latest,
        "underway": underway,
        "inspected": inspected,
        "can_change": study.state in BEFORE_SEALING,
    }
    if request.htmx:
        if not underway:
            return HttpResponseClientRefresh()
        return render(request, "analysis/gallery.html#progress", context)
    narrowed = NarrowForm(request.GET).narrowed()
    page, shown = shown_cases(study, inspected, narrowed, page=request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context |= {
        "narrowed": narrowed,
        "any": ANY,
        "counts": flag_counts(inspected),
        "stale": bool(inspected and is_stale(study, inspected)),
        "arms": study.arms.select_related("generator"),
        "page": page,
        "cases": shown,
        "query": query.urlencode(),
        "whole_query": request.GET.urlencode(),
        "left_out": last_left_out(study),
        "can_return": set(study.cases_left_out.values_list("position", flat=True)),
    }
    return render(request, "analysis/gallery.html", context)


@require_POST
@researcher_required
def gallery_inspect(request: Request, slug: str) -> HttpResponse:
    """Ask for an inspection; cancel or retry the newest."""
    study = _load(request, slug)
    act, latest = request.POST.get("act", "inspect"), latest_inspection(study)
    if act == "inspect":
        try:
            create_inspection(study=study, by=request.user)
        except InspectionError as error:
            messages.error(request, str(error))
    elif act == "cancel" and latest:
        latest.cancel()
    elif act == "retry" and latest:
        if latest.retry():
            enqueue(latest)
    else:
        raise Http404(f"An inspection can't be told to “{act}”.")
    return redirect("analysis:gallery", slug)


def _load(request: Request, slug: str) -> Study:
    return get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
