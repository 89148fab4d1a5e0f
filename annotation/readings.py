"""What a reader does in a reading: the stored plan, answers as append-only revisions."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.answered import KEY, answers_digest
from annotation.errors import AnswerError
from annotation.models import (
    Activity,
    Comment,
    Flag,
    Ranking,
    Reader,
    Reading,
    ReadingSet,
    Score,
    Study,
)
from annotation.models.answers import MOST_TEXT
from annotation.protocols import REFERENCE_LETTER, Criterion, Kind, Protocol
from annotation.steps import hold_study, record

Row = TypeVar("Row", bound=Model)
CLOCK_TOLERANCE = 5 * 60 * 1000  # milliseconds that a browser's clock may be ahead of ours


def save_score(
    *,
    reading: Reading,
    letter: str,
    criterion: str,
    value: int | None,
    sequence: int,
    text: str = "",
) -> Score:
    """Add a revision of one score: a value, None for “not applicable”, or a text where it is asked.

    The same sequence number with the same answer is a replay and returns the row that is there;
    a lower number than the newest is kept but doesn't become current.

    Raises:
        AnswerError: the study doesn't run, the set, criterion or value doesn't exist, or the
            sequence number is in the future or taken by another answer.
    """
    with transaction.atomic():
        study = _running_study(reading)
        reading_set = _set(reading, letter)
        try:
            asked = study.protocol.criterion(criterion)
        except KeyError:
            message = _("This study has no criterion “{criterion}”.").format(criterion=criterion)
            raise AnswerError(message) from None
        if asked.kind == Kind.TEXT:
            value, text = None, _checked_text(text)
        else:
            _check_value(asked, value)
            text = ""
        return _added(
            Score,
            reading,
            {"reading_set": reading_set, "criterion": criterion},
            sequence,
            {"value": value, "text": text},
        )


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
        return _added(Ranking, reading, {"reading": reading}, sequence, {"tiers": ranked})


def save_comment(*, reading: Reading, letter: str, text: str, sequence: int) -> Comment:
    """Add a revision of the comment on a set; an empty one takes it back. Raises `AnswerError`."""
    with transaction.atomic():
        _running_study(reading)
        key = {"reading_set": _set(reading, letter)}
        return _added(Comment, reading, key, sequence, {"text": _checked_text(text)})


def save_flag(*, reading: Reading, token: str, reason: str, sequence: int) -> Flag:
    """Add a revision of the flag on an image, named by its token; ``withdrawn`` takes it back.

    Raises `AnswerError`.
    """
    with transaction.atomic():
        _running_study(reading)
        shown = next((s for s in reading.shown_images.all() if s.token == token), None)
        if shown is None:
            raise AnswerError(_("There is no such image here."))
        if reason not in Flag.Reason.values:
            message = _("“{reason}” is no reason; there are: {reasons}.")
            raise AnswerError(message.format(reason=reason, reasons=", ".join(Flag.Reason)))
        return _added(Flag, reading, {"shown_image": shown}, sequence, {"reason": reason})


def record_activity(
    *, reading: Reading, act: str, detail: Mapping[str, Any], sequence: int
) -> Activity:
    """Add what the page reports of its use; raises `AnswerError`."""
    with transaction.atomic():
        _running_study(reading)
        if act not in Activity.Act.values:
            message = _("“{act}” is no activity; there are: {acts}.")
            raise AnswerError(message.format(act=act, acts=", ".join(Activity.Act)))
        if len(str(detail)) > MOST_TEXT:
            raise AnswerError(_("An activity's detail is too long."))
        key = {"reading": reading}
        return _added(Activity, reading, key, sequence, {"act": act, "detail": dict(detail)})


def _added(
    model: type[Row],
    reading: Reading,
    key: Mapping[str, Any],
    sequence: int,
    answer: Mapping[str, Any],
) -> Row:
    """The revision, new or replayed."""
    _check_sequence(sequence)
    row, new = model._default_manager.get_or_create(**key, sequence=sequence, defaults=answer)
    if not new and any(getattr(row, name) != given for name, given in answer.items()):
        raise AnswerError(_("Something else was saved at the same moment: please answer again."))
    _mark_started(reading)
    return row


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

    Answers can still be changed afterwards, until the reader finishes or the study closes.
    """
    with transaction.atomic():
        _running_study(reading)
        missing = reading_state(reading)["missing"]
        if not missing:
            now = timezone.now()
            Reading.objects.filter(pk=reading.pk, submitted_at=None).update(submitted_at=now)
    reading.refresh_from_db()
    return missing


