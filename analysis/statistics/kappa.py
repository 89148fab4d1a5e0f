"""Weighted kappa of two readers, and two readers who agree more than the others explain."""

from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Literal

import numpy as np
import pandas as pd

from analysis.statistics import MIN_PAIRS
from analysis.statistics.agreement import set_table
from analysis.statistics.estimate import Estimate, few_pairs, not_estimable, with_interval
from analysis.statistics.resampling import percentile_interval, unit_counts

# An excess of correlation that is worth asking two readers about.
NOTABLE = 0.05

Weights = Literal["nominal", "linear", "quadratic"]


def disagreement(values: np.ndarray, weights: Weights = "quadratic") -> np.ndarray:
    """How much it counts when one reader gives one value and the other another: 0 if equal."""
    apart = np.abs(values[:, None] - values)
    return {"nominal": (apart > 0).astype(float), "linear": apart, "quadratic": apart**2}[weights]


def weighted_kappa(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cohen's weighted kappa (1968, doi 10.1037/h0026256).

    Args:
        counts: How often the first reader gave the row's and the second the column's value,
            shape (…, values, values).
        weights: Disagreement of each two values, 0 on the diagonal.

    Returns:
        Shape (…); NaN where chance alone leaves no disagreement.
    """
    first, second = counts.sum(axis=-1), counts.sum(axis=-2)
    chance = (weights * first[..., :, None] * second[..., None, :]).sum(axis=(-1, -2))
    observed = (weights * counts).sum(axis=(-1, -2)) * counts.sum(axis=(-1, -2))
    return np.where(chance > 0, 1 - observed / np.where(chance > 0, chance, 1), np.nan)


@dataclass(frozen=True)
class ReaderPair:
    """Two readers on the sets that both scored.

    Attributes:
        kappa: Quadratic weighted kappa; n counts the sets.
        same: Share of sets with equal scores, 0 to 1.
        excess: Correlation of the two less what a shared truth explains: were truth all that they
            share, r(i, j) would be r(i, k) · r(j, l) / r(k, l) for any others k and l; the median
            over these (Spearman's tetrads). Its interval holds for all pairs of readers at once.
        suspicious: The whole interval of `excess` is above `NOTABLE`.
    """

    first: str
    second: str
    kappa: Estimate
    same: float | None
    excess: Estimate
    suspicious: bool


def reader_pairs(scores: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> list[ReaderPair]:
    """Every two readers, the best agreeing first.

    Args:
        scores: One criterion: columns reader, case, pair, arm, value.
    """
    if scores.empty:
        return []
    wide = set_table(scores)
    ratings, readers = wide.to_numpy(dtype=float), [str(r) for r in wide.columns]
    pairs = wide.index.get_level_values("pair")
    counts = unit_counts(pairs, resamples=resamples, rng=np.random.default_rng(seed))
    weights = np.vstack([np.ones((1, len(ratings))), counts]).astype(float)
    r = _correlations(ratings, weights)
    twos = list(combinations(range(len(readers)), 2))
    found = []
    for i, j in twos:
        both = np.isfinite(ratings[:, [i, j]]).all(axis=1)
        size = {"pairs": len(set(pairs[both])), "n": int(both.sum())}
        kappa = _kappa(ratings[both][:, [i, j]], weights[:, both], size)
        excess = _excess(r, i, j, tests=len(twos), size=size)
        found.append(
            ReaderPair(
                readers[i],
                readers[j],
                kappa,
                float((ratings[both, i] == ratings[both, j]).mean()) if both.any() else None,
                excess,
                excess.low is not None and excess.low > NOTABLE,
            )
        )
    return sorted(found, key=lambda two: -np.inf if two.kappa.value is None else -two.kappa.value)


def _kappa(two: np.ndarray, weights: np.ndarray, size: dict[str, int]) -> Estimate:
    if size["pairs"] < MIN_PAIRS:
        reason = f"both scored sets of {few_pairs(size['pairs'])}"
        return not_estimable(reason, **size)
    values, place = np.unique(two, return_inverse=True)
    cell = place.reshape(two.shape) @ [len(values), 1]
    counts = weights @ np.eye(len(values) ** 2)[cell]
    found = weighted_kappa(
        counts.reshape(-1, len(values), len(values)), disagreement(values, "quadratic")
    )
    if np.isnan(found[0]):
        return not_estimable("all scores are equal", **size)
    return with_interval(
        found[0], found[1:], clusters=size["pairs"], pairs=size["pairs"], n=size["n"], on_z=True
    )


def _excess(r: np.ndarray, i: int, j: int, *, tests: int, size: dict[str, int]) -> Estimate:
    others = [k for k in range(r.shape[1]) if k not in (i, j)]
    if len(others) < 2:
        return not_estimable(f"{r.shape[1]} readers: two others are needed to compare with", **size)
    known = np.isfinite(r[0])  # unless a reader's scores are constant, or two share no set
    by = [(k, m) for k, m in permutations(others, 2) if known[[i, j, k], [k, m, m]].all()]
    if size["pairs"] < MIN_PAIRS or not by or not known[i, j]:
        return not_estimable("too few common sets, or constant scores", **size)
    k, m = np.array(by).T
    with np.errstate(invalid="ignore", divide="ignore"):
        explained = np.median(r[:, i, k] * r[:, j, m] / r[:, k, m], axis=1)
    # Where others hardly agree the ratio means nothing; two can't share more than all of a truth.
    draws = r[:, i, j] - np.clip(explained, -1, 1)
    limits = percentile_interval(draws[1:], clusters=size["pairs"], level=1 - 0.05 / tests)
    low, high = limits or (None, None)
    reason = "" if limits else "no interval: undefined in too many resamples"
    return Estimate(float(draws[0]), low, high, reason=reason, **size)


def _correlations(ratings: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's r of each two readers on common sets: (resamples, readers, readers)."""
    readers = ratings.shape[1]
    r = np.ones((len(weights), readers, readers))
    for i, j in combinations(range(readers), 2):
        both = np.isfinite(ratings[:, [i, j]]).all(axis=1)
        if not both.any():
            r[:, i, j] = r[:, j, i] = np.nan
            continue
        x, y = ratings[both][:, [i, j]].T - ratings[both][:, [i, j]].mean(axis=0)[:, None]
        w = weights[:, both]
        total = np.maximum(w.sum(axis=1), 1)
        mx, my = w @ x / total, w @ y / total
        xx, yy, xy = w @ (x * x) / total - mx**2, w @ (y * y) / total - my**2, w @ (x * y) / total
        defined = (xx > 1e-12) & (yy > 1e-12)
        root = np.sqrt(np.where(defined, xx * yy, 1))
        r[:, i, j] = r[:, j, i] = np.where(defined, (xy - mx * my) / root, np.nan)
    return r
