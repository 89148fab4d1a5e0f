"""Pages of trainings: for the researcher who began them, and superusers."""

from typing import Any

from csp.decorators import csp_update
from django.contrib import messages
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from generation.forms import TrainingForm, like
from generation.jobs import enqueue
from generation.models import Job, Training
from generation.permissions import Request, researcher_required
from generation.training.config import TrainingConfigError
from generation.training.presets import make_config
from generation.training_settings import as_lines, read_lines
from generation.trainings import TrainingError, change_training

CACHED = "private, max-age=86400"
POINTS_A_CHART = 5


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def training_new(request: Request) -> HttpResponse:
    """The form; another family or preset gives other fields, with what was typed kept."""
    if request.method == "POST":
        form = TrainingForm(request.POST, initial={})
        if form.is_valid() and (training := form.save(request.user)):
            return redirect(training)
    else:
        initial = request.GET.dict()
        if pk := initial.pop("like", ""):
            initial = like(get_object_or_404(_own(request), pk=int(pk) if pk.isdecimal() else 0))
        form = TrainingForm(initial=initial)
    return render(request, "generation/training_new.html", {"form": form})


@never_cache
@require_safe
@researcher_required
def training(request: Request, pk: int) -> HttpResponse:
    """Where it stands. htmx polls the part that shows progress."""
    found = get_object_or_404(_own(request), pk=pk)
    context = _context(found)
    if not request.htmx:
        return render(request, "generation/training.html", context)
    if not context["underway"]:
        return HttpResponseClientRefresh()
    return render(request, "generation/training.html#progress", context)


@require_POST
@researcher_required
def training_act(request: Request, pk: int, act: str) -> HttpResponse:
    """Cancel it, or go on with one that stopped, with other settings where some are given."""
    found = get_object_or_404(_own(request), pk=pk)
    if act == "cancel":
        found.cancel()
    elif act == "retry":
        text = request.POST.get("settings", "")
        try:
            if changes := read_lines(text):
                change_training(found, changes)
        except (TrainingConfigError, TrainingError) as error:
            context = {**_context(found), "settings": text, "refused": str(error)}
            return render(request, "generation/training.html", context)
        if found.retry():
            enqueue(found)
        else:
            messages.info(request, "It goes on already.")
    else:
        raise Http404(f"A training can be cancelled or retried, not “{act}”.")
    return redirect(found)


@require_safe
@researcher_required
# Opened by itself, an SVG needs its own style element.
@csp_update({"style-src": ["'unsafe-inline'"]})  # type: ignore[arg-type]
def training_loss(request: Request, pk: int) -> HttpResponse:
    """The loss chart. Pages ask for it by an address that changes with it, so it may be kept."""
    from generation.loss_chart import loss_chart  # matplotlib

    found = get_object_or_404(_own(request), pk=pk)
    if not found.history:
        raise Http404("There is no loss yet.")
    response = HttpResponse(loss_chart(found.history), content_type="image/svg+xml")
    response["Cache-Control"] = CACHED
    return response


@require_safe
@researcher_required
def training_grid(request: Request, pk: int, name: str) -> FileResponse:
    """A validation grid, by the name of one that is there: no other file can be asked for."""
    found = get_object_or_404(_own(request), pk=pk)
    grid = next((path for path in found.grids.glob("*.png") if path.name == name), None)
    if grid is None:
        raise Http404(f"There is no validation grid “{name}”.")
    response = FileResponse(grid.open("rb"), content_type="image/png")
    response["Cache-Control"] = CACHED
    return response


def _own(request: Request) -> QuerySet[Training]:
    return Training.objects.owned_by(request.user).select_related("dataset", "generator")


def _context(training: Training) -> dict[str, Any]:
    config = make_config(training.family, "paper", training.config)
    stages = config.stages()
    names = list(stages)
    now = names.index(training.stage) if training.stage in names else -1
    grids = []
    for path in sorted(training.grids.glob("*.png"), reverse=True):
        stage, _, step = path.stem.rpartition("-")
        grids.append((path.name, path.stat().st_mtime_ns, stage, int(step)))
    since = int(training.started_at.timestamp()) if training.started_at else ""
    return {
        "training": training,
        # A new address for a chart with something new in it, but not at every poll: it blinks.
        "chart": f"{training.status}-{since}-{len(training.history) // POINTS_A_CHART}",
        "underway": training.status in (Job.Status.QUEUED, Job.Status.RUNNING),
        "stopped": training.status in (Job.Status.FAILED, Job.Status.CANCELLED),
        "stages": stages,
        "later": {name: stages[name] for name in names[now + 1 :]} if now >= 0 else {},
        "grids": grids,
        "prompts": config.validation_prompts,
        "config_lines": as_lines(training.config),
        "may_change": sorted(config.may_change_on_resume & set(training.config)),
    }
