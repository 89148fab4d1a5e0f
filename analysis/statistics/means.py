"""Means by arm with pair-cluster bootstrap intervals, and differences between arms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.statistics import MIN_PAIRS
from analysis.statistics.estimate import Estimate, few_pairs, not_estimable
from analysis.statistics.panel import Panel
from analysis.statistics.resampling import percentile_interval, unit_counts


@dataclass(frozen=True)
class ArmMeans:
    """Means of all arms from the same resamples, so that arms can be compared.

    A mean is taken over a cell's readers first, then over cases.
    """

    arms: tuple
    values: np.ndarray  # (arms,), NaN where an arm has no value
    draws: np.ndarray  # (resamples, arms)
    pairs: np.ndarray  # (arms,) pairs that entered
    n: np.ndarray  # (arms,) values that entered
    clusters: np.ndarray  # (arms,) what limits the interval

    def mean(self, arm) -> Estimate:
        i = self.arms.index(arm)
        if not self.n[i]:
            return not_estimable("no values")
        return self._estimate(self.values[i], self.draws[:, i], i, i)

    def difference(self, arm, other) -> Estimate:
        """Mean of `arm` less that of `other`, with its own interval."""
        i, j = self.arms.index(arm), self.arms.index(other)
        if not (self.n[i] and self.n[j]):
            return not_estimable("no values")
        draws = self.draws[:, i] - self.draws[:, j]
        return self._estimate(self.values[i] - self.values[j], draws, i, j)

    def _estimate(self, value: float, draws: np.ndarray, i: int, j: int) -> Estimate:
        pairs, n = int(min(self.pairs[i], self.pairs[j])), int(min(self.n[i], self.n[j]))
        limits, reason = None, f"no interval: {few_pairs(pairs)}"
        if pairs >= MIN_PAIRS:
            clusters = int(min(self.clusters[i], self.clusters[j]))
            limits = percentile_interval(draws, clusters=clusters)
            reason = "" if limits else "no interval: too few cells with values"
        low, high = limits or (None, None)
        return Estimate(float(value), low, high, pairs=pairs, n=n, reason=reason)


def arm_means(
    scores: pd.DataFrame, *, arms: Sequence, resamples: int = 2000, seed: int = 0
) -> ArmMeans:
    """Mean by arm; pairs resampled as wholes, readers too where there are at least 5.

    Args:
        scores: Columns reader, case, pair, kind, arm, value.
        arms: All arms, in the order of the result.
    """
    panel = Panel.from_frame(scores, arms=arms)
    if not len(scores):
        empty = np.zeros(len(arms), dtype=int)
        undefined = np.full((resamples, len(arms)), np.nan)
        return ArmMeans(tuple(arms), undefined[0], undefined, empty, empty, empty)
    rng = np.random.default_rng(seed)
    weights = unit_counts(panel.pairs, resamples=resamples, rng=rng)
    cells = panel.cell_means(panel.reader_counts(resamples=resamples, rng=rng))
    present = np.isfinite(panel.values)
    pairs = np.array([len(set(panel.pairs[p])) for p in present.any(axis=0).T])
    return ArmMeans(
        tuple(arms),
        _mean_over_cases(panel.cell_means(), np.ones((1, len(panel.cases))))[0],
        _mean_over_cases(cells, weights),
        pairs,
        present.sum(axis=(0, 1)),
        np.array([panel.clusters(int(p)) for p in pairs]),
    )


def _mean_over_cases(cells: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means of cells (1 or resamples, cases, arms): shape (resamples, arms)."""
    given = np.isfinite(cells)
    total = np.matmul(weights[:, None], np.where(given, cells, 0))[:, 0]
    weight = np.matmul(weights[:, None], given.astype(float))[:, 0]
    return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
