"""How each reader scores: severity, use of the scale, and what order does to scores."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.statistics import MIN_PAIRS
from analysis.statistics.agreement import set_table
from analysis.statistics.estimate import Estimate, few_pairs, not_estimable, with_interval
from analysis.statistics.resampling import unit_counts


@dataclass(frozen=True)
class ReaderHabits:
    """One reader on one criterion.

    Attributes:
        severity: Mean of own less the others' mean score over shared sets: below 0 is severe.
        mean, sd: Of own scores; ``sd`` (ddof 1) is None with one score.
        used: Share of the scale's whole values that the reader gave, 0 to 1; None where the scale
            isn't known, or somebody gave a value between whole ones.
        ends: Share of own scores at the lowest or the highest value, 0 to 1; None where the scale
            isn't known.
        commonest: Share of own scores that are the commonest one: 1 says that all are equal.
        n: Own scores.
    """

    reader: str
    severity: Estimate
    mean: float
    sd: float | None
    used: float | None
    ends: float | None
    commonest: float
    n: int


def reader_habits(
    scores: pd.DataFrame,
    *,
    scale: tuple[float, float] | None,
    resamples: int = 2000,
    seed: int = 0,
) -> list[ReaderHabits]:
    """Every reader's habits, in the order of their names.

    Args:
        scores: One criterion: columns reader, case, pair, arm, value.
        scale: Its lowest and highest value, if known.
    """
    wide = set_table(scores)
    values = _whole_values(scores["value"], scale)
    found = []
    for reader in wide.columns:
        own = wide[reader].dropna()
        shares = own.value_counts(normalize=True)
        found.append(
            ReaderHabits(
                str(reader),
                _severity(wide, reader, resamples=resamples, seed=seed),
                float(own.mean()),
                float(own.std()) if len(own) > 1 else None,
                len(shares) / values if values else None,
                float(own.isin(scale).mean()) if scale else None,
                float(shares.iloc[0]),
                len(own),
            )
        )
    return found


def _whole_values(scores: pd.Series, scale: tuple[float, float] | None) -> int:
    """How many values the scale has; 0 where that isn't known, or none are counted."""
    if scale is None or not all(float(value).is_integer() for value in (*scores.unique(), *scale)):
        return 0
    return int(scale[1] - scale[0]) + 1


def _severity(wide: pd.DataFrame, reader, *, resamples: int, seed: int) -> Estimate:
    if wide.shape[1] < 2:
        return not_estimable("one reader: severity is against others")
    above = (wide[reader] - wide.drop(columns=reader).mean(axis=1)).dropna()
    pairs = above.index.get_level_values("pair")
    clusters = len(set(pairs))
    if clusters < MIN_PAIRS:
        reason = f"sets of {few_pairs(clusters, ' shared with others')}"
        return not_estimable(reason, pairs=clusters, n=len(above))
    counts = unit_counts(pairs, resamples=resamples, rng=np.random.default_rng(seed))
    draws = counts @ above.to_numpy() / counts.sum(axis=1)
    return with_interval(above.mean(), draws, clusters=clusters, pairs=clusters, n=len(above))


def order_effect(
    scores: pd.DataFrame, *, by: str, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Points of score for each step of a column: the place of the case, or of the set on the page.

    What reader and set (with one reader: arm) explain is taken out of both first, and what the
    reading explains where the column differs within one. It speaks of these readers.

    Args:
        scores: Columns reader, case, pair, arm, value and `by` (a number, such as position).
    """
    rows = scores.dropna(subset=["value", by])
    clusters = rows["pair"].nunique()
    if clusters < MIN_PAIRS:
        reason = few_pairs(clusters)
        return not_estimable(reason, pairs=clusters, n=len(rows))
    varies = rows.groupby(["reader", "case"])[by].nunique().max() > 1
    shared = rows.duplicated(["case", "arm"]).any()
    factors = [["reader", "case"] if varies else ["reader"], ["case", "arm"] if shared else ["arm"]]
    groups = [rows.groupby(columns).ngroup().to_numpy() for columns in factors]
    x, y = (_without(rows[column].to_numpy(dtype=float), groups) for column in (by, "value"))
    if np.abs(x).max() < 1e-6 * max(1e-9, np.ptp(rows[by].to_numpy(dtype=float))):
        reason = f"{by} is the same for every reader: it can't be told from the sets"
        return not_estimable(reason, pairs=clusters, n=len(rows))
    counts = unit_counts(rows["pair"], resamples=resamples, rng=np.random.default_rng(seed))
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = counts @ (x * y) / (counts @ (x * x))
    value = (x @ y) / (x @ x)
    return with_interval(value, draws, clusters=clusters, pairs=clusters, n=len(rows))


def _without(values: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """What is left after the additive effects of all groups, by projecting in turn."""
    left = values - values.mean()
    for _ in range(500):
        before = left
        for group in groups:
            left = left - (np.bincount(group, left) / np.bincount(group))[group]
        if np.abs(left - before).max() <= 1e-10 * max(1e-9, np.abs(values).max()):
            break
    return left
