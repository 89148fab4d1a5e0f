"""Do a metric and readers' scores go together?

Pooled correlations mix what arms and prompts share: at a nominal 5 % they "find" something in
more than half of all studies without any association within arms. `beyond_arm` removes both.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, norm, t

from analysis.statistics import MIN_ARMS, MIN_PAIRS
from analysis.statistics.estimate import Estimate, few_pairs, not_estimable, with_interval
from analysis.statistics.panel import Panel, group_means
from analysis.statistics.resampling import pair_block_p, unit_counts


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
        return demean(self.metric), demean(self.scores)

    def only(self, units: Collection) -> "Table":
        """Of these units."""
        keep = np.array([unit in units for unit in self.units], dtype=bool)
        pairs = self.pairs[keep]
        return replace(
            self,
            scores=self.scores[keep],
            resampled=self.resampled[:, keep],
            metric=self.metric[keep],
            units=tuple(u for u in self.units if u in units),
            pairs=pairs,
            kinds=self.kinds[keep],
            clusters=min(self.clusters, len(set(pairs))),
        )


def table(
    scores: pd.DataFrame,
    metric: pd.DataFrame,
    *,
    arms: Sequence,
    complete: bool = True,
    resamples: int = 2000,
    seed: int = 0,
) -> Table:
    """Join scores of one criterion with one metric.

    Args:
        scores: Columns reader, case, pair, kind, arm, value.
        metric: Columns pair, arm, value, and case where the metric has a value per case; without
            it scores are averaged over the cases of a pair.
        arms: The arms compared.
        complete: Use only readings in which every arm was scored, so that a reader's severity
            cancels within a case. Descriptive numbers take every score there is.
    """
    given = Scored.of(scores, arms=arms, complete=complete, resamples=resamples, seed=seed)
    return given.beside(metric)


@dataclass(frozen=True)
class Scored:
    """The scores' side of a `Table`, which many metrics may be set beside."""

    panel: Panel
    scores: np.ndarray  # (cases, arms): means over readers
    resampled: np.ndarray  # (1 or resamples, cases, arms)

    @classmethod
    def of(
        cls, scores: pd.DataFrame, *, arms: Sequence, complete: bool, resamples: int, seed: int
    ) -> Self:
        """As `table` takes them."""
        panel = Panel.from_frame(scores, arms=arms)
        if complete:
            panel = panel.complete_readings()
        counts = panel.reader_counts(resamples=resamples, rng=np.random.default_rng([seed, 1]))
        return cls(panel, panel.cell_means()[0], panel.cell_means(counts))

    def beside(self, metric: pd.DataFrame) -> Table:
        panel = self.panel
        level = "case" if "case" in metric else "pair"
        units, mean, resampled = panel.cases, self.scores, self.resampled
        pairs, kinds = panel.pairs, panel.kinds
        if level == "pair":
            ids, member = np.unique(pairs, return_inverse=True)
            units, pairs, kinds = tuple(ids), ids, np.full(len(ids), "pair")
            mean = group_means(mean[None], member, len(ids))[0]
            resampled = group_means(resampled, member, len(ids))
        wide = metric.pivot(index=level, columns="arm", values="value")
        x = wide.reindex(index=list(units), columns=list(panel.arms)).to_numpy(dtype=float)
        whole = np.isfinite(x).all(axis=1) & np.isfinite(mean).all(axis=1)
        return Table(
            mean[whole],
            resampled[:, whole],
            x[whole],
            tuple(u for u, keep in zip(units, whole, strict=True) if keep),
            pairs[whole],
            kinds[whole],
            panel.arms,
            panel.clusters(len(set(pairs[whole]))),
        )


