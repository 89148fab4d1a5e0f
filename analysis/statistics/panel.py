"""Tidy scores as an array, and means over its readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from analysis.statistics import MIN_READERS
from analysis.statistics.resampling import cluster_counts


@dataclass(frozen=True)
class Panel:
    """Scores of one criterion as an array of shape (readers, cases, arms), NaN where missing."""

    values: np.ndarray
    readers: tuple
    cases: tuple
    arms: tuple
    pairs: np.ndarray  # the pair of each case
    kinds: np.ndarray  # original or rephrasing, of each case

    @classmethod
    def from_frame(cls, scores: pd.DataFrame, *, arms: Sequence) -> Self:
        """From columns reader, case, pair, kind, arm, value; each cell at most once.

        Cases and readers without a score are not in the panel; arms are all of `arms`, in order,
        and scores of other arms are left out.
        """
        scores = scores[scores["arm"].isin(list(arms))]
        cases = scores[["case", "pair", "kind"]].drop_duplicates("case").sort_values("case")
        readers = tuple(sorted(scores["reader"].unique()))
        values = np.full((len(readers), len(cases), len(arms)), np.nan)
        index = tuple(
            pd.Index(labels).get_indexer(scores[column])
            for labels, column in ((readers, "reader"), (cases["case"], "case"), (arms, "arm"))
        )
        values[index] = scores["value"].to_numpy(dtype=float)
        return cls(
            values,
            readers,
            tuple(cases["case"]),
            tuple(arms),
            cases["pair"].to_numpy(),
            cases["kind"].to_numpy(),
        )

    def complete_readings(self) -> "Panel":
        """Only readings in which every arm was scored: then a reader's severity cancels."""
        whole = np.isfinite(self.values).all(axis=2, keepdims=True)
        return Panel(
            np.where(whole, self.values, np.nan),
            self.readers,
            self.cases,
            self.arms,
            self.pairs,
            self.kinds,
        )

    def cell_means(self, counts: np.ndarray | None = None) -> np.ndarray:
        """Means over readers of shape (1, cases, arms), or (resamples, …) given reader counts."""
        if counts is None:
            counts = np.ones((1, len(self.readers)))
        given = np.isfinite(self.values)
        total = np.tensordot(counts, np.where(given, self.values, 0), axes=1)
        weight = np.tensordot(counts, given.astype(float), axes=1)
        return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)

    def reader_counts(self, *, resamples: int, rng: np.random.Generator) -> np.ndarray | None:
        """Bootstrap counts of readers; None while they are too few to stand for others."""
        if len(self.readers) < MIN_READERS:
            return None
        return cluster_counts(len(self.readers), resamples=resamples, rng=rng)

    def clusters(self, pairs: int) -> int:
        """What limits an interval: the pairs, or the readers where they are resampled too."""
        return pairs if len(self.readers) < MIN_READERS else min(pairs, len(self.readers))


def group_means(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Means over the second axis by group, ignoring NaN.

    Args:
        values: Shape (b, units, arms).
        group: The group of each unit, 0 to groups − 1.

    Returns:
        Shape (b, groups, arms); NaN where a group has no value.
    """
    onehot = (group[None] == np.arange(groups)[:, None]).astype(float)
    given = np.isfinite(values)
    total = np.einsum("gc,bca->bga", onehot, np.where(given, values, 0))
    weight = np.einsum("gc,bca->bga", onehot, given.astype(float))
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
