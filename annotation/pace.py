"""How long reading takes: by the reader's own active time, as soon as there is some."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.models import Activity, Reading, Study
from annotation.protocols import Protocol

SECONDS_PER_SCORE = 10  # until a reader's own times are known
LONGEST = 15 * 60  # seconds; beyond it somebody left the room


def usual_seconds(study: Study) -> int:
    """For one reading of the study, before anything is known of the reader."""
    return seconds_of(study.protocol, arms=study.arms.count())


def seconds_of(protocol: Protocol, *, arms: int) -> int:
    """For one reading of so many arms: 3 minutes for three of them and six criteria."""
    return SECONDS_PER_SCORE * (arms if protocol.together else 1) * len(protocol.rated)


def minutes_left(readings: Sequence[Reading]) -> int:
    """For all of one reader's readings (some, at least) that are not in yet; 1 or more.

    What is usual counts as one reading more, lest a hasty practice case promise too much.
    """
    active = _active_seconds(Activity.objects.filter(reading__in=readings))
    return _minutes(readings, active, usual_seconds(readings[0].reader.study))


def minutes_left_of_readers(study: Study) -> dict[int, int]:
    """The same, by reader, for all who have something left, in a few queries. Nobody has once the
    study is closed."""
    if study.closed_at:
        return {}
    by_reader: dict[int, list[Reading]] = defaultdict(list)
    for reading in Reading.objects.filter(reader__study=study).order_by("position"):
        by_reader[reading.reader_id].append(reading)
    active = _active_seconds(Activity.objects.filter(reading__reader__study=study))
    usual = usual_seconds(study)
    return {
        reader: _minutes(readings, active, usual)
        for reader, readings in by_reader.items()
        if not all(reading.submitted_at for reading in readings)
    }


def _minutes(readings: Sequence[Reading], active: Mapping[int, float], usual: int) -> int:
    done = [reading for reading in readings if reading.submitted_at]
    times = [active.get(reading.pk) or _elapsed(reading) for reading in done]
    mean = (usual + sum(times)) / (len(times) + 1)
    return max(1, round(mean * (len(readings) - len(done)) / 60))


def active_reports(
    reports: QuerySet[Activity],
) -> Iterator[tuple[int, int, float, datetime]]:
    """(reader, reading, seconds at work, when) as pages reported them, without idle time; what
    makes no sense is left out."""
    rows = reports.filter(act=Activity.Act.ACTIVE).order_by()
    for reader, reading, detail, at in rows.values_list(
        "reading__reader", "reading", "detail", "created_at"
    ):
        reported = detail.get("seconds") if isinstance(detail, dict) else None
        if isinstance(reported, int | float) and 0 < reported <= LONGEST:
            yield reader, reading, reported, at


def _active_seconds(reports: QuerySet[Activity]) -> dict[int, float]:
    """By reading."""
    seconds: dict[int, float] = defaultdict(float)
    for _reader, reading, reported, _at in active_reports(reports):
        seconds[reading] = min(seconds[reading] + reported, LONGEST)
    return seconds


def _elapsed(reading: Reading) -> float:
    """Seconds from the first answer to the last, of a browser that reports nothing."""
    if not (reading.started_at and reading.submitted_at):
        return SECONDS_PER_SCORE
    return min((reading.submitted_at - reading.started_at).total_seconds(), LONGEST)


def in_words(minutes: int) -> str:
    """``12 min``, ``50 min`` or ``2 h 10 min``: the longer, the rounder."""
    if minutes > 20:
        minutes = 5 * round(minutes / 5)
    hours, rest = divmod(minutes, 60)
    if not hours:
        return _("{n} min").format(n=rest)
    return _("{h} h {n} min").format(h=hours, n=rest) if rest else _("{h} h").format(h=hours)
