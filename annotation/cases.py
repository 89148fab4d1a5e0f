"""What a researcher, having looked, does with a study's cases before it is sealed.

A case is left out as a whole, for all arms and with the other case of its pair: so every arm stays
in every case, and pairs stay pairs; until the study is sealed it can be brought back. A set is
sampled again as a whole, by a run of its own with a seed of its own. Each is recorded, with its
reason where something goes, and the images that nobody will see are kept.
"""

import hashlib
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet

from annotation.design import DesignError
from annotation.errors import StudyError
from annotation.models import Arm, AuditEvent, Case, CaseImage, CaseSet, Study
from annotation.plans import plans_of
from annotation.steps import check_state, hold_in_state, record
from generation.models import Run
from generation.runs import create_run, enqueue_run

State = Study.State
OPEN = [State.IMAGES, State.CHECKED]  # images are there, or being made, and nothing is sealed


@transaction.atomic
def exclude_case(*, study: Study, case: Case, by: User, reason: str) -> list[Case]:
    """Leave a case out, and the other one of its pair; those that went.

    Raises:
        StudyError: the study is sealed or has no images yet, no reason is given, the case is for
            practice, or what would remain is no study.
    """
    reason = _checked(study, "leave cases out of", reason)
    if case.practice:
        raise StudyError(
            "A practice case can't be left out: the protocol says how many there are. "
            "Sample the set again instead."
        )
    out = _pair(study.cases.filter(practice=False), case)
    for one in out:
        record(
            study,
            "leave out",
            by,
            case=one.position,
            prompt=one.prompt.text,
            reason=reason,
            asked_for=case.position,
            images=_digests(one),
        )
    study.cases.filter(pk__in=[one.pk for one in out]).update(study=None, left_out_of=study)
    if not study.cases.filter(practice=False).exists():
        raise StudyError("No case would be left: make a new study instead.")
    try:
        plans_of(study, [1])
    except DesignError as error:
        raise StudyError(f"The rest would be too few cases for this protocol: {error}") from error
    return out


@transaction.atomic
def include_case(*, study: Study, position: int, by: User) -> list[Case]:
    """Bring a case that was left out back, and the other one of its pair; those that came.

    A study that was checked has to be looked at once more.

    Raises:
        StudyError: the study is sealed, or no case of this number is left out.
    """
    hold_in_state(study, act="bring cases back to", when=OPEN)
    case = study.cases_left_out.filter(position=position).select_related("prompt").first()
    if case is None:
        raise StudyError(f"No case {position} is left out of this study.")
    back = _pair(study.cases_left_out.all(), case)
    pks = [one.pk for one in back]
    study.cases_left_out.filter(pk__in=pks).update(study=study, left_out_of=None)
    for one in back:
        record(study, "bring back", by, case=one.position, prompt=one.prompt.text)
    _look_again(study)
    return back


@transaction.atomic
def sample_again(*, study: Study, shown: CaseSet, by: User, reason: str) -> None:
    """Queue a set anew with another seed; a study that was checked has to be looked at once more.

    Raises:
        StudyError: as in `exclude_case`, or there is no model to sample.
    """
    reason = _checked(study, "sample sets again in", reason)
    generator, replaced = shown.arm.generator, shown.image_set
    if generator is None or replaced is None or not generator.can_sample:
        raise StudyError(
            f"The images of {shown.arm} were not made here, so there are no others: "
            "leave the case out instead."
        )
    run = create_run(
        generator=generator,
        prompts=[shown.case.prompt],
        images_per_set=study.protocol.images_per_set,
        seed=_seed(study, shown),
        by=by,
        priority=Run.Priority.HIGH,  # somebody waits for a few images
    )
    CaseSet.objects.filter(pk=shown.pk).update(image_set=run.image_sets.get())
    record(
        study,
        "sample again",
        by,
        case=shown.case.position,
        arm=str(shown.arm),
        reason=reason,
        seed=run.seed,
        run=run.pk,
        replaced_run=replaced.run_id,
        replaced_seed=replaced.run.seed,
        replaced_images=list(replaced.images.values_list("sha256", flat=True)),
    )
    _look_again(study)
    if replaced.run.unfinished and not Arm.objects.filter(run=replaced.run).exists():
        replaced.run.cancel()  # it was for this set alone
    enqueue_run(run)


def last_left_out(study: Study, *, at: datetime | None = None) -> list[AuditEvent]:
    """Of every case that is left out, or was at a time, the event that says so, in the cases'
    order."""
    events = study.events.filter(act__in=["leave out", "bring back"]).order_by("number")
    last: dict[int, AuditEvent] = {}
    for event in events.filter(at__lt=at) if at else events:
        last[event.detail["case"]] = event
    return [event for _position, event in sorted(last.items()) if event.act == "leave out"]


def _pair(cases: QuerySet[Case], case: Case) -> list[Case]:
    original = case.prompt.rephrasing_of_id or case.prompt_id
    pair = Q(prompt=original) | Q(prompt__rephrasing_of=original)
    return list(cases.filter(pair).select_related("prompt"))


def _look_again(study: Study) -> None:
    """Back to the images: what a set shows is fixed when a person has looked at all of them."""
    CaseImage.objects.filter(
        case_set__case__study=study, case_set__image_set__isnull=False
    ).delete()
    if not Study.objects.filter(pk=study.pk, state__in=OPEN).update(state=State.IMAGES):
        check_state(study, act="change the images of", when=OPEN)
    study.refresh_from_db()


def _checked(study: Study, act: str, reason: str) -> str:
    hold_in_state(study, act=act, when=OPEN)
    if not reason.strip():
        raise StudyError("Say why: the reason is kept with it.")
    return reason.strip()


def _seed(study: Study, shown: CaseSet) -> int:
    """From the study's seed, the set, and how often it was sampled before."""
    before = study.events.filter(
        act="sample again", detail__case=shown.case.position, detail__arm=str(shown.arm)
    ).count()
    key = f"{study.seed}\n{shown.case.position}\n{shown.arm.position}\n{before + 1}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") >> 1


def _digests(case: Case) -> dict[str, list[str]]:
    """SHA-256 of the images of each arm, by its name."""
    sets = case.sets.select_related("arm__generator", "image_set").prefetch_related(
        "links__image", "image_set__images"
    )
    return {str(shown.arm): [image.sha256 for image in shown.images()] for shown in sets}
