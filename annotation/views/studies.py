"""A researcher's pages of a study: where it stands, what to do next, what can be looked at."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from annotation import openings, readers, studies
from annotation.design import LETTERS
from annotation.errors import StudyError
from annotation.models import (
    Arm,
    BlindingAudit,
    Case,
    CaseImage,
    CaseReference,
    CaseSet,
    Reader,
    Reading,
    ReadingSet,
    Study,
)
from annotation.plan_words import NO_PLAN, plan_lines
from annotation.study_form import StudyForm
from annotation.views.invitations import open_invitations
from annotation.views.next_steps import STEPS, next_for
from annotation.views.readers import readers_of
from annotation.views.record_words import record_of
from generation.models import Image
from generation.permissions import Request, researcher_required
from generation.runs import enqueue_run

State = Study.State
ACTS = {
    "generate": studies.generate_images,
    "check": studies.mark_checked,
    "seal": studies.seal_study,
    "open": openings.ask_opening,
    "close": studies.close_study,
}
CASES_SHOWN = 8
# The act with which each state begins.
BEGINS = {
    State.DRAFT: "create",
    State.IMAGES: "generate",
    State.CHECKED: "check",
    State.SEALED: "seal",
    State.RUNNING: "open",
    State.CLOSED: "close",
    State.UNBLINDED: "unblind",
}


@require_safe
@researcher_required
def study_list(request: Request) -> HttpResponse:
    found = Study.objects.followed_by(request.user).real()
    cases = Case.objects.filter(study__in=found, practice=False).values_list("study")
    counted = dict(cases.annotate(Count("pk")).order_by())
    readings = Reading.objects.filter(reader__study__in=found).values_list("reader__study")
    done = dict(readings.annotate(Count("submitted_at")).order_by())
    planned = dict(readings.annotate(Count("pk")).order_by())
    waits_for = {step.state: step.waits_for for step in STEPS}
    rows = [
        (
            study,
            counted.get(study.pk, 0),
            done.get(study.pk, 0),
            planned.get(study.pk, 0),
            waits_for[study.state],
        )
        for study in found.defer("manifest").order_by("-created_at")  # it is long
    ]
    context = {"rows": rows, "form": None if rows else StudyForm(request.user)}
    return render(request, "annotation/study_list.html", context)


@never_cache
@require_safe
@researcher_required
def study(request: Request, slug: str) -> HttpResponse:
    """Where the study stands; for monitors, without what is kept from them. htmx polls the part
    that shows progress while images are made."""
    without_manifest = Study.objects.defer("manifest")  # it is long
    followed = get_object_or_404(without_manifest.followed_by(request.user), slug=slug)
    study = without_manifest.managed_by(request.user).filter(pk=followed.pk).first()
    if study is None:
        return render(request, "annotation/study_followed.html", _followed(followed))
    context = _context(study) | open_invitations(request, study)
    context["names_members"] = request.user.is_superuser or study.owner_id == request.user.pk
    if not request.htmx:
        return render(request, "annotation/study.html", context)
    if not context["underway"]:
        return HttpResponseClientRefresh()
    return render(request, "annotation/study.html#next", context)


@require_POST
@researcher_required
def study_act(request: Request, slug: str, act: str) -> HttpResponse:
    """Take the study a step on; a step that can't be taken says why on the study's page."""
    study = _load(request, slug)
    try:
        if act == "unblind":
            reason = request.POST.get("reason", "")
            studies.unblind_study(study=study, by=request.user, reason=reason)
        elif act in ACTS:
            ACTS[act](study=study, by=request.user)
        else:
            raise Http404
    except StudyError as error:
        messages.error(request, str(error))
    return redirect(study)


@require_POST
@researcher_required
def study_run(request: Request, slug: str, pk: int, act: str) -> HttpResponse:
    """Cancel or retry one of the study's runs."""
    study = _load(request, slug)
    run = get_object_or_404(study.runs(), pk=pk)
    if act == "cancel":
        run.cancel()
    elif act == "retry":
        if run.retry():
            enqueue_run(run)
    else:
        raise Http404
    return redirect(study)


def _load(request: Request, slug: str) -> Study:
    return get_object_or_404(Study.objects.managed_by(request.user), slug=slug)


