"""Krippendorff's alpha: agreement of any number of readers, with missing scores.

Krippendorff (2011), Computing Krippendorff's Alpha-Reliability,
https://repository.upenn.edu/asc_papers/43.
"""

from typing import Literal

import numpy as np
import pandas as pd

from analysis.statistics.agreement import set_table, why_no_agreement
from analysis.statistics.estimate import Estimate, not_estimable, with_interval
from analysis.statistics.resampling import unit_counts

Level = Literal["nominal", "ordinal", "interval", "ratio"]


def krippendorff_alpha(
    scores: pd.DataFrame, *, level: Level = "ordinal", resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Alpha over the sets (case × arm) that two readers or more scored; `n` counts their scores.

    1 is perfect agreement, 0 that of chance; below 0, readers disagree systematically.

    Args:
        scores: One criterion: columns reader, case, pair, arm, value.
        level: How far apart two values are. Ratio needs values of 0 and more.
    """
    wide = set_table(scores)
    wide = wide[wide.notna().sum(axis=1) >= 2]
    ratings = wide.to_numpy(dtype=float)
    pairs = wide.index.get_level_values("pair")
    clusters, n = len(set(pairs)), int(np.isfinite(ratings).sum())
    if reason := why_no_agreement(scores["reader"].nunique(), clusters, ratings):
        return not_estimable(reason, pairs=clusters, n=n)
    values, coincidences = _coincidences(ratings)
    counts = unit_counts(pairs, resamples=resamples, rng=np.random.default_rng(seed))
    once = np.ones((1, len(ratings)))
    value, draws = (_alpha(coincidences, w, values, level) for w in (once, counts))
    return with_interval(value[0], draws, clusters=clusters, pairs=clusters, n=n, on_z=True)


def _coincidences(ratings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values in order, and per unit how often two of them meet: (units, values, values).

    Args:
        ratings: Shape (units, readers), NaN where missing; two or more in each unit.
    """
    values = np.unique(ratings[np.isfinite(ratings)])
    counts = (ratings[:, :, None] == values).sum(axis=1).astype(float)
    met = counts[:, :, None] * counts[:, None] - counts[:, :, None] * np.eye(len(values))
    return values, met / (counts.sum(axis=1) - 1)[:, None, None]


def _alpha(
    coincidences: np.ndarray, weights: np.ndarray, values: np.ndarray, level: Level
) -> np.ndarray:
    """Alpha of units that stand as often as weights (resamples, units) say; NaN if constant."""
    size = len(values)
    flat = coincidences.reshape(-1, size * size)
    found = []
    for some in np.array_split(weights, max(1, len(weights) * size**2 // 10**7)):
        met = (some @ flat).reshape(-1, size, size)
        margin = met.sum(axis=2)
        apart = _distance(values, margin, level)
        observed = (met * apart).sum(axis=(1, 2))
        chance = (apart * margin[:, :, None] * margin[:, None]).sum(axis=(1, 2))
        defined = chance > 0
        ratio = (margin.sum(axis=1) - 1) * observed / np.where(defined, chance, 1)
        found.append(np.where(defined, 1 - ratio, np.nan))
    return np.concatenate(found)


def _distance(values: np.ndarray, margin: np.ndarray, level: Level) -> np.ndarray:
    """Squared distance of each two values: (1 or resamples, values, values)."""
    if level == "nominal":
        return 1 - np.eye(len(values))[None]
    if level == "ratio":
        total = values[:, None] + values
        return ((values[:, None] - values) / np.where(total == 0, 1, total))[None] ** 2
    # Ordinal values are as far apart as the mid-ranks of what was given.
    place = margin.cumsum(axis=1) - margin / 2 if level == "ordinal" else values[None]
    return (place[:, :, None] - place[:, None]) ** 2
