"""From tables that were made elsewhere to what a report starts from."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.dataset import repeat_frame
from analysis.metrics import METRICS, Description
from analysis.own.tables import OwnTables, Row
from analysis.remarks import FLAG_COLUMNS
from analysis.results.data import CELL, ArmValue, StudyData
from analysis.wording import and_, counted
from annotation.models import Arm
from annotation.protocols import Criterion
from annotation.protocols.plan import Claim

UNMEASURED = (
    "only numbers were brought, and this is computed from images: import them as image sets, and "
    "make a study of them"
)
SIGNS = {"higher": 1, "lower": -1}


def own_data(tables: OwnTables, *, resamples: int, seed: int) -> StudyData:
    """The same as of a study; what needs images has no values, and says so."""
    cases = own_cases(tables)
    arms = sorted(tables.distinct("arm"), key=_order(tables.distinct("arm")))
    given = _numbered(pd.DataFrame(tables.ratings), cases)
    valued = given[given["score"].notna()].astype({"score": float})
    criteria = tuple(_criterion(key, scale) for key, scale in tables.scales.items())
    claims = [Claim(m, c, SIGNS[tables.better[m]]) for m, c in tables.claims]
    leading = next(c for c in criteria if c.key == claims[0].criterion) if claims else criteria[0]
    frames = _metric_frames(tables, cases)
    once = given[~given["repeat"]]
    readings = once[["reader", "case"]].drop_duplicates()
    return StudyData(
        arms=arms,
        made=[arm for arm in arms if arm != Arm.REAL],
        criteria=criteria,
        claims=claims,
        leading=leading,
        options={"resamples": resamples, "seed": seed},
        cases=cases,
        scores=valued[~valued["repeat"]],
        not_applicable=int(once["score"].isna().sum()),
        beside=once[once["score"].isna()],
        repeats=repeat_frame(valued) if given["repeat"].any() else None,
        rankings=_numbered(_ranked(tables.rankings), cases) if tables.rankings else None,
        guesses=None,
        flags=pd.DataFrame(columns=FLAG_COLUMNS),
        together="letter" in given,
        readers=[],
        counts={
            "readers": given["reader"].nunique(),
            "readers_revoked": 0,
            "readings": len(readings),
            "readings_submitted": len(readings),
        },
        expected=_expected(once),
        assigned=False,
        scaled=tables.scaled,
        described=_described(tables, frames),
        metrics=frames,
        arm_values=_arm_values(tables),
        reasons=dict.fromkeys(set(METRICS) - set(tables.better), UNMEASURED),
        floor=None,
        floors=[],
        image_differences=[],
        design=_design(tables, cases, leading),
    )


def _design(tables: OwnTables, cases: pd.DataFrame, leading: Criterion) -> list[tuple[str, str]]:
    """What is known of how the ratings were made, and what was taken for granted: in words."""
    chosen = "claimed first" if tables.claims else "the first rated"
    sizes = cases["pair"].value_counts()
    parts = [
        counted(n, noun)
        for n, noun in ((int((sizes > 1).sum()), "pair"), (int((sizes == 1).sum()), "single case"))
        if n
    ]
    units = (
        f"{counted(len(sizes), 'unit')}: {and_(parts)}, as the table names them"
        if len(sizes) < len(cases)
        else "each case by itself, since the table names no pair of them"
    )
    scales = "as the table names them" if tables.scaled else "as far as scores reach; none is named"
    return [
        ("Ratings", "made elsewhere: how sets were shown and blinded isn’t known here"),
        ("Units that are resampled", units),
        ("Ends of the scales", scales),
        ("Arms are compared first by", f"{leading.name}, {chosen}"),
    ]


def _expected(once: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Each reader was to score all arms of each case they scored, as far as anybody scored them.

    And that by the criteria that this reader scored by anywhere, since panels may share them out.
    """
    cells = once[["case", "arm", "criterion"]].drop_duplicates()
    readings = once[["reader", "case"]].drop_duplicates()
    asked = readings.merge(once[["reader", "criterion"]].drop_duplicates())
    counts = asked.merge(cells).groupby(["criterion", "arm"]).size()
    return {(criterion, arm): int(n) for (criterion, arm), n in counts.items()}


