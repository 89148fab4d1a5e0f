"""A digest of what readers answered, kept in the record of acts: what is changed later is found."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet

from annotation.models import Ranking, Reader, Reading, ReadingSet, Score, Study

KEY = "answers"  # of the detail of a “close” or “finish” in the record


def answers_digest(study: Study, reader: Reader | None = None) -> str:
    """SHA-256 over the scores and rankings of a study, every revision; or over one reader's.

    It says of each what an export says, with the arms behind the letters; readers by pseudonym,
    cases and arms by number. So it stays the same when a reader is erased, and where the study is
    imported. Words that readers wrote are left out: names in them may be masked. The study's secret
    comes first, lest scores be guessed from it while they are hidden.
    """
    readings = Reading.objects.filter(reader__study=study)
    rows = _rows(readings.filter(reader=reader) if reader else readings)
    digest = hashlib.sha256(study.secret.encode())
    for line in sorted(map(_canonical, rows)):
        digest.update(b"\n" + line.encode())
    return digest.hexdigest()


def _rows(readings: QuerySet[Reading]) -> Iterator[list[Any]]:
    readings = readings.order_by()
    place = ("reading__reader__number", "reading__position")
    of_set = tuple(f"reading_set__{path}" for path in (*place, "letter"))
    sets = ReadingSet.objects.filter(reading__in=readings).order_by()
    yield from (
        ["set", *row]
        for row in sets.values_list(
            *place, "reading__kind", "reading__case__position", "letter", "case_set__arm__position"
        )
    )
    scores = Score.objects.filter(reading_set__reading__in=readings)
    for *row, at in scores.values_list(
        *of_set, "criterion", "value", "sequence", "created_at"
    ).iterator():
        yield ["score", *row, _time(at)]
    rankings = Ranking.objects.filter(reading__in=readings)
    for *row, tiers, at in rankings.values_list(*place, "sequence", "tiers", "created_at"):
        # Letters that are tied are in no order.
        yield ["ranking", *row, [sorted(tier) for tier in tiers], _time(at)]


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _canonical(row: list[Any]) -> str:
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False)
