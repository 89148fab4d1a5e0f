"""Agreement between readers: intraclass correlation and Kendall's W."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from analysis.statistics import MIN_PAIRS
from analysis.statistics.estimate import Estimate, not_estimable
from analysis.statistics.resampling import cluster_counts, percentile_interval

ONE_READER = "one reader: agreement needs at least two"


@dataclass(frozen=True)
class ReaderAgreement:
    """ICC(A,1): one reader's scores; ICC(A,k): the mean of the k readers (McGraw & Wong 1996).

    Absolute agreement, two-way; `n` counts the sets that all k readers scored.
    """

    single: Estimate
    average: Estimate
    readers: int


def intraclass(scores: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> ReaderAgreement:
    """ICC over the sets (case × arm) that every reader with scores has scored.

    Args:
        scores: One criterion: columns reader, case, pair, arm, value.
    """
    wide = scores.pivot(index=["pair", "case", "arm"], columns="reader", values="value")
    readers, whole = wide.shape[1], wide.dropna()
    pairs = whole.index.get_level_values("pair").to_numpy()
    clusters = len(set(pairs))

    def neither(reason: str) -> ReaderAgreement:
        missing = not_estimable(reason, pairs=clusters, n=len(whole))
        return ReaderAgreement(missing, missing, readers)

    if readers < 2:
        return neither(ONE_READER if readers else "no scores")
    if clusters < MIN_PAIRS:
        return neither(
            f"all {readers} readers scored the same sets in {clusters} pairs of prompts, "
            f"{MIN_PAIRS} are needed"
        )
    values = whole.to_numpy(dtype=float)
    if np.ptp(values) == 0:
        return neither("all scores are equal")
    ids, pair = np.unique(pairs, return_inverse=True)
    counts = cluster_counts(len(ids), resamples=resamples, rng=np.random.default_rng(seed))
    once, draws = _icc(values, np.ones((1, len(values)))), _icc(values, counts[:, pair])
    estimates = []
    for k in range(2):
        limits = percentile_interval(draws[:, k], clusters=clusters)
        low, high = limits or (None, None)
        reason = "" if limits else "no interval: undefined in too many resamples"
        estimates.append(
            Estimate(float(once[0, k]), low, high, pairs=clusters, n=len(values), reason=reason)
        )
    return ReaderAgreement(estimates[0], estimates[1], readers)


def self_agreement(scores: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """ICC(A,1) between the first and the second time that readers scored the same sets.

    Args:
        scores: One criterion: columns reader, case, pair, arm, repeat (bool), value; each set that
            a reader scored twice. Every reader's sets count as sets of their own.
    """
    if scores.empty:
        return not_estimable("no set was scored twice")
    each = scores["arm"].astype(str) + " by " + scores["reader"].astype(str)
    twice = scores.assign(arm=each, reader=scores["repeat"])
    return intraclass(twice, resamples=resamples, seed=seed).single


def _icc(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """ICC(A,1) and ICC(A,k) of (targets, readers), targets standing as often as weights say.

    Shape (resamples, 2); NaN where all values of a resample are equal.
    """
    k = values.shape[1]
    values = values - values.mean()  # so that sums of squares don't cancel
    n = weights.sum(axis=1)
    grand = weights @ values.mean(axis=1) / n
    rows = k * (weights @ values.mean(axis=1) ** 2 - n * grand**2) / (n - 1)
    columns = weights @ values / n[:, None]
    between = n * ((columns - grand[:, None]) ** 2).sum(axis=1) / (k - 1)
    total = weights @ (values**2).sum(axis=1) - n * k * grand**2
    error = (total - rows * (n - 1) - between * (k - 1)) / ((n - 1) * (k - 1))
    shift = between - error
    with np.errstate(invalid="ignore", divide="ignore"):
        single = (rows - error) / (rows + (k - 1) * error + k * shift / n)
        average = (rows - error) / (rows + shift / n)
    icc = np.stack([single, average], axis=1)
    return np.where((total > 1e-12)[:, None] & np.isfinite(icc), icc, np.nan)


def kendall_w(ranks: np.ndarray) -> float:
    """Kendall's coefficient of concordance, corrected for ties.

    Args:
        ranks: Shape (readers, items), any values that order the items.

    Returns:
        0 to 1; NaN when every reader ties all items.
    """
    ranks = rankdata(ranks, axis=1)
    readers, items = ranks.shape
    spread = ((ranks.sum(axis=0) - ranks.sum() / items) ** 2).sum()
    ties = sum(
        (counts**3 - counts).sum()
        for counts in (np.unique(row, return_counts=True)[1] for row in ranks)
    )
    scale = readers**2 * (items**3 - items) - readers * ties
    return float(12 * spread / scale) if scale else float("nan")


def mean_kendall_w(rankings: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Mean of W over the cases that every reader ranked; chance alone gives 1 / readers.

    Args:
        rankings: Columns reader, case, pair, arm, rank.
    """
    readers = rankings["reader"].nunique()
    if readers < 2:
        return not_estimable(ONE_READER if readers else "no rankings")
    if rankings["arm"].nunique() < 2:
        return not_estimable("one arm: nothing to rank")
    wide = rankings.pivot(index=["pair", "case"], columns=["reader", "arm"], values="rank")
    # Every reader by every arm, in this order, so that a row reshapes to (readers, arms).
    whole = wide.reindex(columns=pd.MultiIndex.from_product(wide.columns.levels)).dropna()
    w = np.array([kendall_w(row.to_numpy().reshape(readers, -1)) for _, row in whole.iterrows()])
    pairs = whole.index.get_level_values("pair").to_numpy()[np.isfinite(w)]
    w, clusters = w[np.isfinite(w)], len(set(pairs))
    if clusters < MIN_PAIRS:
        return not_estimable(
            f"all {readers} readers ranked the same cases in {clusters} pairs of prompts, "
            f"{MIN_PAIRS} are needed",
            pairs=clusters,
            n=len(w),
        )
    ids, pair = np.unique(pairs, return_inverse=True)
    counts = cluster_counts(len(ids), resamples=resamples, rng=np.random.default_rng(seed))
    weights = counts[:, pair]
    limits = percentile_interval(weights @ w / weights.sum(axis=1), clusters=clusters)
    low, high = limits or (None, None)
    return Estimate(float(w.mean()), low, high, pairs=clusters, n=len(w))