def own_frames(tables: OwnTables) -> dict[str, pd.DataFrame]:
    """The rows of `own_data`, cases by their names."""
    ratings = pd.DataFrame(tables.ratings)
    frames = {
        "ratings": ratings.assign(not_applicable=ratings["score"].isna()),
        "rankings": _ranked(tables.rankings),
        "metrics": pd.DataFrame(tables.metrics),
        "cases": own_cases(tables),
    }
    # Whole numbers as such: 3, not 3.0.
    return {kind: frame.convert_dtypes(convert_string=False) for kind, frame in frames.items()}


def own_cases(tables: OwnTables) -> pd.DataFrame:
    """One row per case, numbered as in a study: case, pair, kind, and its name as prompt."""
    of = {row["case"]: row for row in tables.ratings}
    names = sorted(of, key=_order(of))
    pairs: dict[str, int] = {}
    rows = [
        {
            "case": number,
            "pair": pairs.setdefault(of[name]["pair"], len(pairs) + 1),
            "kind": of[name]["kind"],
            "prompt": name,
        }
        for number, name in enumerate(names, 1)
    ]
    return pd.DataFrame(rows)


def _order(names: Iterable[str]) -> Any:
    """By number where all are numbers; else as they stand."""
    listed = list(names)
    if all(name.isdecimal() for name in listed):
        return int
    return {name: i for i, name in enumerate(listed)}.__getitem__


def _numbered(rows: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """The rows with the numbers of case and pair for their names."""
    frame = rows.drop(columns=["pair", "kind"], errors="ignore")
    joined = frame.rename(columns={"case": "prompt"}).merge(cases, on="prompt", how="left")
    return joined.drop(columns="prompt")


def _ranked(rankings: Sequence[Row]) -> pd.DataFrame:
    """Ties share their mean rank, however they were counted."""
    frame = pd.DataFrame(rankings, columns=["case", "arm", "reader", "rank"])
    return frame.assign(rank=frame.groupby(["reader", "case"])["rank"].rank(method="average"))


def _criterion(key: str, scale: tuple[float, float]) -> Criterion:
    low, high = (int(end) if float(end).is_integer() else end for end in scale)
    return Criterion(key, _in_words(key), "", minimum=low, maximum=high)  # type: ignore[arg-type]


def _in_words(key: str) -> str:
    words = key.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _metric_frames(tables: OwnTables, cases: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """By metric; one with a value for no more than the first case of each pair is one of pairs."""
    rows = [row for row in tables.metrics if row["case"]]
    if not rows:
        return {}
    frame = _numbered(pd.DataFrame(rows), cases)
    firsts = set(cases.drop_duplicates("pair")["case"])
    frames = {}
    for metric in dict.fromkeys(frame["metric"]):
        own = frame.loc[frame["metric"] == metric, [*CELL, "value"]]
        of_pairs = len(firsts) < len(cases) and set(own["case"]) <= firsts
        frames[metric] = own.drop(columns="case") if of_pairs else own
    return frames


def _described(tables: OwnTables, frames: Mapping[str, pd.DataFrame]) -> dict[str, Description]:
    """Brought metrics first, then those that only images would give."""
    brought = {}
    for key, better in tables.better.items():
        known = METRICS.get(key)
        scope = "arm"
        if key in frames:
            scope = "case" if "case" in frames[key] else "pair"
        brought[key] = Description(
            key=key,
            name=known.name if known else key,
            scope=scope,
            better=better,
            formula="brought as numbers, computed elsewhere",
            bias="not known",
            low=known.low if known else -math.inf,
            high=known.high if known else math.inf,
        )
    return brought | {key: metric for key, metric in METRICS.items() if key not in brought}


def _arm_values(tables: OwnTables) -> list[ArmValue]:
    """Those that were brought; else the mean over cases, whose interval the frames give."""
    values: dict[tuple[str, str], ArmValue] = {}
    by_case: dict[tuple[str, str], list[Row]] = {}
    for row in tables.metrics:
        key = row["metric"], row["arm"]
        if row["case"]:
            by_case.setdefault(key, []).append(row)
        else:
            values[key] = ArmValue(metric=key[0], arm=key[1], value=row["value"], images=row["n"])
    for key, rows in by_case.items():
        mean = sum(row["value"] for row in rows) / len(rows)
        images = sum(row["n"] for row in rows)
        known = values.get(key)
        values[key] = (
            replace(known, images=known.images or images)
            if known
            else ArmValue(metric=key[0], arm=key[1], value=mean, images=images)
        )
    return list(values.values())
