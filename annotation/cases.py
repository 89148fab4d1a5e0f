"""What a researcher, having looked, does with a study's cases before it is sealed.

A case is left out as a whole, for all arms and with the other case of its pair: so every arm stays
in every case, and pairs stay pairs. A set is sampled again as a whole, by a run of its own with a
seed of its own. Either is recorded with its reason, and the images that nobody will see are kept.
"""

import hashlib

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from annotation.design import DesignError
from annotation.errors import StudyError
from annotation.models import Arm, Case, CaseImage, CaseSet, Study
from annotation.plans import plans_of
from annotation.steps import check_state, record, step
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
    original = case.prompt.rephrasing_of_id or case.prompt_id
    pair = Q(prompt=original) | Q(prompt__rephrasing_of=original)
    out = list(study.cases.filter(pair, practice=False).select_related("prompt"))
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
    study.cases.filter(pk__in=[one.pk for one in out]).delete()
    if not study.cases.filter(practice=False).exists():
        raise StudyError("No case would be left: make a new study instead.")
    try:
        plans_of(study, [1])
    except DesignError as error:
        raise StudyError(f"The rest would be too few cases for this protocol: {error}") from error
    return out


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
    CaseImage.objects.filter(
        case_set__case__study=study, case_set__image_set__isnull=False
    ).delete()
    CaseSet.objects.filter(pk=shown.pk).update(image_set=run.image_sets.get())
    step(
        study,
        act="sample again",
        by=by,
        when=OPEN,
        to=State.IMAGES,
        detail={
            "case": shown.case.position,
            "arm": str(shown.arm),
            "reason": reason,
            "seed": run.seed,
            "run": run.pk,
            "replaced_run": replaced.run_id,
            "replaced_seed": replaced.run.seed,
            "replaced_images": list(replaced.images.values_list("sha256", flat=True)),
        },
    )
    if replaced.run.unfinished and not Arm.objects.filter(run=replaced.run).exists():
        replaced.run.cancel()  # it was for this set alone
    enqueue_run(run)


def _checked(study: Study, act: str, reason: str) -> str:
    Study.objects.select_for_update().get(pk=study.pk)
    check_state(study, act=act, when=OPEN)
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
