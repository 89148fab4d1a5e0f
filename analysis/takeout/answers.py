"""Tables of what readers answered, every revision of it, and of what their pages reported."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from analysis.takeout.arriving import Arriving
from analysis.takeout.cells import Row, Table, data, number, text, time, whole, yes_no
from analysis.takeout.corpus import IMAGE
from analysis.takeout.design import ARM, CASE
from analysis.takeout.leaving import Leaving
from analysis.takeout.plan import LETTER, POSITION, READER, READING
from annotation.models import Activity, Comment, Flag, Guess, Ranking, Reading, Score
from annotation.protocols import REFERENCE_LETTER

SEQUENCE = whole("sequence", "The browser's clock in milliseconds; the highest is the newest.")
SAVED = time("saved_at", "When the server stored it.")
CURRENT = yes_no("current", "Not replaced by a later answer.")
COUNTED = yes_no(
    "counted",
    "Enters the comparison of arms: current, of a reading “case”, by a reader who was not revoked.",
)


def _in_order(rows: Iterable[Row], *key: str) -> list[Row]:
    """By reader and position, then by these columns."""
    return sorted(
        rows,
        key=lambda row: (int(row["reader"][1:]), row["position"], *(row[name] for name in key)),
    )


def _marked(leaving: Leaving, rows: Sequence[Row], *key: str) -> Iterable[Row]:
    """Rows in order with `CURRENT` and `COUNTED`: of each key the last one counts."""
    columns = ("reader", "position", *key)
    last = {tuple(row[name] for name in columns): row["sequence"] for row in rows}
    for row in rows:
        current = last[tuple(row[name] for name in columns)] == row["sequence"]
        is_case = row["reading"] == Reading.Kind.CASE
        counted = current and is_case and row["reader"] in leaving.counting
        yield {**row, "current": current, "counted": counted}


# Scores


def _score_rows(leaving: Leaving) -> Iterable[Row]:
    found = Score.objects.filter(reading_set__reading__reader__study=leaving.study)
    rated = {criterion.key for criterion in leaving.study.protocol.rated}
    rows = (
        {
            **leaving.letters[score.reading_set_id],
            "criterion": score.criterion,
            "score": score.value,
            "not_applicable": score.value is None and score.criterion in rated,
            "text": leaving.names.masked(score.text),
            "sequence": score.sequence,
            "saved_at": score.created_at,
        }
        for score in found.iterator()
    )
    key = ("letter", "criterion")
    return _marked(leaving, _in_order(rows, *key, "sequence"), *key)


def _restore_scores(arriving: Arriving, rows: list[Row]) -> None:
    arriving.create(
        Score,
        (
            Score(
                reading_set=arriving.letters[_set_of(row)],
                criterion=row["criterion"],
                value=row["score"],
                text=row["text"],
                sequence=row["sequence"],
                created_at=row["saved_at"],
            )
            for row in rows
        ),
    )


def _set_of(row: Row) -> tuple[str, int, str]:
    return row["reader"], row["position"], row["letter"]


# Rankings: a row for each set of each revision


def _ranking_rows(leaving: Leaving) -> Iterable[Row]:
    arms = {
        (place["reader"], place["position"], place["letter"]): place["arm"]
        for place in leaving.letters.values()
    }
    rows: list[Row] = []
    for ranking in Ranking.objects.filter(reading__reader__study=leaving.study).iterator():
        place = leaving.readings[ranking.reading_id]
        better = 0
        for tier, letters in enumerate(ranking.tiers, 1):
            for letter in letters:
                rows.append(
                    {
                        **place,
                        "letter": letter,
                        "arm": arms.get((place["reader"], place["position"], letter)),
                        "tier": tier,
                        "rank": better + (len(letters) + 1) / 2,
                        "sequence": ranking.sequence,
                        "saved_at": ranking.created_at,
                    }
                )
            better += len(letters)
    return _marked(leaving, _in_order(rows, "sequence", "tier", "letter"))


def _restore_rankings(arriving: Arriving, rows: list[Row]) -> None:
    def ranking(key: tuple[str, int, int], group: list[Row]) -> Ranking:
        tiers: dict[int, list[str]] = {}
        for row in group:
            tiers.setdefault(row["tier"], []).append(row["letter"])
        return Ranking(
            reading=arriving.readings[key[:2]],
            tiers=list(tiers.values()),
            sequence=key[2],
            created_at=group[0]["saved_at"],
        )

    groups = groupby(rows, itemgetter("reader", "position", "sequence"))
    arriving.create(Ranking, (ranking(key, list(group)) for key, group in groups))


# Comments


def _comment_rows(leaving: Leaving) -> Iterable[Row]:
    found = Comment.objects.filter(reading_set__reading__reader__study=leaving.study)
    rows = (
        {
            **leaving.letters[comment.reading_set_id],
            "text": leaving.names.masked(comment.text),
            "sequence": comment.sequence,
            "saved_at": comment.created_at,
        }
        for comment in found.iterator()
    )
    return _marked(leaving, _in_order(rows, "letter", "sequence"), "letter")


def _restore_comments(arriving: Arriving, rows: list[Row]) -> None:
    arriving.create(
        Comment,
        (
            Comment(
                reading_set=arriving.letters[_set_of(row)],
                text=row["text"],
                sequence=row["sequence"],
                created_at=row["saved_at"],
            )
            for row in rows
        ),
    )


# Flags


def _flag_rows(leaving: Leaving) -> Iterable[Row]:
    found = Flag.objects.filter(shown_image__reading__reader__study=leaving.study)
    rows = []
    for flag in found.select_related("shown_image"):
        shown = flag.shown_image
        place: dict[str, Any] = {"letter": "", "arm": None} | (
            leaving.letters[shown.reading_set_id]
            if shown.reading_set_id
            else leaving.readings[shown.reading_id]
        )
        rows.append(
            {
                **place,
                "place": shown.position,
                "image": leaving.image_numbers[shown.image_id],
                "reason": flag.reason,
                "sequence": flag.sequence,
                "saved_at": flag.created_at,
            }
        )
    key = ("letter", "place")
    return _marked(leaving, _in_order(rows, *key, "sequence"), *key)


def _restore_flags(arriving: Arriving, rows: list[Row]) -> None:
    arriving.create(
        Flag,
        (
            Flag(
                shown_image=arriving.shown[(*_set_of(row), row["place"])],
                reason=row["reason"],
                sequence=row["sequence"],
                created_at=row["saved_at"],
            )
            for row in rows
        ),
    )


# Guesses


def _guess_rows(leaving: Leaving) -> Iterable[Row]:
    found = Guess.objects.filter(reader__study=leaving.study)
    rows = (
        {
            **leaving.letters[guess.reading_set_id],
            "question": guess.question,
            "other": leaving.readings[guess.other_id]["position"] if guess.other_id else None,
            "answer": guess.answer,
            "saved_at": guess.created_at,
        }
        for guess in found.iterator()
    )
    return _in_order(rows, "letter", "question")


def _restore_guesses(arriving: Arriving, rows: list[Row]) -> None:
    arriving.create(
        Guess,
        (
            Guess(
                reader=arriving.readers[row["reader"]],
                reading_set=arriving.letters[_set_of(row)],
                question=row["question"],
                other=arriving.readings[row["reader"], row["other"]] if row["other"] else None,
                answer=row["answer"],
                created_at=row["saved_at"],
            )
            for row in rows
        ),
    )


# Activity


def _activity_rows(leaving: Leaving) -> Iterable[Row]:
    found = Activity.objects.filter(reading__reader__study=leaving.study)
    rows = (
        {
            **leaving.readings[activity.reading_id],
            "act": activity.act,
            "detail": activity.detail,
            "sequence": activity.sequence,
            "saved_at": activity.created_at,
        }
        for activity in found.iterator()
    )
    return _in_order(rows, "sequence")


def _restore_activity(arriving: Arriving, rows: list[Row]) -> None:
    arriving.create(
        Activity,
        (
            Activity(
                reading=arriving.readings[row["reader"], row["position"]],
                act=row["act"],
                detail=row["detail"],
                sequence=row["sequence"],
                created_at=row["saved_at"],
            )
            for row in rows
        ),
    )


_PLACE = [READER, POSITION, READING, CASE]
_SET = [*_PLACE, LETTER, ARM]
_REVISION = [SEQUENCE, SAVED, CURRENT, COUNTED]
TABLES = [
    Table(
        "scores",
        "A revision of what a reader gave one set on one criterion.",
        [
            *_SET,
            text("criterion", "Key of the criterion in protocol.json."),
            whole("score", "What was given; empty for texts and where it is not applicable."),
            yes_no("not_applicable", "The reader found that it can't be asked of this set."),
            text("text", "The answer to a criterion that asks for words."),
            *_REVISION,
        ],
        _score_rows,
        _restore_scores,
    ),
    Table(
        "rankings",
        "The place of one set in a revision of a reader's ranking of a case.",
        [
            *_PLACE,
            text("letter", f"Of the set; {REFERENCE_LETTER} stands for the reference images."),
            ARM,
            whole("tier", "1 is best; sets in one tier are tied."),
            number("rank", "The same as a rank; ties share their mean."),
            *_REVISION,
        ],
        _ranking_rows,
        _restore_rankings,
    ),
    Table(
        "comments",
        "A revision of what a reader wrote about a set; empty where it was taken back.",
        [*_SET, text("text", "What was written."), *_REVISION],
        _comment_rows,
        _restore_comments,
    ),
    Table(
        "flags",
        "A revision of a reader's mark on one image.",
        [
            *_PLACE,
            text("letter", "Of the set; empty for reference images."),
            ARM,
            whole("place", "The image's place in the set as it was shown, from 1."),
            IMAGE,
            text("reason", "artefact, anatomy, text, other; withdrawn takes the mark back."),
            *_REVISION,
        ],
        _flag_rows,
        _restore_flags,
    ),
    Table(
        "guesses",
        "What a reader, asked at the end, thought stood behind a letter.",
        [
            *_SET,
            text("question", "real: are these real images; same: which set of another reading has "
                 "the same source."),
            whole("other", "Of same: the position of that other reading."),
            text("answer", "yes, no, a letter, or unsure."),
            SAVED,
        ],
        _guess_rows,
        _restore_guesses,
    ),
    Table(
        "activity",
        "An act that a reader's page reported.",
        [
            *_PLACE,
            text("act", "active (seconds at work), viewport, set, look, zoom, references, guide, "
                 "undo."),
            data("detail", "What belongs to it, such as seconds or a letter."),
            SEQUENCE,
            SAVED,
        ],
        _activity_rows,
        _restore_activity,
    ),
]  # fmt: skip
