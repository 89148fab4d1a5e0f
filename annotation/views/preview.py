"""A study as its readers will see it, before it is sealed: the same pages, and nothing is kept."""

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from annotation.blinding import opaque_token
from annotation.cases import OPEN
from annotation.design import PlannedCase, rng
from annotation.models import Case, Study
from annotation.pace import usual_seconds
from annotation.plans import plans_of
from annotation.views.reading import REFERENCES, Shown, Tokens, present, show
from generation.models import Image
from generation.permissions import Request, researcher_required

SLOT = 1  # whose plan is shown: the first reader's


@never_cache
@require_safe
@researcher_required
def preview(request: Request, slug: str, position: int) -> HttpResponse:
    """A case at its place in a reader's plan: its references at first, then all."""
    study, plan = _load(request, slug)
    planned = _at(plan, position)
    tokens = _tokens(study, planned, position)
    last, following = len(plan), position + 1 if position < len(plan) else None
    first_look = bool(tokens[REFERENCES]) and "sets" not in request.GET
    scores: dict[str, dict[str, int | str]] = {letter: {} for letter in planned.arms}
    state: dict[str, Any] = {"scores": scores, "ranking": None, "missing": [], "sequence": 0}
    shown = Shown(
        at="annotation:preview",
        study=study,
        position=position,
        kind=planned.kind,
        prompt=study.cases.select_related("prompt").get(pk=planned.case).prompt.text,
        count=last,
        minutes_left=max(1, round(usual_seconds(study) * (last - position + 1) / 60)),
        tokens=tokens,
        reader_key=opaque_token(study.secret, "preview", request.user.pk),
        given={"flags": {}, "comments": {}, "sequence": 0},
        state=None if first_look else state,
        following=following,
        upcoming=None,
    )
    return show(request, shown)


@require_safe
@researcher_required
def case_preview(request: Request, slug: str, position: int) -> HttpResponse:
    """To where a case, by its number in the study, stands in the plan."""
    study, plan = _load(request, slug)
    case = get_object_or_404(study.cases, position=position)
    place = next(n for n, planned in enumerate(plan, 1) if planned.case == case.pk)
    return redirect("annotation:preview", slug, place)


@require_POST
@researcher_required
def preview_references(request: Request, slug: str, position: int) -> HttpResponse:
    address = reverse("annotation:preview", args=[slug, position])
    return redirect(f"{address}?sets")


@require_POST
@researcher_required
def preview_answer(request: Request, slug: str, position: int) -> HttpResponse:
    """What the page of a case is told: taken, and forgotten."""
    _load(request, slug)
    return JsonResponse({"saved": True, "current": True})


@require_POST
@researcher_required
def preview_submit(request: Request, slug: str, position: int) -> HttpResponse:
    """To the next case; from the last one back to the gallery."""
    _, plan = _load(request, slug)
    if position < len(plan):
        return redirect("annotation:preview", slug, position + 1)
    return redirect("analysis:gallery", slug)


@require_GET
@researcher_required
def preview_image(request: Request, slug: str, position: int, token: str) -> HttpResponse:
    study, plan = _load(request, slug)
    for _, image in _images(study, _at(plan, position)):
        if _token(study, position, image) == token:
            return present(image, study, token)
    raise Http404


def _load(request: Request, slug: str) -> tuple[Study, list[PlannedCase]]:
    """The study, while its cases can change, and the plan of its first reader."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug, state__in=OPEN)
    return study, plans_of(study, [SLOT])[SLOT]


def _at(plan: Sequence[PlannedCase], position: int) -> PlannedCase:
    if not 1 <= position <= len(plan):
        raise Http404
    return plan[position - 1]


def _images(study: Study, planned: PlannedCase) -> list[tuple[str, Image]]:
    """With the letter of their set, each set in an order of its own."""
    case = get_object_or_404(Case, pk=planned.case)
    found = [(REFERENCES, link.image) for link in case.casereference_set.order_by("position")]
    sets = case.sets.prefetch_related("links", "image_set__images")
    by_arm = {shown.arm_id: shown.images() for shown in sets}
    for letter, arm in planned.arms.items():
        images = by_arm.get(arm, [])
        order = rng(study.secret, "preview", planned.case, letter).permutation(len(images))
        found += [(letter, images[i]) for i in order]
    return found


def _tokens(study: Study, planned: PlannedCase, position: int) -> Tokens:
    tokens: Tokens = {REFERENCES: [], **{letter: [] for letter in planned.arms}}
    for letter, image in _images(study, planned):
        tokens[letter].append(_token(study, position, image))
    return tokens


def _token(study: Study, position: int, image: Image) -> str:
    return opaque_token(study.secret, "preview", position, image.pk)
