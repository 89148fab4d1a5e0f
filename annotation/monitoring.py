"""How a study's readers get on, for who runs or monitors it. Nothing here knows an arm."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Max
from django.utils import timezone

from annotation.errors import StudyError
from annotation.models import (
    Activity,
    AuditEvent,
    Comment,
    Reader,
    Reading,
    ReadingSet,
    Score,
    Study,
)
from annotation.pace import LONGEST, active_reports
from annotation.protocols import Protocol
from annotation.readers import with_standing
from annotation.readings import did_as_asked
from annotation.signs import RULES, Seen, Sign, signs_of
from annotation.steps import record

VISIT = timedelta(minutes=30)  # without anything for so long, the next is another visit
MOST_CASES = 12  # named one by one
LOOK = "look into"  # an audit event's act
COUNTED = (Reading.Kind.CASE, Reading.Kind.REPEAT)


@dataclass(frozen=True)
class Looked:
    """Somebody looked into a sign: who, when, with what result; `weight` of what there was."""

    who: str
    at: datetime
    note: str
    weight: int


@dataclass(frozen=True)
class Noticed:
    """A sign, what it is called, its rule, and who has looked into it so far."""

    sign: Sign
    title: str
    rule: str
    looks: list[Looked]

    @property
    def places(self) -> str:
        """The first of the cases it was seen in, and how many more there are."""
        cases = [str(position) for position in self.sign.cases]
        more = f" and {len(cases) - MOST_CASES} more" if len(cases) > MOST_CASES else ""
        return f"case{'s' * (len(cases) > 1)} {', '.join(cases[:MOST_CASES])}{more}"

    @property
    def open(self) -> bool:
        """Nobody has looked into it since it got as heavy as it is."""
        return not any(look.weight >= self.sign.weight for look in self.looks)


@dataclass(frozen=True)
class Timed:
    """A reading and how long it took."""

    reading: Reading
    seconds: float | None
    missing: int  # answers, of a reading that was begun and isn't in
    not_applicable: int

    @property
    def counts(self) -> bool:
        return self.reading.kind in COUNTED


@dataclass(frozen=True)
class Watched:
    """A reader and how they get on.

    Attributes:
        reader: as of `annotation.readers.with_standing`.
        readings: all of theirs, in order.
        usual: median seconds of the cases that are in; None before there are any.
        visits: how often they came, with breaks of half an hour and more between.
        comments: sets with a comment.
        last_seen: when anything came from them last.
    """

    reader: Any
    readings: list[Timed]
    usual: float | None
    visits: int
    comments: int
    last_seen: datetime | None
    noticed: list[Noticed]

    @property
    def missing(self) -> int:
        return sum(timed.missing for timed in self.readings)

    @property
    def not_applicable(self) -> int:
        return sum(timed.not_applicable for timed in self.readings)

    @property
    def practice(self) -> tuple[int, int]:
        """(in, planned)"""
        kinds = [t.reading for t in self.readings if t.reading.kind == Reading.Kind.PRACTICE]
        return sum(bool(reading.submitted_at) for reading in kinds), len(kinds)

    @property
    def open(self) -> int:
        """Signs that nobody has looked into."""
        return sum(noticed.open for noticed in self.noticed)


def watch(study: Study, *, number: int | None = None) -> list[Watched]:
    """All readers of a study, or the one of this number, in a few queries for all of them."""
    readers = [r for r in with_standing(study) if number in (None, r.number)]
    data = _Data(study, readers)
    return [data.watched(reader) for reader in readers]


def last_seen(study: Study) -> dict[int, datetime]:
    """By reader, when anything came from them last: an answer, or what their pages report."""
    found: dict[int, datetime] = {}
    for rows, path in (
        (Score.objects.filter(reading_set__reading__reader__study=study), "reading_set__reading"),
        (Activity.objects.filter(reading__reader__study=study), "reading"),
    ):
        newest = rows.order_by().values_list(f"{path}__reader").annotate(Max("created_at"))
        for pk, at in newest:
            found[pk] = max(at, found.get(pk, at))
    return found


def look_into(*, study: Study, reader: Reader, rule: str, note: str, by: User) -> None:
    """Keep that somebody looked into a sign, and what came of it.

    Raises:
        StudyError: there is no such sign now, or nothing is said of what came of it.
    """
    if not note.strip():
        raise StudyError("Say what came of your look: the note is kept with it.")
    (watched,) = watch(study, number=reader.number)
    sign = next((n.sign for n in watched.noticed if n.sign.rule == rule), None)
    if sign is None:
        raise StudyError("This sign is not there any more.")
    detail = {"reader": str(reader), "rule": rule, "weight": sign.weight, "note": note.strip()}
    record(study, LOOK, by, **detail)


class _Data:
    """What is known of the readers, fetched at once."""

    def __init__(self, study: Study, readers: Sequence[Reader]) -> None:
        self.study, self.protocol = study, study.protocol
        self.sets = study.arms.count() if self.protocol.together else 1
        self.readings: dict[int, list[Reading]] = defaultdict(list)
        for reading in Reading.objects.filter(reader__in=readers).order_by("position"):
            self.readings[reading.reader_id].append(reading)
        self.given, self.shown = _given(readers, self.protocol)
        self.seconds: dict[int, float] = defaultdict(float)
        self.moments: dict[int, list[datetime]] = defaultdict(list)
        for reader, reading_pk, seconds, at in active_reports(
            Activity.objects.filter(reading__reader__in=readers)
        ):
            self.moments[reader].append(at)
            self.seconds[reading_pk] = min(self.seconds[reading_pk] + seconds, LONGEST)
        self.comments = Counter(
            Comment.objects.current()
            .filter(reading_set__reading__reader__in=readers)
            .exclude(text="")
            .values_list("reading_set__reading__reader", flat=True)
        )
        self.last_seen = last_seen(study)
        self.looks = _looks(study)

    def watched(self, reader: Any) -> Watched:
        readings = self.readings[reader.pk]
        timed = [self._timed(reading) for reading in readings]
        times = [t.seconds for t in timed if t.seconds and t.counts and t.reading.submitted_at]
        moments = [*self.moments[reader.pk], *(r.submitted_at for r in readings if r.submitted_at)]
        signs = signs_of(self._seen(readings), silent=self._silent(reader))
        return Watched(
            reader=reader,
            readings=timed,
            usual=median(times) if times else None,
            visits=_visits(moments),
            comments=self.comments[reader.pk],
            last_seen=self.last_seen.get(reader.pk),
            noticed=[
                Noticed(sign, *RULES[sign.rule][1:], self.looks[str(reader), sign.rule])
                for sign in signs
            ],
        )

    def _timed(self, reading: Reading) -> Timed:
        answers = [value for given in self.given[reading.pk].values() for value in given.values()]
        begun = reading.started_at and not reading.submitted_at
        return Timed(
            reading=reading,
            seconds=self._active(reading),
            missing=self.asked - len(answers) if begun else 0,
            not_applicable=answers.count(None),
        )

    @property
    def asked(self) -> int:
        """How many scores a reading asks for."""
        return self.sets * len(self.protocol.rated)

    def _active(self, reading: Reading) -> float | None:
        """Seconds at work as the page reported them, else from the first answer to the last."""
        return self.seconds.get(reading.pk) or _elapsed(reading)

    def _silent(self, reader: Any) -> float:
        """For how many seconds nothing was seen of a reader who should be at work."""
        over = reader.state in (Reader.State.REVOKED, Reader.State.FINISHED) or reader.through
        if over or reader.paused_at or not reader.planned or not self.study.opened_at:
            return 0
        if self.study.state != Study.State.RUNNING:
            return 0
        since = self.last_seen.get(reader.pk) or max(reader.invited_at, self.study.opened_at)
        return (timezone.now() - since).total_seconds()

    def _seen(self, readings: Sequence[Reading]) -> list[Seen]:
        """What the rules are told of the readings that are in."""
        first: dict[int, Mapping[str, int | None]] = {}  # what was given, by the set it was given
        for reading in readings:
            if reading.kind == Reading.Kind.CASE and reading.submitted_at:
                for letter, shown in self.shown[reading.pk].items():
                    first[shown] = self.given[reading.pk][letter]
        return [self._told(r, first) for r in readings if r.submitted_at]

    def _told(self, reading: Reading, first: Mapping[int, Mapping[str, int | None]]) -> Seen:
        given = self.given[reading.pk]
        answers = [(key, value) for scores in given.values() for key, value in scores.items()]
        scales = {c.key for c in self.protocol.rated if len(c.values) > 2}
        again: tuple[tuple[float, float], ...] = ()
        if reading.repeat:
            again = tuple(
                pair
                for letter, shown in self.shown[reading.pk].items()
                for pair in self._pairs(first.get(shown, {}), given[letter])
            )
        check = reading.kind == Reading.Kind.CHECK
        return Seen(
            position=reading.position,
            counts=reading.kind in COUNTED,
            images=self.sets * self.protocol.images_per_set,
            asked=self.asked,
            scores=tuple(v for key, v in answers if v is not None and key in scales),
            answers=len(answers),
            left_out=sum(value is None for _key, value in answers),
            active=self._active(reading),
            elapsed=_elapsed(reading),
            again=again,
            attentive=did_as_asked(self.protocol, given) if check else None,
        )

    def _pairs(
        self, first: Mapping[str, int | None], second: Mapping[str, int | None]
    ) -> Iterator[tuple[float, float]]:
        """What was given twice to a set, on a scale from 0 to 1."""
        for criterion in self.protocol.rated:
            one, two = first.get(criterion.key), second.get(criterion.key)
            if one is not None and two is not None:
                span = criterion.maximum - criterion.minimum
                yield (one - criterion.minimum) / span, (two - criterion.minimum) / span


def _given(
    readers: Sequence[Reader], protocol: Protocol
) -> tuple[dict[int, dict[str, dict[str, int | None]]], dict[int, dict[str, int]]]:
    """By reading and letter: the answers by number, and which set it was."""
    given: dict[int, dict[str, dict[str, int | None]]] = defaultdict(lambda: defaultdict(dict))
    shown: dict[int, dict[str, int]] = defaultdict(dict)
    sets = ReadingSet.objects.filter(reading__reader__in=readers).order_by("letter")
    for reading, letter, case_set in sets.values_list("reading", "letter", "case_set"):
        shown[reading][letter] = case_set
    rated = [criterion.key for criterion in protocol.rated]
    scores = Score.objects.filter(reading_set__reading__reader__in=readers, criterion__in=rated)
    for reading, letter, criterion, value in scores.order_by("sequence").values_list(
        "reading_set__reading", "reading_set__letter", "criterion", "value"
    ):
        given[reading][letter][criterion] = value
    return given, shown


def _elapsed(reading: Reading) -> float | None:
    if not (reading.started_at and reading.submitted_at):
        return None
    return (reading.submitted_at - reading.started_at).total_seconds()


def _visits(moments: Iterable[datetime]) -> int:
    """How often somebody came, by when something came from them."""
    ordered = sorted(moments)
    return bool(ordered) + sum(after - before > VISIT for before, after in pairwise(ordered))


def _looks(study: Study) -> dict[tuple[str, str], list[Looked]]:
    """By reader and rule, newest first."""
    looks: dict[tuple[str, str], list[Looked]] = defaultdict(list)
    for event in AuditEvent.objects.filter(study=study, act=LOOK).order_by("-pk"):
        told = event.told
        looks[told["reader"], told["rule"]].append(
            Looked(event.who, event.at, told["note"], told["weight"])
        )
    return looks