def beyond_arm(data: Table, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Correlation of what is left of metric and scores after prompt and arm (two-way demeaned).

    95 % pair-cluster bootstrap interval; two-sided p by exchanging whole pairs.
    """
    count, pairs = data.metric.size, len(set(data.pairs))
    if reason := why_not(data, pairs):
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
    draws = bootstrap_r(data, resamples=resamples, rng=rng)
    p = pair_block_p(x, y, pairs=data.pairs, shapes=data.kinds, resamples=resamples, rng=rng)
    missing = "no p: too few pairs to exchange" if p is None else ""
    return with_interval(
        value, draws, clusters=data.clusters, pairs=pairs, n=count, p=p, missing=missing
    )


def pooled_spearman(data: Table, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Spearman's ρ over all cells, as papers print it. Descriptive: it has no valid p here.

    It mixes differences between arms and between prompts with what the metric sees in a set.
    """
    count, pairs = data.metric.size, len(set(data.pairs))
    if pairs < MIN_PAIRS:
        return not_estimable(few(pairs), pairs=pairs, n=count)
    x, y = data.metric.ravel(), data.scores.ravel()
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return not_estimable("all values are equal", pairs=pairs, n=count)
    counts = unit_counts(data.pairs, resamples=resamples, rng=np.random.default_rng(seed))
    weights = np.repeat(counts, data.metric.shape[1], axis=1)
    value = float(_weighted_spearman(x, y, np.ones((1, count)))[0])
    draws = _weighted_spearman(x, y, weights)
    return with_interval(value, draws, clusters=pairs, pairs=pairs, n=count)


def between_arms(data: Table, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Kendall's τ_b between the arms' mean metric and mean score: does it rank generators alike?

    p is exact over all orders of the arms, and there is none with fewer than `MIN_ARMS`: three
    arms in perfect order come about by chance one time in three. The interval is for other prompts
    and the same arms. `n` counts arms.
    """
    arms, pairs = len(data.arms), len(set(data.pairs))
    if arms < 3:
        return not_estimable(f"{arms} arms have no order to compare", pairs=pairs, n=arms)
    if pairs < MIN_PAIRS:
        return not_estimable(few(pairs), pairs=pairs, n=arms)
    counts = unit_counts(data.pairs, resamples=resamples, rng=np.random.default_rng(seed))
    weights = np.vstack([np.ones((1, len(data.pairs))), counts]).astype(float)
    i, j = np.triu_indices(arms, 1)
    orders = []
    for values in (data.metric, data.scores):
        means = weights @ values / weights.sum(axis=1, keepdims=True)
        apart = means[:, i] - means[:, j]
        orders.append(np.sign(np.where(np.abs(apart) > 1e-9 * np.abs(means).max(), apart, 0)))
    scale = np.sqrt(np.prod([(order != 0).sum(axis=1) for order in orders], axis=0))
    tau = np.divide(
        (orders[0] * orders[1]).sum(axis=1), scale, out=np.full(len(scale), np.nan), where=scale > 0
    )
    if np.isnan(tau[0]):
        return not_estimable("all arms have equal means", pairs=pairs, n=arms)
    p, missing = None, f"no p: {arms} arms, {MIN_ARMS} are needed"
    if arms >= MIN_ARMS:
        missing = "" if (orders[0][0] * orders[1][0]).all() else "no p: arms with equal means"
        p = None if missing else float(kendalltau(data.metric.mean(0), data.scores.mean(0)).pvalue)
    return with_interval(tau[0], tau[1:], clusters=pairs, pairs=pairs, n=arms, p=p, missing=missing)


def repeated_measures(x: np.ndarray, y: np.ndarray, subjects: np.ndarray) -> Estimate:
    """Correlation within subjects, a common slope for all (Bland & Altman 1995).

    doi 10.1136/bmj.310.6977.446; interval by Fisher's z as Bakdash & Marusich (2017,
    doi 10.3389/fpsyg.2017.00456). With prompts for subjects it mixes in what arms have in common,
    so reports use `beyond_arm`. `n` counts measurements, `pairs` subjects.
    """
    ids, member, size = np.unique(subjects, return_inverse=True, return_counts=True)
    n, df = len(x), len(x) - len(ids) - 1
    if df < 2:
        return not_estimable(f"{n} measurements of {len(ids)} subjects", pairs=len(ids), n=n)
    dx, dy = (v - (np.bincount(member, v) / size)[member] for v in (x, y))
    scale = np.sqrt((dx @ dx) * (dy @ dy))
    if scale <= 1e-12 * max(1e-12, np.abs(x).max() * np.abs(y).max()):
        return not_estimable("a measure doesn't vary within subjects", pairs=len(ids), n=n)
    r = float(np.clip(dx @ dy / scale, -1, 1))
    p = float(2 * t.sf(abs(r) * np.sqrt(df / max(1e-300, 1 - r * r)), df))
    half = norm.ppf(0.975) / np.sqrt(df - 1)
    low, high = np.tanh(np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15)) + np.array([-half, half]))
    return Estimate(r, float(low), float(high), p, pairs=len(ids), n=n)


def few(pairs: int) -> str:
    return few_pairs(pairs, " with all arms scored")


def why_not(data: Table, pairs: int) -> str:
    if len(data.arms) < 2:
        return "one arm: nothing is left to compare after removing prompt and arm"
    return few(pairs) if pairs < MIN_PAIRS else ""


def demean(values: np.ndarray) -> np.ndarray:
    """Values (…, units, arms) less what prompt and arm explain."""
    rows = values - values.mean(axis=-1, keepdims=True)
    return rows - rows.mean(axis=-2, keepdims=True)


def _constant(residuals: np.ndarray, values: np.ndarray) -> bool:
    return bool(np.abs(residuals).max() <= 1e-9 * max(1e-9, np.abs(values).max()))


def bootstrap_r(data: Table, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Two-way demeaned correlations over resamples, from sums alone: O(resamples · cells)."""
    w = unit_counts(data.pairs, resamples=resamples, rng=rng).astype(float)
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
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ordered = weights[:, np.argsort(group, kind="stable")]
    size = np.add.reduceat(ordered, counts.cumsum() - counts, axis=1)
    return (size.cumsum(axis=1) - size / 2 + 0.5)[:, group]