def _context(study: Study) -> dict[str, Any]:
    states = [step.state for step in STEPS]
    now = states.index(study.state)
    arms = list(study.arms.select_related("generator", "run__generator"))
    runs = list(study.runs().select_related("generator"))
    underway = any(run.unfinished for run in runs)
    cases = _cases(study, arms)
    numbers = Counter(study.cases.values_list("practice", flat=True))
    times = _times(study)
    sets = CaseSet.objects.filter(case__study=study, image_set__isnull=False)
    done, total = Image.objects.filter(image_set__case_sets__in=sets).count(), sets.count()
    total *= study.protocol.images_per_set
    found = readers.with_standing(study)
    opening = _opening(study)
    return {
        "study": study,
        "steps": [(step, _when(i, now), times.get(step.state)) for i, step in enumerate(STEPS)],
        **readers_of(study, found),
        "next": next_for(
            study,
            # A run may have failed in sets that were sampled again since.
            runs=runs if underway or done < total else [],
            readers=found,
            opening=opening,
        ),
        "opening": opening,
        "runs": runs if study.state == State.IMAGES else [],
        "images_done": done,
        "images_total": total,
        "underway": underway or (opening and opening.unfinished),
        "can_unblind": study.state in (State.RUNNING, State.CLOSED) and not study.unblinded_at,
        "arms": arms,
        "cases": cases,
        "cases_total": sum(numbers.values()),
        "counted": numbers[False],
        "practised": numbers[True],
        "letters": LETTERS[: len(arms)],
        "balance": _balance(study, arms),
        "plan": plan_lines(study.protocol),
        "no_plan": NO_PLAN,
        "record": record_of(study),
    }


def _followed(study: Study) -> dict[str, Any]:
    """What a monitor is shown: steps, readers and the record, and nothing of arms."""
    times = _times(study)
    states = [step.state for step in STEPS]
    now = states.index(study.state)
    return {
        "study": study,
        "steps": [(step, _when(i, now), times.get(step.state)) for i, step in enumerate(STEPS)],
        "counted": study.cases.filter(practice=False).count(),
        "practised": study.cases.filter(practice=True).count(),
        **readers_of(study, readers.with_standing(study)),
        "record": record_of(study, blinded=True),
    }


def _when(step: int, now: int) -> str:
    return "past" if step < now else "present" if step == now else "future"


def _times(study: Study) -> dict[str, datetime]:
    """When the study came into each state."""
    begins = {act: state for state, act in BEGINS.items()}
    events = study.events.filter(act__in=begins).order_by("pk")
    return {begins[act]: at for act, at in events.values_list("act", "at")}


def _opening(study: Study) -> BlindingAudit | None:
    """The opening that is under way, or why the last one failed."""
    last = study.audits.first() if study.state == State.SEALED else None
    return last if last and last.opens and (last.unfinished or last.error) else None


def _cases(study: Study, arms: list[Arm]) -> list[tuple[Case, list[int | None]]]:
    """The first cases, each with the first image of its references and of each arm, where there
    is one."""
    cases = list(study.cases.select_related("prompt__rephrasing_of")[:CASES_SHOWN])
    references = CaseReference.objects.filter(case__in=cases, position=1)
    firsts: dict[tuple[int, int | None], int] = {
        (case, None): image for case, image in references.values_list("case", "image")
    }
    sets = CaseSet.objects.filter(case__in=cases, image_set__images__index=0)
    for case, arm, image in sets.values_list("case", "arm", "image_set__images"):
        firsts[case, arm] = image
    fixed = CaseImage.objects.filter(case_set__case__in=cases, position=1)
    for case, arm, image in fixed.values_list("case_set__case", "case_set__arm", "image"):
        firsts[case, arm] = image
    columns = [None, *(arm.pk for arm in arms)]
    return [(case, [firsts.get((case.pk, column)) for column in columns]) for case in cases]


def _balance(study: Study, arms: list[Arm]) -> list[tuple[Arm, list[int]]]:
    """How often each arm stands under each letter, over all planned readings."""
    if not study.protocol.together:
        return []  # every set is an A
    planned = ReadingSet.objects.filter(
        reading__reader__study=study, reading__kind=Reading.Kind.CASE
    ).exclude(reading__reader__state=Reader.State.REVOKED)
    counts = Counter(planned.values_list("case_set__arm", "letter"))
    if not counts:
        return []
    letters = LETTERS[: len(arms)]
    return [(arm, [counts[arm.pk, letter] for letter in letters]) for arm in arms]
