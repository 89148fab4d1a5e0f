"""A reader's plan, stored: who sees what, where and under which letter."""

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

from django.db import IntegrityError, transaction

from annotation import design
from annotation.blinding import opaque_token
from annotation.models import Case, CaseSet, Reader, Reading, ReadingSet, ShownImage, Study
from generation.models import Image

_BATCH = 500


def plan_reader(reader: Reader) -> None:
    """Store who sees what, where and under which letter; a reader planned before stays as is."""
    try:
        with transaction.atomic():
            if not reader.readings.exists():
                _store_plan(reader)
    except IntegrityError:
        if not reader.readings.exists():  # not just another process that planned at this moment
            raise


def _store_plan(reader: Reader) -> None:
    study = reader.study
    cases = {
        case.pk: case
        for case in study.cases.select_related("prompt").prefetch_related(
            "casereference_set__image", "sets__links__image"
        )
    }
    plan = plans_of(study, [reader.slot])[reader.slot]
    readings = Reading.objects.bulk_create(
        (
            Reading(reader=reader, case=cases[planned.case], position=i, kind=planned.kind)
            for i, planned in enumerate(plan, 1)
        ),
        batch_size=_BATCH,
    )
    reading_sets = ReadingSet.objects.bulk_create(
        (
            ReadingSet(reading=reading, letter=letter, case_set=_set_of(reading, arm))
            for reading, planned in zip(readings, plan, strict=True)
            for letter, arm in planned.arms.items()
        ),
        batch_size=_BATCH,
    )
    shown: list[ShownImage] = []
    for reading in readings:
        references = [link.image for link in reading.case.casereference_set.all()]
        shown += _shown(study, reading, None, references)
    for reading_set in reading_sets:
        shown += _shown(study, reading_set.reading, reading_set, reading_set.case_set.images())
    ShownImage.objects.bulk_create(shown, batch_size=_BATCH)


def plans_of(study: Study, slots: Sequence[int]) -> dict[int, list[design.PlannedCase]]:
    """The plans of these slots, as they follow from the study as it is now.

    Raises:
        DesignError: the protocol asks for more than the cases have room for.
    """
    refs = case_refs(study)
    practice = case_refs(study, practice=True)
    arms = list(study.arms.values_list("pk", flat=True))
    protocol = study.protocol
    return {
        slot: design.plan_reader(
            secret=study.secret,
            slot=slot,
            cases=refs,
            arms=arms,
            repeats=protocol.repeats,
            practice=practice,
            checks=protocol.checks,
            together=protocol.together,
        )
        for slot in slots
    }


def stored_plans(readers: Sequence[Reader]) -> dict[Reader, list[design.PlannedCase]]:
    """The plans of those readers who have one, as they were stored."""
    plans: dict[int, dict[int, design.PlannedCase]] = defaultdict(dict)
    for reader, position, case, kind, letter, arm in (
        ReadingSet.objects.filter(reading__reader__in=readers)
        .order_by("reading__position", "letter")
        .values_list(
            "reading__reader",
            "reading__position",
            "reading__case",
            "reading__kind",
            "letter",
            "case_set__arm",
        )
    ):
        planned = design.PlannedCase(case, {}, cast(design.Kind, kind))
        plans[reader].setdefault(position, planned).arms[letter] = arm
    return {reader: list(plans[reader.pk].values()) for reader in readers if reader.pk in plans}


def case_refs(study: Study, *, practice: bool = False) -> list[design.CaseRef]:
    """The cases that count, or those of practice."""
    return [_ref(case) for case in study.cases.filter(practice=practice).select_related("prompt")]


def _ref(case: Case) -> design.CaseRef:
    return design.CaseRef(case.pk, case.prompt.rephrasing_of_id or case.prompt_id)


def _set_of(reading: Reading, arm: int) -> CaseSet:
    return next(shown for shown in reading.case.sets.all() if shown.arm_id == arm)


def _shown(
    study: Study, reading: Reading, reading_set: ReadingSet | None, images: Sequence[Image]
) -> list[ShownImage]:
    """The images of one set in an order of this reading's own, each behind its token."""
    random = design.rng(study.secret, "images", reading.pk, reading_set and reading_set.pk)
    return [
        ShownImage(
            reading=reading,
            reading_set=reading_set,
            image=images[i],
            position=position,
            token=opaque_token(study.secret, "image", reading.pk, images[i].pk),
        )
        for position, i in enumerate(random.permutation(len(images)), 1)
    ]
