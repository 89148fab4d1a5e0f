"""What a reader does in a reading: the stored plan, answers as append-only revisions."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from annotation import design
from annotation.blinding import opaque_token
from annotation.models import (
    CaseSet,
    Ranking,
    Reader,
    Reading,
    ReadingSet,
    Score,
    ShownImage,
    Study,
)
from annotation.protocols import REFERENCE_LETTER, Criterion
from generation.models import Image

CLOCK_TOLERANCE = 5 * 60 * 1000  # milliseconds that a browser's clock may be ahead of ours
_BATCH = 500


class AnswerError(ValueError):
    """The answer can't be taken; the message says why, in words for the reader."""


# Planning


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
            "casereference_set__image", "sets__image_set__images"
        )
    }
    plan = design.plan_reader(
        secret=study.secret,
        slot=reader.slot,
        cases=[
            design.CaseRef(case.pk, case.prompt.rephrasing_of_id or case.prompt_id)
            for case in cases.values()
        ],
        arms=list(study.arms.values_list("pk", flat=True)),
        repeats=study.protocol.repeats,
    )
    readings = Reading.objects.bulk_create(
        (
            Reading(reader=reader, case=cases[planned.case], position=i, repeat=planned.repeat)
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
        images = list(reading_set.case_set.image_set.images.all())
        shown += _shown(study, reading_set.reading, reading_set, images)
    ShownImage.objects.bulk_create(shown, batch_size=_BATCH)


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


# Answering


def save_score(
    *, reading: Reading, letter: str, criterion: str, value: int | None, sequence: int
) -> Score:
    """Add a revision of one score; None says that the criterion is not applicable.

    The same sequence number with the same value is a replay and returns the row that is there;
    a lower number than the newest is kept but doesn't become current.

    Raises:
        AnswerError: the study doesn't run, the set, criterion or value doesn't exist, or the
            sequence number is in the future or taken by another value.
    """
    with transaction.atomic():
        study = _running_study(reading)
        reading_set = reading.sets.filter(letter=letter).first()
        if reading_set is None:
            raise AnswerError(f"There is no set {letter} here.")
        try:
            asked = study.protocol.criterion(criterion)
        except KeyError:
            raise AnswerError(f"This study has no criterion “{criterion}”.") from None
        _check_value(asked, value)
        _check_sequence(sequence)
        score, new = Score.objects.get_or_create(
            reading_set=reading_set,
            criterion=criterion,
            sequence=sequence,
            defaults={"value": value},
        )
        if not new and score.value != value:
            raise AnswerError("Another value was saved at the same moment: please choose again.")
        _mark_started(reading)
    return score


def save_ranking(*, reading: Reading, tiers: Sequence[Sequence[str]], sequence: int) -> Ranking:
    """Add a revision of the ranking, best first, for example ``[["B"], ["A", "C"]]``.

    Sequence numbers work as in `save_score`.

    Raises:
        AnswerError: as in `save_score`, or the ranking is incomplete, names a set twice or one
            that isn't there, or has ties where the protocol allows none.
    """
    with transaction.atomic():
        study = _running_study(reading)
        ranked = _checked_tiers(reading, study, tiers)
        _check_sequence(sequence)
        ranking, new = Ranking.objects.get_or_create(
            reading=reading, sequence=sequence, defaults={"tiers": ranked}
        )
        if not new and ranking.tiers != ranked:
            raise AnswerError("Another ranking was saved at the same moment: please rank again.")
        _mark_started(reading)
    return ranking


def see_references(reading: Reading) -> None:
    """Record when the reader first went on from the reference images."""
    with transaction.atomic():
        _running_study(reading)
        Reading.objects.filter(pk=reading.pk, references_seen_at=None).update(
            references_seen_at=timezone.now()
        )
    reading.refresh_from_db()


def submit_reading(reading: Reading) -> list[str]:
    """Hand the reading in, and return what is missing; it is in when nothing is.

    Answers can still be changed afterwards, while the study runs.
    """
    with transaction.atomic():
        _running_study(reading)
        missing = reading_state(reading)["missing"]
        if not missing:
            now = timezone.now()
            Reading.objects.filter(pk=reading.pk, submitted_at=None).update(submitted_at=now)
            if not reading.reader.readings.filter(submitted_at=None).exists():
                Reader.objects.filter(pk=reading.reader_id, state=Reader.State.ACTIVE).update(
                    state=Reader.State.FINISHED, finished_at=now
                )
    reading.refresh_from_db()
    return missing


def _running_study(reading: Reading) -> Study:
    """The study, if it takes answers of this reader now; holds the reader's row until commit."""
    reader = (
        Reader.objects.select_for_update(of=("self",))
        .select_related("study")
        .get(pk=reading.reader_id)
    )
    if reader.study.state != Study.State.RUNNING:
        raise AnswerError("This study doesn't take answers now: it is not running.")
    if reader.state == Reader.State.REVOKED:
        raise AnswerError("Your part in this study has ended.")
    return reader.study


def _check_value(criterion: Criterion, value: int | None) -> None:
    if value is None and criterion.not_applicable:
        return
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is None or not whole or not criterion.minimum <= value <= criterion.maximum:
        raise AnswerError(
            f"{criterion.name} takes a whole number from {criterion.minimum} to "
            f"{criterion.maximum}{' or “not applicable”' * criterion.not_applicable}, "
            f"not {'“not applicable”' if value is None else repr(value)}."
        )


def _check_sequence(sequence: int) -> None:
    if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 1:
        raise AnswerError("The sequence number must be a whole number above 0.")
    if sequence > time.time() * 1000 + CLOCK_TOLERANCE:
        raise AnswerError("The answer is dated in the future: check this device's clock.")


def _checked_tiers(
    reading: Reading, study: Study, tiers: Sequence[Sequence[str]]
) -> list[list[str]]:
    protocol = study.protocol
    letters = set(reading.sets.values_list("letter", flat=True))
    if protocol.rank_references:
        letters.add(REFERENCE_LETTER)
    ranked = [sorted(tier) for tier in tiers]
    named = [letter for tier in ranked for letter in tier]
    if sorted(named) != sorted(letters) or not all(ranked):
        raise AnswerError(f"Rank each of {', '.join(sorted(letters))} once.")
    if not protocol.ties_allowed and any(len(tier) > 1 for tier in ranked):
        raise AnswerError("Two sets can't share a rank in this study.")
    return ranked


def _mark_started(reading: Reading) -> None:
    now = timezone.now()
    Reading.objects.filter(pk=reading.pk, started_at=None).update(started_at=now)
    Reader.objects.filter(pk=reading.reader_id, state=Reader.State.INVITED).update(
        state=Reader.State.ACTIVE
    )


# Where a reading stands


def reading_state(reading: Reading) -> dict[str, Any]:
    """`reading_states` of one."""
    return reading_states([reading])[reading.pk]


def reading_states(readings: Iterable[Reading]) -> dict[int, dict[str, Any]]:
    """Where readings of one study stand, by primary key, in three queries for all of them.

    Each is ``{"scores": {letter: {criterion: value or "na"}}, "ranking": tiers or None,
    "missing": ["2 scores missing in set B", "ranking missing"], "sequence": highest so far or 0,
    "submitted": bool}``.
    """
    readings = list(readings)
    if not readings:
        return {}
    criteria = [criterion.key for criterion in readings[0].reader.study.protocol.criteria]
    scores: dict[int, dict[str, dict[str, int | str]]] = defaultdict(dict)
    for pk, letter in ReadingSet.objects.filter(reading__in=readings).values_list(
        "reading", "letter"
    ):
        scores[pk][letter] = {}
    sequences: dict[int, int] = defaultdict(int)
    for score in (
        Score.objects.filter(reading_set__reading__in=readings)
        .select_related("reading_set")
        .order_by("sequence")
    ):
        pk = score.reading_set.reading_id
        scores[pk][score.reading_set.letter][score.criterion] = score.given
        sequences[pk] = max(sequences[pk], score.sequence)
    rankings: dict[int, list[list[str]]] = {}
    for ranking in Ranking.objects.filter(reading__in=readings).order_by("sequence"):
        rankings[ranking.reading_id] = ranking.tiers
        sequences[ranking.reading_id] = max(sequences[ranking.reading_id], ranking.sequence)
    return {
        reading.pk: {
            "scores": scores[reading.pk],
            "ranking": rankings.get(reading.pk),
            "missing": _missing(criteria, scores[reading.pk], rankings.get(reading.pk)),
            "sequence": sequences[reading.pk],
            "submitted": reading.submitted_at is not None,
        }
        for reading in readings
    }


def _missing(
    criteria: Sequence[str],
    scores: dict[str, dict[str, int | str]],
    ranking: list[list[str]] | None,
) -> list[str]:
    missing = []
    for letter, given in sorted(scores.items()):
        count = sum(key not in given for key in criteria)
        if count:
            missing.append(f"{count} score{'s' if count > 1 else ''} missing in set {letter}")
    if ranking is None:
        missing.append("ranking missing")
    return missing
