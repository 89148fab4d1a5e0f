"""What readers left beside scores and rankings, as tidy frames: comments, flags, texts, activity.

Readers by pseudonym; those whose part was revoked are left out. Practice, repeats and attention
checks are told apart by ``reading``.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from annotation.models import Activity, Comment, Flag, Reader, Reading, Score, Study
from annotation.names import people_of
from annotation.protocols import Kind

PLACE = ("reader", "case", "reading", "position")
COMMENT_COLUMNS = (*PLACE, "arm", "letter", "criterion", "text", "saved_at")
FLAG_COLUMNS = (*PLACE, "arm", "letter", "image", "sha256", "reason", "saved_at")
ACTIVITY_COLUMNS = (*PLACE, "act", "detail", "sequence", "saved_at")


def comment_frame(study: Study) -> pd.DataFrame:
    """One row per comment on a set and per answer to a criterion of text: `COMMENT_COLUMNS`.

    ``criterion`` is empty for comments. What was taken back is left out; nobody is named.
    """
    texts = [c.key for c in study.protocol.criteria if c.kind == Kind.TEXT]
    written = Score.objects.current().filter(criterion__in=texts)
    names = people_of(study)
    rows = []
    for found in (Comment.objects.current(), written):
        of_study = found.filter(reading_set__reading__in=_readings(study)).exclude(text="")
        rows += [
            {
                **_place(row.reading_set.reading),
                "arm": str(row.reading_set.case_set.arm),
                "letter": row.reading_set.letter,
                "criterion": getattr(row, "criterion", ""),
                "text": names.masked(row.text),
                "saved_at": row.created_at,
            }
            for row in of_study.select_related(
                "reading_set__reading__reader",
                "reading_set__reading__case",
                "reading_set__case_set__arm__generator",
            )
        ]
    return _frame(rows, COMMENT_COLUMNS, ["reader", "position", "letter", "criterion"])


def flag_frame(study: Study) -> pd.DataFrame:
    """One row per flagged image: `FLAG_COLUMNS`; ``image`` is its place in the set.

    Flagged references have no arm and letter. Flags that were withdrawn are left out.
    """
    rows = [
        {
            **_place(flag.shown_image.reading),
            "arm": str(shown.case_set.arm) if shown else "",
            "letter": shown.letter if shown else "",
            "image": flag.shown_image.position,
            "sha256": flag.shown_image.image.sha256,
            "reason": flag.reason,
            "saved_at": flag.created_at,
        }
        for flag in Flag.objects.current()
        .filter(shown_image__reading__in=_readings(study))
        .exclude(reason=Flag.Reason.WITHDRAWN)
        .select_related(
            "shown_image__reading__reader",
            "shown_image__reading__case",
            "shown_image__reading_set__case_set__arm__generator",
            "shown_image__image",
        )
        for shown in [flag.shown_image.reading_set]
    ]
    return _frame(rows, FLAG_COLUMNS, ["reader", "position", "letter", "image"])


def activity_frame(study: Study) -> pd.DataFrame:
    """One row per act that a reader's page reported: `ACTIVITY_COLUMNS`.

    ``sequence`` is the browser's clock in milliseconds since the epoch; an ``active`` row's detail
    says how many seconds the reader was at work since the last one.
    """
    rows = [
        {
            **_place(activity.reading),
            "act": activity.act,
            "detail": activity.detail,
            "sequence": activity.sequence,
            "saved_at": activity.created_at,
        }
        for activity in Activity.objects.filter(reading__in=_readings(study)).select_related(
            "reading__reader", "reading__case"
        )
    ]
    return _frame(rows, ACTIVITY_COLUMNS, ["reader", "position", "sequence"])


def _readings(study: Study):
    return Reading.objects.filter(reader__study=study).exclude(reader__state=Reader.State.REVOKED)


def _place(reading: Reading) -> dict[str, Any]:
    return {
        "reader": reading.reader.pseudonym,
        "case": reading.case.position,
        "reading": reading.kind,
        "position": reading.position,
    }


def _frame(rows: Iterable[dict], columns: tuple[str, ...], order: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values(order, ignore_index=True, kind="stable")