def finish_reading(reader: Reader) -> None:
    """The reader is through with the study: nothing of theirs can be changed any more. A digest of
    their scores and rankings goes on record.

    Raises:
        AnswerError: a case is not handed in yet, or the study doesn't take answers.
    """
    with transaction.atomic():
        hold_study(reader.study_id)
        reader = held_reader(reader.pk)
        _check_open(reader)
        left = reader.readings.filter(submitted_at=None).count()
        if left or not reader.readings.exists():
            message = ngettext(
                "{left} case is not handed in yet.", "{left} cases are not handed in yet.", left
            )
            raise AnswerError(message.format(left=left))
        Reader.objects.filter(pk=reader.pk).update(
            state=Reader.State.FINISHED, finished_at=timezone.now()
        )
        told = {"reader": str(reader), KEY: answers_digest(reader.study, reader)}
        record(reader.study, "finish", reader.user, **told)


def _running_study(reading: Reading) -> Study:
    """The study, if it takes answers of this reader now; holds the reader's row until commit."""
    reader = held_reader(reading.reader_id)
    _check_open(reader)
    return reader.study


def held_reader(pk: int) -> Reader:
    """The reader, whose row nobody else changes until commit, and the study as it is after that:
    read at once, it could be what it was before a closing that held the row."""
    reader = Reader.objects.select_for_update().get(pk=pk)
    # Without the manifest: long, and not needed for each answer.
    reader.study = Study.objects.defer("manifest").get(pk=reader.study_id)
    return reader


def _check_open(reader: Reader) -> None:
    """Raises `AnswerError` where this reader's answers can't change."""
    if reader.study.state != Study.State.RUNNING:
        raise AnswerError(_("This study doesn't take answers now: it is not running."))
    if reader.state == Reader.State.REVOKED:
        raise AnswerError(_("Your part in this study has ended."))
    if reader.paused_at:
        raise AnswerError(_("Your part in this study is paused. Your answers are kept."))
    if reader.state == Reader.State.FINISHED:
        raise AnswerError(_("You have finished this study: answers can't be changed any more."))


def _set(reading: Reading, letter: str) -> ReadingSet:
    # Compared here, not by the database: PostgreSQL breaks on a NUL.
    reading_set = next((shown for shown in reading.sets.all() if shown.letter == letter), None)
    if reading_set is None:
        raise AnswerError(_("There is no set {letter} here.").format(letter=letter))
    return reading_set


