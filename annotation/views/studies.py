"""A researcher's pages of a study: where it stands, what to do next, what can be looked at."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db.models import Count, Prefetch, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from annotation import readers, studies
from annotation.design import LETTERS
from annotation.errors import StudyError
from annotation.models import (
    Arm,
    Case,
    CaseImage,
    CaseReference,
    CaseSet,
    Reading,
    ReadingSet,
    Study,
)
from annotation.views.invitations import open_invitations
from annotation.views.next_steps import STEPS, next_for
from generation.models import Image, Job, Run
from generation.permissions import Request, researcher_required
from generation.runs import enqueue_run

State = Study.State
ACTS = {
    "generate": studies.generate_images,
    "check": studies.mark_checked,
    "seal": studies.seal_study,
    "open": studies.open_study,
    "close": studies.close_study,
}


# An audit event's act and detail in words.
RECORD = {
    "create": "made the study: {cases} cases, {arms} arms",
    "add reader": "added {user} as reader {reader}",
    "invite": "invited {whom}",
    "revoke invitation": "revoked the invitation of {whom}",
    "accept invitation": "accepted the invitation of {whom} as reader {reader}",
    "consent": "agreed to version {version} of the consent text as reader {reader}",
    "revoke reader": "ended the part of reader {reader}: “{reason}”",
    "generate": "asked for the images",
    "check": "confirmed the images",
    "seal": "sealed the study",
    "audit": "audited the blinding: {verdict}",
    "open": "opened the study to readers",
    "close": "closed the study: {submitted} of {planned} cases handed in",
    "unblind": "unblinded the study: “{reason}”",
}


@require_safe
@researcher_required
def study_list(request: Request) -> HttpResponse:
    found = Study.objects.owned_by(request.user).annotate(
        cases_count=Count("cases", filter=Q(cases__practice=False))
    )
    readings = Reading.objects.filter(reader__study__in=found).values_list("reader__study")
    done = dict(readings.annotate(Count("submitted_at")).order_by())
    planned = dict(readings.annotate(Count("pk")).order_by())
    waits_for = {step.state: step.waits_for for step in STEPS}
    rows = [
        (study, done.get(study.pk, 0), planned.get(study.pk, 0), waits_for[study.state])
        for study in found.order_by("-created_at")
    ]
    return render(request, "annotation/study_list.html", {"rows": rows})


@never_cache
@require_safe
@researcher_required
def study(request: Request, slug: str) -> HttpResponse:
    """Where the study stands. htmx polls the part that shows progress while images are made."""
    study = _load(request, slug)
    context = _context(study) | open_invitations(request, study)
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
def study_readers(request: Request, slug: str) -> HttpResponse:
    """Add a person who has an account as a reader."""
    study = _load(request, slug)
    name = request.POST.get("username", "").strip()
    user = get_user_model().objects.filter(username=name).first()
    if user is None:
        messages.error(
            request,
            f"There is no account “{name}”. Make one first: "
            f"manage.py add_reader {study.slug} NAME --create",
        )
    else:
        try:
            reader = readers.add_reader(study=study, user=user, by=request.user)
        except StudyError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{name} reads this study as {reader.pseudonym}.")
    return redirect(study)


@require_POST
@researcher_required
def study_revoke(request: Request, slug: str, number: int) -> HttpResponse:
    """End a reader's part; their place in the plan goes to the next reader."""
    study = _load(request, slug)
    reader = get_object_or_404(study.readers, number=number)
    try:
        reason = request.POST.get("reason", "")
        readers.revoke_reader(study=study, reader=reader, by=request.user, reason=reason)
    except StudyError as error:
        messages.error(request, str(error))
    return redirect(study)


@require_POST
@researcher_required
def study_run(request: Request, slug: str, pk: int, act: str) -> HttpResponse:
    """Cancel or retry one of the study's runs."""
    study = _load(request, slug)
    run = get_object_or_404(Run.objects.filter(arm__study=study), pk=pk)
    if act == "cancel":
        run.cancel()
    elif act == "retry":
        if run.retry():
            enqueue_run(run)
    else:
        raise Http404
    return redirect(study)


