"""The only place where rows become tidy frames: current revisions, readers by pseudonym.

A pair is an original prompt with its rephrasings; pairs are numbered from 1 in the order of their
first case. Readers whose part was revoked are left out.
"""

import pandas as pd

from analysis.models import MetricValue, Report
from annotation.models import Case, Guess, Ranking, Reader, Reading, ReadingSet, Score, Study
from annotation.protocols import REFERENCE_LETTER, REFERENCES, Kind

SCORE_COLUMNS = (
    "reader", "case", "pair", "kind", "arm", "letter", "position", "repeat", "criterion", "score",
    "not_applicable", "saved_at",
)  # fmt: skip
RANKING_COLUMNS = ("reader", "case", "pair", "kind", "arm", "repeat", "rank", "saved_at")
GUESS_COLUMNS = (
    "reader", "question", "case", "pair", "kind", "arm", "other", "answer", "choices", "right",
)  # fmt: skip
METRIC_COLUMNS = ("metric", "arm", "case", "pair", "value", "n")
COUNTED = (Reading.Kind.CASE, Reading.Kind.REPEAT)


def case_frame(study: Study) -> pd.DataFrame:
    """One row per case: case (its position), pair, kind (original or rephrasing), prompt."""
    pairs: dict[int, int] = {}
    rows = [
        {
            "case": case.position,
            "pair": pairs.setdefault(case.prompt.original.pk, len(pairs) + 1),
            "kind": "rephrasing" if case.prompt.rephrasing_of_id else "original",
            "prompt": case.prompt.text,
        }
        for case in _cases(study)
    ]
    return pd.DataFrame(rows, columns=["case", "pair", "kind", "prompt"])


def score_frame(study: Study) -> pd.DataFrame:
    """One row per score given: `SCORE_COLUMNS`; position is the case's place for that reader.

    Rows with ``repeat`` are of the second time that a reader saw the case: they tell the reader's
    agreement with themselves, and nothing else. Where the reader found the criterion not
    applicable, there is no score. Practice, attention checks and texts are left out.
    """
    texts = [c.key for c in study.protocol.criteria if c.kind == Kind.TEXT]
    # Sets once, their scores as plain values: rows of the database are slow to make objects of.
    sets = {
        shown.pk: {
            "reader": shown.reading.reader.pseudonym,
            "case": shown.reading.case.position,
            "arm": str(shown.case_set.arm),
            "letter": shown.letter,
            "position": shown.reading.position,
            "repeat": shown.reading.repeat,
        }
        for shown in ReadingSet.objects.filter(
            reading__reader__study=study, reading__kind__in=COUNTED
        )
        .exclude(reading__reader__state=Reader.State.REVOKED)
        .select_related("reading__reader", "reading__case", "case_set__arm__generator")
    }
    given = Score.objects.current().filter(
        reading_set__reading__reader__study=study, reading_set__reading__kind__in=COUNTED
    )
    rows = [
        {
            **sets[shown],
            "criterion": criterion,
            "score": value,
            "not_applicable": value is None,
            "saved_at": saved_at,
        }
        for shown, criterion, value, saved_at in given.exclude(criterion__in=texts).values_list(
            "reading_set", "criterion", "value", "created_at"
        )
        if shown in sets
    ]
    order = ["reader", "case", "repeat", "letter", "criterion"]
    frame = _with_pairs(rows, study, SCORE_COLUMNS, order)
    return frame.astype({"score": "Int64", "repeat": bool, "not_applicable": bool})


def repeat_frame(scores: pd.DataFrame) -> pd.DataFrame:
    """Of a `score_frame`, what was scored twice: both times, told apart by ``repeat``."""
    key = ["reader", "case", "arm", "criterion"]
    return scores[scores.duplicated(key, keep=False)]


