"""Dry runs of a study: simulated readers, and the report that they would give."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from analysis.dry_runs import MOST_READERS, DryRunError, create_dry_run, delete_dry_run
from analysis.models import DryRun
from analysis.simulated_readers import MOST_EFFECT, PROFILES
from annotation.copies import WITH_IMAGES
from annotation.errors import StudyError
from annotation.models import Study
from generation.jobs import enqueue
from generation.permissions import Request, researcher_required
from generation.runs import MAX_SEED


class DryRunForm(forms.Form):
    """Readers of each profile, what is assumed of each arm, the seed."""

    def __init__(self, *args, study: Study, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.arms = list(study.arms.select_related("generator"))
        for key, profile in PROFILES.items():
            self.fields[f"readers-{key}"] = forms.IntegerField(
                label=profile.title,
                help_text=profile.description,
                initial=2 if key == "expert" else 0,
                min_value=0,
                max_value=MOST_READERS,
                widget=forms.NumberInput(attrs={"class": "form-control"}),
            )
        for arm in self.arms:
            self.fields[f"effect-{arm.position}"] = forms.FloatField(
                label=str(arm),
                initial=0,
                min_value=-MOST_EFFECT,
                max_value=MOST_EFFECT,
                widget=forms.NumberInput(attrs={"class": "form-control", "step": "0.1"}),
            )
        self.fields["seed"] = forms.IntegerField(
            initial=1,
            min_value=0,
            max_value=MAX_SEED - 1,
            help_text="The same seed gives the same answers.",
            widget=forms.NumberInput(attrs={"class": "form-control"}),
        )

    def readers(self) -> dict[str, int]:
        return {key: self.cleaned_data[f"readers-{key}"] for key in PROFILES}

    def effects(self) -> dict[int, float]:
        return {arm.position: self.cleaned_data[f"effect-{arm.position}"] for arm in self.arms}

    @property
    def reader_fields(self) -> list[forms.BoundField]:
        return [self[f"readers-{key}"] for key in PROFILES]

    @property
    def effect_fields(self) -> list[forms.BoundField]:
        return [self[f"effect-{arm.position}"] for arm in self.arms]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def dry_runs(request: Request, slug: str) -> HttpResponse:
    """Those there are, and the form for another. htmx polls the list while one is under way."""
    study = _load(request, slug)
    form = DryRunForm(request.POST or None, study=study)
    if request.method == "POST" and form.is_valid():
        try:
            create_dry_run(
                study=study,
                by=request.user,
                readers=form.readers(),
                effects=form.effects(),
                seed=form.cleaned_data["seed"],
            )
        except (DryRunError, StudyError) as error:
            form.add_error(None, str(error))
        else:
            return redirect("analysis:dry-runs", slug)
    found = DryRun.objects.filter(study=study).select_related("copy")
    arms = dict(study.arms.values_list("position", "generator__name"))
    context: dict[str, Any] = {
        "study": study,
        "form": form,
        "can_run": study.state in WITH_IMAGES and not study.simulated,
        "runs": [(one, _readers(one), _effects(one, arms)) for one in found],
        "underway": any(one.unfinished for one in found),
    }
    if request.htmx:
        if not context["underway"]:
            return HttpResponseClientRefresh()
        return render(request, "analysis/dry_runs.html#runs", context)
    return render(request, "analysis/dry_runs.html", context)


@require_POST
@researcher_required
def dry_run_act(request: Request, slug: str, pk: int, act: str) -> HttpResponse:
    """Cancel, retry or delete one."""
    found = get_object_or_404(DryRun, study=_load(request, slug), pk=pk)
    if act == "cancel":
        found.cancel()
    elif act == "retry":
        if found.retry():
            enqueue(found)
    elif act == "delete":
        try:
            delete_dry_run(dry_run=found, by=request.user)
        except DryRunError as error:
            messages.error(request, str(error))
    else:
        raise Http404(f"A dry run can't be told to “{act}”.")
    return redirect("analysis:dry-runs", slug)


def _load(request: Request, slug: str) -> Study:
    return get_object_or_404(Study.objects.managed_by(request.user).real(), slug=slug)


def _readers(dry_run: DryRun) -> str:
    """``2 expert, 1 lazy``"""
    return ", ".join(f"{number} {name}" for name, number in dry_run.readers.items())


def _effects(dry_run: DryRun, arms: Mapping[int, str | None]) -> str:
    """What was assumed of the arms that differ."""
    told = [
        f"{arms.get(int(arm)) or 'Real images'} {effect:+g}"
        for arm, effect in dry_run.effects.items()
        if effect
    ]
    return ", ".join(told) or "no arm differs"
