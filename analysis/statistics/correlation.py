"""Do a metric and readers' scores go together?

Pooled correlations mix what arms and prompts share: at a nominal 5 % they "find" something in
more than half of all studies without any association within arms. `beyond_arm` removes both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.statistics import MIN_PAIRS
from analysis.statistics.estimate import Estimate, not_estimable
from analysis.statistics.panel import Panel
from analysis.statistics.resampling import (
    cluster_counts,
    pair_block_p,
    percentile_interval,
)


@dataclass(frozen=True)
class Table:
    """Scores and metric on the same units (cases, or pairs) and arms; rows without NaN."""

    scores: np.ndarray  # (units, arms): means over readers
    resampled: np.ndarray  # (1 or resamples, units, arms)
    metric: np.ndarray  # (units, arms)
    units: tuple
    pairs: np.ndarray
    kinds: np.ndarray
    arms: tuple
    clusters: int

    def residuals(self) -> tuple[np.ndarray, np.ndarray]:
        """Metric and scores after prompt and arm, each of shape (units, arms)."""
        return _demean(self.metric), _demean(self.scores)


def table(
    scores: pd.DataFrame,
    metric: pd.DataFrame,
    *,
    arms: Sequence,
    resamples: int = 2000,
    seed: int = 0,
) -> Table:
    """Join scores of one criterion with one metric.

    Uses readings in which every arm was scored, so that a reader's severity cancels within a case.

    Args:
        scores: Columns reader, case, pair, kind, arm, value.
        metric: Columns pair, arm, value, and case where the metric has a value per case; without
            it scores are averaged over the cases of a pair.
        arms: The arms compared.
    """
    panel = Panel.from_frame(scores, arms=arms).complete_readings()
    counts = panel.reader_counts(resamples=resamples, rng=np.random.default_rng([seed, 1]))
    level = "case" if "case" in metric else "pair"
    units, mean, resampled = panel.cases, panel.cell_means()[0], panel.cell_means(counts)
    pairs, kinds = panel.pairs, panel.kinds
    if level == "pair":
        ids, member = np.unique(pairs, return_inverse=True)
        units, pairs, kinds = tuple(ids), ids, np.full(len(ids), "pair")
        mean = _by_group(mean[None], member, len(ids))[0]
        resampled = _by_group(resampled, member, len(ids))
    wide = metric.pivot(index=level, columns="arm", values="value")
    x = wide.reindex(index=list(units), columns=list(arms)).to_numpy(dtype=float)
    whole = np.isfinite(x).all(axis=1) & np.isfinite(mean).all(axis=1)
    return Table(
        mean[whole],
        resampled[:, whole],
        x[whole],
        tuple(u for u, keep in zip(units, whole, strict=True) if keep),
        pairs[whole],
        kinds[whole],
        tuple(arms),
        panel.clusters(len(set(pairs[whole]))),
    )


def beyond_arm(data: Table, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Correlation of what is left of metric and scores after prompt and arm (two-way demeaned).

    95 % pair-cluster bootstrap interval; two-sided p by exchanging whole pairs.
    """
    count, pairs = data.metric.size, len(set(data.pairs))
    if reason := _why_not(data, pairs):
        return not_estimable(reason, pairs=pairs, n=count)
    x, y = data.residuals()
    for residuals, values, what in (
        (x, data.metric, "the metric doesn't vary"),
        (y, data.scores, "the scores don't vary"),
    ):
        if _constant(residuals, values):
            return not_estimable(f"{what} beyond prompt and arm", pairs=pairs, n=count)
    value = float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))
    rng = np.random.default_rng(seed)
    limits = percentile_interval(
        _bootstrap_r(data, resamples=resamples, rng=rng), clusters=data.clusters
    )
    p = pair_block_p(x, y, pairs=data.pairs, shapes=data.kinds, resamples=resamples, rng=rng)
    missing = [] if limits else ["no interval: undefined in too many resamples"]
    if p is None:
        missing.append("no p: too few pairs to exchange")
    low, high = limits or (None, None)
    return Estimate(value, low, high, p, pairs=pairs, n=count, reason="; ".join(missing))