def ranking_frame(study: Study) -> pd.DataFrame:
    """One row per ranked set: `RANKING_COLUMNS`; rank 1 is best, ties share their mean rank."""
    rankings = (
        Ranking.objects.current()
        .filter(reading__reader__study=study, reading__kind__in=COUNTED)
        .exclude(reading__reader__state=Reader.State.REVOKED)
        .select_related("reading__reader", "reading__case")
    )
    sets = ReadingSet.objects.filter(reading__reader__study=study)
    arms = {
        (shown.reading_id, shown.letter): str(shown.case_set.arm)
        for shown in sets.select_related("case_set__arm__generator")
    }
    rows = []
    for ranking in rankings:
        better = 0
        for tier in ranking.tiers:
            rows += [
                {
                    "reader": ranking.reading.reader.pseudonym,
                    "case": ranking.reading.case.position,
                    "arm": REFERENCES
                    if letter == REFERENCE_LETTER
                    else arms[ranking.reading_id, letter],
                    "repeat": ranking.reading.repeat,
                    "rank": better + (len(tier) + 1) / 2,
                    "saved_at": ranking.created_at,
                }
                for letter in tier
            ]
            better += len(tier)
    frame = _with_pairs(rows, study, RANKING_COLUMNS, ["reader", "case", "repeat", "rank", "arm"])
    return frame.astype({"repeat": bool})


def guess_frame(study: Study) -> pd.DataFrame:
    """One row per guess that a reader made at the end: `GUESS_COLUMNS`.

    Of the question ``real``, the answer is yes, no or unsure; of ``same``, a letter of the case
    ``other`` or unsure. ``choices`` is how many answers there were beside unsure; ``right`` is
    None for unsure. `statistics.guesses.blinding_index` takes the rows of one question.
    """
    guesses = (
        Guess.objects.filter(reader__study=study)
        .exclude(reader__state=Reader.State.REVOKED)
        .select_related("reader", "reading_set__reading__case", "other__case")
        .select_related("reading_set__case_set__arm__generator")
        .prefetch_related("other__sets__case_set")
    )
    rows = [
        {
            "reader": guess.reader.pseudonym,
            "question": guess.question,
            "case": guess.reading_set.reading.case.position,
            "arm": str(guess.reading_set.case_set.arm),
            "other": guess.other and guess.other.case.position,
            "answer": guess.answer,
            "choices": len(guess.other.sets.all()) if guess.other else 2,
            "right": None if guess.answer == Guess.UNSURE else guess.answer == _truth(guess),
        }
        for guess in guesses
    ]
    frame = _with_pairs(rows, study, GUESS_COLUMNS, ["reader", "question", "case"])
    return frame.astype({"right": object, "other": "Int64"})


def _truth(guess: Guess) -> str:
    arm = guess.reading_set.case_set.arm
    if guess.other is None:
        return "yes" if arm.generator_id is None else "no"
    like = (shown for shown in guess.other.sets.all() if shown.case_set.arm_id == arm.pk)
    return next(like).letter


def metric_frame(report: Report) -> pd.DataFrame:
    """Of a report on a study one row per value: `METRIC_COLUMNS`; a whole arm's has no case.

    A metric with one value per pair (agreement) stands at the pair's first case.
    """
    assert report.study  # values of own ratings are no rows
    values = MetricValue.objects.filter(report=report).select_related("case", "arm__generator")
    rows = [
        {
            "metric": value.metric,
            "arm": str(value.arm),
            "case": value.case and value.case.position,
            "value": value.value,
            "n": value.n,
        }
        for value in values
    ]
    frame = _with_pairs(rows, report.study, METRIC_COLUMNS, ["metric", "case", "arm"])
    return frame.astype({"case": "Int64", "pair": "Int64"})


def _cases(study: Study):
    return Case.objects.filter(study=study, practice=False).select_related("prompt__rephrasing_of")


def _with_pairs(
    rows: list[dict], study: Study, columns: tuple[str, ...], order: list[str]
) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[c for c in columns if c not in ("pair", "kind")])
    joined = frame.merge(case_frame(study), on="case", how="left")[list(columns)]
    return joined.sort_values(order, ignore_index=True, kind="stable")
