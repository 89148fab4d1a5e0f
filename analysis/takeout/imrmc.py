"""Scores as the iMRMC software reads them (github.com/DIDSR/iMRMC): one file a criterion.

Each has the columns readerID, caseID, modalityID, score. Arms are the modalities. A preference
study knows no truth, so there are no rows of truth: use what compares scores, not areas under a ROC
curve. Where real images are hidden among the arms there is one: `REAL` asks how well scores tell
them from made ones. There a case is one arm's set in one case, criteria are the modalities, and
reader “truth” holds the truth: 1 real, 0 made (the R package's word; the Java program wants -1).
"""

from collections.abc import Iterator, Sequence

from analysis.takeout.answers import TABLES
from analysis.takeout.cells import Column, Row, number, text, whole
from analysis.takeout.leaving import Leaving
from annotation.design import MAX_ARMS

TRUTH = "truth"
REAL = "imrmc/real-or-made.csv"
COLUMNS = (
    text("readerID", f"Pseudonym of the reader; {TRUTH} where the row is the truth."),
    whole("caseID", "Number of the case; in real-or-made.csv 10 × case + arm."),
    text("modalityID", "Name of the arm; in real-or-made.csv the criterion, or truth."),
    number("score", "What was given; of the truth 1 for real, 0 for made."),
)


def imrmc_files(leaving: Leaving) -> Iterator[tuple[str, Sequence[Column], list[Row]]]:
    """Name, columns and rows of each table."""
    arms = {arm.position: arm for arm in leaving.study.arms.select_related("generator")}
    scores = [row for row in TABLES[0].rows(leaving) if row["counted"] and row["score"] is not None]
    for criterion in leaving.study.protocol.rated:
        yield (
            f"imrmc/{criterion.key}.csv",
            COLUMNS,
            [
                _row(row["reader"], row["case"], str(arms[row["arm"]]), row["score"])
                for row in scores
                if row["criterion"] == criterion.key
            ],
        )
    real = {place for place, arm in arms.items() if arm.generator is None}
    if real:
        sets = sorted({(row["case"], row["arm"]) for row in scores})
        truth = [_row(TRUTH, _set(*of), "truth", of[1] in real) for of in sets]
        yield (
            REAL,
            COLUMNS,
            truth
            + [
                _row(row["reader"], _set(row["case"], row["arm"]), row["criterion"], row["score"])
                for row in scores
            ],
        )


def _set(case: int, arm: int) -> int:
    assert arm <= MAX_ARMS < 10
    return 10 * case + arm


def _row(reader: str, case: int, modality: str, score: float) -> Row:
    return dict(zip((c.name for c in COLUMNS), (reader, case, modality, score), strict=True))