def pooled_spearman(data: Table, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Spearman's ρ over all cells, as papers print it. Descriptive: it has no valid p here.

    It mixes differences between arms and between prompts with what the metric sees in a set.
    """
    count, pairs = data.metric.size, len(set(data.pairs))
    if pairs < MIN_PAIRS:
        return not_estimable(_few(pairs), pairs=pairs, n=count)
    x, y = data.metric.ravel(), data.scores.ravel()
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return not_estimable("all values are equal", pairs=pairs, n=count)
    ids, pair = np.unique(data.pairs, return_inverse=True)
    counts = cluster_counts(len(ids), resamples=resamples, rng=np.random.default_rng(seed))
    weights = np.repeat(counts[:, pair], data.metric.shape[1], axis=1)
    value = float(_weighted_spearman(x, y, np.ones((1, count)))[0])
    limits = percentile_interval(_weighted_spearman(x, y, weights), clusters=len(ids))
    low, high = limits or (None, None)
    reason = "" if limits else "no interval: undefined in too many resamples"
    return Estimate(value, low, high, pairs=pairs, n=count, reason=reason)


def _few(pairs: int) -> str:
    return f"{pairs} pairs of prompts with all arms scored, {MIN_PAIRS} are needed"


def _why_not(data: Table, pairs: int) -> str:
    if len(data.arms) < 2:
        return "one arm: nothing is left to compare after removing prompt and arm"
    return _few(pairs) if pairs < MIN_PAIRS else ""


def _demean(values: np.ndarray) -> np.ndarray:
    rows = values - values.mean(axis=1, keepdims=True)
    return rows - rows.mean(axis=0)


def _constant(residuals: np.ndarray, values: np.ndarray) -> bool:
    return bool(np.abs(residuals).max() <= 1e-9 * max(1e-9, np.abs(values).max()))


def _by_group(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Means over the second axis by group, ignoring NaN: (b, groups, arms)."""
    onehot = (group[None] == np.arange(groups)[:, None]).astype(float)
    given = np.isfinite(values)
    total = np.einsum("gc,bca->bga", onehot, np.where(given, values, 0))
    weight = np.einsum("gc,bca->bga", onehot, given.astype(float))
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)


def _bootstrap_r(data: Table, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Two-way demeaned correlations over resamples, from sums alone: O(resamples · cells)."""
    ids, pair = np.unique(data.pairs, return_inverse=True)
    w = cluster_counts(len(ids), resamples=resamples, rng=rng)[:, pair].astype(float)
    y = data.resampled - data.resampled.mean(axis=2, keepdims=True)
    given = np.isfinite(y).all(axis=2)  # a resample of readers may leave a unit unread
    w, y = w * given, np.where(given[..., None], y, 0)
    x = data.metric - data.metric.mean(axis=1, keepdims=True)
    total = np.maximum(w.sum(axis=1), 1)[:, None]
    sum_x, xx = w @ x, w @ (x * x).sum(axis=1)
    sum_y = np.matmul(w[:, None], y)[:, 0]
    xy, yy = ((w * a.sum(axis=2)).sum(axis=1) for a in (x * y, y * y))
    covariance = xy - (sum_x * sum_y / total).sum(axis=1)
    variance_x = xx - (sum_x**2 / total).sum(axis=1)
    variance_y = yy - (sum_y**2 / total).sum(axis=1)
    defined = (variance_x > 1e-12 * xx.max()) & (variance_y > 1e-12 * yy.max())
    root = np.sqrt(np.where(defined, variance_x * variance_y, 1))
    return np.where(defined, np.clip(covariance / root, -1, 1), np.nan)


def _weighted_spearman(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's ρ of repeated values: weights (resamples, n) count how often each stands."""
    rank_x, rank_y = _mid_ranks(x, weights), _mid_ranks(y, weights)
    total = weights.sum(axis=1, keepdims=True)
    cx = rank_x - (weights * rank_x).sum(axis=1, keepdims=True) / total
    cy = rank_y - (weights * rank_y).sum(axis=1, keepdims=True) / total
    xy, xx, yy = ((weights * a).sum(axis=1) for a in (cx * cy, cx * cx, cy * cy))
    defined = (xx > 0) & (yy > 0)
    return np.where(defined, xy / np.sqrt(np.where(defined, xx * yy, 1)), np.nan)


def _mid_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    _, group = np.unique(values, return_inverse=True)
    onehot = np.eye(group.max() + 1)[group]
    size = weights @ onehot
    return (size.cumsum(axis=1) - size / 2 + 0.5)[:, group]