@require_safe
@researcher_required
def case_sets(request: Request, slug: str, position: int) -> HttpResponse:
    """All sets of a case beside its references, with their generators: for the researcher."""
    study = _load(request, slug)
    case = get_object_or_404(
        study.cases.select_related("prompt__rephrasing_of").prefetch_related("casereference_set"),
        position=position,
    )
    last = study.cases.count()
    context = {
        "study": study,
        "case": case,
        "sets": case.sets.select_related("arm__generator").prefetch_related(
            Prefetch("image_set__images", Image.objects.order_by("index"))
        ),
        "last": last,
        "previous": position - 1 or None,
        "next": position + 1 if position < last else None,
    }
    return render(request, "annotation/case_sets.html", context)


def _load(request: Request, slug: str) -> Study:
    return get_object_or_404(Study.objects.owned_by(request.user), slug=slug)


def _context(study: Study) -> dict[str, Any]:
    states = [step.state for step in STEPS]
    now = states.index(study.state)
    arms = list(study.arms.select_related("generator", "run__generator"))
    runs = [arm.run for arm in arms if arm.run]
    cases = _cases(study, arms)
    share = len(cases) * study.protocol.images_per_set  # of an imported run, which may hold more
    found = readers.with_standing(study)
    return {
        "study": study,
        "steps": [
            (step, "past" if i < now else "present" if i == now else "future")
            for i, step in enumerate(STEPS)
        ],
        "next": next_for(study, runs=runs, readers=found),
        "runs": runs if study.state == State.IMAGES else [],
        "images_done": sum(min(run.done, share) for run in runs),
        "images_total": share * len(runs),
        "underway": any(run.status in (Job.Status.QUEUED, Job.Status.RUNNING) for run in runs),
        "readers": found,
        "readers_done": sum(reader.through for reader in found),
        "can_add_reader": study.state not in (State.CLOSED, State.UNBLINDED),
        "can_unblind": study.state in (State.RUNNING, State.CLOSED) and not study.unblinded_at,
        "arms": arms,
        "cases": cases,
        "counted": sum(not case.practice for case, _ in cases),
        "practised": sum(case.practice for case, _ in cases),
        "letters": LETTERS[: len(arms)],
        "balance": _balance(study, arms),
        "record": [
            (event, RECORD.get(event.act, event.act).format(**event.detail))
            for event in study.events.select_related("actor").order_by("-pk")
        ],
    }


def _cases(study: Study, arms: list[Arm]) -> list[tuple[Case, list[int | None]]]:
    """Each case with the first image of its references and of each arm, where there is one."""
    references = CaseReference.objects.filter(case__study=study, position=1)
    firsts: dict[tuple[int, int | None], int] = {
        (case, None): image for case, image in references.values_list("case", "image")
    }
    sets = CaseSet.objects.filter(case__study=study, image_set__images__index=0)
    for case, arm, image in sets.values_list("case", "arm", "image_set__images"):
        firsts[case, arm] = image
    fixed = CaseImage.objects.filter(case_set__case__study=study, position=1)
    for case, arm, image in fixed.values_list("case_set__case", "case_set__arm", "image"):
        firsts[case, arm] = image
    columns = [None, *(arm.pk for arm in arms)]
    return [
        (case, [firsts.get((case.pk, column)) for column in columns])
        for case in study.cases.select_related("prompt__rephrasing_of")
    ]


def _balance(study: Study, arms: list[Arm]) -> list[tuple[Arm, list[int]]]:
    """How often each arm stands under each letter, over all planned readings."""
    if not study.protocol.together:
        return []  # every set is an A
    planned = ReadingSet.objects.filter(
        reading__reader__study=study, reading__kind=Reading.Kind.CASE
    )
    counts = Counter(planned.values_list("case_set__arm", "letter"))
    if not counts:
        return []
    letters = LETTERS[: len(arms)]
    return [(arm, [counts[arm.pk, letter] for letter in letters]) for arm in arms]