def _checked_text(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if len(text) > MOST_TEXT:
        message = _("The text has {length} characters; {most} are the most.")
        raise AnswerError(message.format(length=len(text), most=MOST_TEXT))
    if "\0" in text:
        raise AnswerError(_("The text holds a character that can't be stored."))
    return text


def _check_value(criterion: Criterion, value: int | None) -> None:
    if value is None and criterion.not_applicable:
        return
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is None or not whole or not criterion.minimum <= value <= criterion.maximum:
        if criterion.not_applicable:
            message = _(
                "{name} takes a whole number from {low} to {high} or “not applicable”, not {value}."
            )
        else:
            message = _("{name} takes a whole number from {low} to {high}, not {value}.")
        given = _("“not applicable”") if value is None else repr(value)
        low, high = criterion.minimum, criterion.maximum
        raise AnswerError(message.format(name=criterion.name, low=low, high=high, value=given))


def _check_sequence(sequence: int) -> None:
    if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 1:
        raise AnswerError(_("The sequence number must be a whole number above 0."))
    if sequence > time.time() * 1000 + CLOCK_TOLERANCE:
        raise AnswerError(_("The answer is dated in the future: check this device's clock."))


def _checked_tiers(
    reading: Reading, study: Study, tiers: Sequence[Sequence[str]]
) -> list[list[str]]:
    protocol = study.protocol
    if not protocol.ranking:
        raise AnswerError(_("Sets are not ranked in this study."))
    letters = set(reading.sets.values_list("letter", flat=True))
    if protocol.rank_references:
        letters.add(REFERENCE_LETTER)
    ranked = [sorted(tier) for tier in tiers]
    named = [letter for tier in ranked for letter in tier]
    if sorted(named) != sorted(letters) or not all(ranked):
        message = _("Rank each of {sets} once.")
        raise AnswerError(message.format(sets=", ".join(sorted(letters))))
    if not protocol.ties_allowed and any(len(tier) > 1 for tier in ranked):
        raise AnswerError(_("Two sets can't share a rank in this study."))
    return ranked


def _mark_started(reading: Reading) -> None:
    now = timezone.now()
    Reading.objects.filter(pk=reading.pk, started_at=None).update(started_at=now)
    Reader.objects.filter(pk=reading.reader_id, state=Reader.State.INVITED).update(
        state=Reader.State.ACTIVE
    )


# Where a reading stands


def attentive(reading: Reading) -> bool | None:
    """Whether the reader did what an attention check asks: the lowest value on every criterion of
    set A, the highest of all others. None as long as something is missing."""
    state = reading_state(reading)
    if state["missing"]:
        return None
    return did_as_asked(reading.reader.study.protocol, state["scores"])


def did_as_asked(protocol: Protocol, scores: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether scores, by letter and criterion, are what an attention check asks for."""
    return all(
        scores[letter].get(criterion.key)
        == (criterion.minimum if letter == "A" else criterion.maximum)
        for letter in scores
        for criterion in protocol.rated
    )


def reading_state(reading: Reading) -> dict[str, Any]:
    """`reading_states` of one."""
    return reading_states([reading])[reading.pk]


def reading_states(readings: Iterable[Reading]) -> dict[int, dict[str, Any]]:
    """Where readings of one study stand, by primary key, in three queries for all of them.

    Each is ``{"scores": {letter: {criterion: value, text or "na"}}, "ranking": tiers or None,
    "missing": ["2 scores missing in set B", "ranking missing"], "sequence": highest so far or 0,
    "submitted": bool}``.
    """
    readings = list(readings)
    if not readings:
        return {}
    protocol = readings[0].reader.study.protocol
    texts = {criterion.key for criterion in protocol.criteria if criterion.kind == Kind.TEXT}
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
        given = score.text if score.criterion in texts else score.given
        scores[pk][score.reading_set.letter][score.criterion] = given
        sequences[pk] = max(sequences[pk], score.sequence)
    rankings: dict[int, list[list[str]]] = {}
    for ranking in Ranking.objects.filter(reading__in=readings).order_by("sequence"):
        rankings[ranking.reading_id] = ranking.tiers
        sequences[ranking.reading_id] = max(sequences[ranking.reading_id], ranking.sequence)
    return {
        reading.pk: {
            "scores": scores[reading.pk],
            "ranking": rankings.get(reading.pk),
            "missing": _missing(protocol, scores[reading.pk], rankings.get(reading.pk)),
            "sequence": sequences[reading.pk],
            "submitted": reading.submitted_at is not None,
        }
        for reading in readings
    }


def _missing(
    protocol: Protocol,
    scores: dict[str, dict[str, int | str]],
    ranking: list[list[str]] | None,
) -> list[str]:
    missing = []
    for letter, given in sorted(scores.items()):
        count = sum(criterion.key not in given for criterion in protocol.rated)
        if count:
            message = ngettext(
                "{n} score missing in set {letter}", "{n} scores missing in set {letter}", count
            )
            missing.append(message.format(n=count, letter=letter))
    if protocol.ranking and ranking is None:
        missing.append(_("ranking missing"))
    return missing
