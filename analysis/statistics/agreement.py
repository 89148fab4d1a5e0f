"""Agreement between readers: intraclass correlation and Kendall's W."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from analysis.statistics import MIN_PAIRS
from analysis.statistics.estimate import Estimate, few_pairs, not_estimable, with_interval
from analysis.statistics.resampling import unit_counts

ONE_READER = "one reader: agreement needs at least two"
# Shrout & Fleiss (1979, doi 10.1037/0033-2909.86.2.420): the model, then whose score is used.
FORMS = ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")


@dataclass(frozen=True)
class ReaderAgreement:
    """The six intraclass correlations, by their names in `FORMS`.

    1: other readers for each set; 2: all sets by the same readers, drawn from more (absolute
    agreement); 3: by these readers only (consistency). 1: of one reader's score; k: of the mean of
    the k readers, never given as less than −1. `n` counts the sets that all k readers scored.
    """

    forms: dict[str, Estimate]
    readers: int

    @property
    def single(self) -> Estimate:
        """ICC(A,1) of McGraw & Wong (1996): one reader's scores, absolute agreement."""
        return self.forms["2,1"]

    @property
    def average(self) -> Estimate:
        """ICC(A,k): the mean of the k readers' scores, absolute agreement."""
        return self.forms["2,k"]


def set_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Sets (pair, case, arm) in rows, readers in columns, NaN where a reader gave no score."""
    return scores.pivot(index=["pair", "case", "arm"], columns="reader", values="value")


def intraclass(scores: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> ReaderAgreement:
    """ICC over the sets (case × arm) that every reader with scores has scored.

    Args:
        scores: One criterion: columns reader, case, pair, arm, value.
    """
    wide = set_table(scores)
    readers, whole = wide.shape[1], wide.dropna()
    pairs = whole.index.get_level_values("pair")
    values = whole.to_numpy(dtype=float)
    if reason := why_no_agreement(readers, len(set(pairs)), values):
        missing = not_estimable(reason, pairs=len(set(pairs)), n=len(whole))
        return ReaderAgreement(dict.fromkeys(FORMS, missing), readers)
    counts = unit_counts(pairs, resamples=resamples, rng=np.random.default_rng(seed))
    once, draws = _icc(values, np.ones((1, len(values)))), _icc(values, counts)
    clusters = len(set(pairs))
    forms = [
        with_interval(
            once[0, i], draws[:, i], clusters=clusters, pairs=clusters, n=len(values), on_z=True
        )
        for i in range(3)
    ]
    forms += [_of_the_mean(single, readers) for single in forms]
    return ReaderAgreement(dict(zip(FORMS, forms, strict=True)), readers)


def _of_the_mean(single: Estimate, readers: int) -> Estimate:
    """The agreement of the readers' mean from that of one, limits too (Spearman–Brown)."""

    def stepped(r: float | None) -> float | None:
        if r is None:
            return None
        scale = 1 + (readers - 1) * r
        return max(-1.0, readers * r / scale) if scale > 0 else -1.0

    value, low, high = (stepped(v) for v in (single.value, single.low, single.high))
    return replace(single, value=value, low=low, high=high)


def why_no_agreement(readers: int, pairs: int, values: np.ndarray) -> str:
    """Why agreement can't be estimated from these scores; empty when it can."""
    if readers < 2:
        return ONE_READER if readers else "no scores"
    if pairs < MIN_PAIRS:
        return f"the {readers} readers scored the same sets in {few_pairs(pairs)}"
    return "all scores are equal" if np.nanmin(values) == np.nanmax(values) else ""


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
    """The three of one reader, of (targets, readers), targets standing as often as weights say.

    Shape (resamples, 3); NaN where all values of a resample are equal.
    """
    k = values.shape[1]
    values = values - values.mean()  # so that sums of squares don't cancel
    n = weights.sum(axis=1)
    grand = weights @ values.mean(axis=1) / n
    rows = k * (weights @ values.mean(axis=1) ** 2 - n * grand**2) / (n - 1)
    columns = weights @ values / n[:, None]
    between = n * ((columns - grand[:, None]) ** 2).sum(axis=1) / (k - 1)
    total = weights @ (values**2).sum(axis=1) - n * k * grand**2
    within = (total - rows * (n - 1)) / (n * (k - 1))
    error = (total - rows * (n - 1) - between * (k - 1)) / ((n - 1) * (k - 1))
    over = (rows - within, rows - error, rows - error)
    all_of = (
        rows + (k - 1) * within,
        rows + (k - 1) * error + k * (between - error) / n,
        rows + (k - 1) * error,
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        icc = np.stack(over, axis=1) / np.stack(all_of, axis=1)
    return np.where((total > 1e-12)[:, None] & np.isfinite(icc), icc, np.nan)


def kendall_w(ranks: np.ndarray) -> np.ndarray:
    """Kendall's coefficient of concordance, corrected for ties.

    Args:
        ranks: Shape (…, readers, items), any values that order the items.

    Returns:
        Shape (…): 0 to 1; NaN where every reader ties all items.
    """
    ranks = rankdata(ranks, axis=-1)
    readers, items = ranks.shape[-2:]
    sums = ranks.sum(axis=-2)
    spread = ((sums - sums.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    alike = (ranks[..., None] == ranks[..., None, :]).sum(axis=-1)
    ties = (alike**2 - 1).sum(axis=(-1, -2))  # of each group of t ties, t³ − t
    scale = readers**2 * (items**3 - items) - readers * ties
    with np.errstate(invalid="ignore"):
        return 12 * spread / scale


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
    w = kendall_w(whole.to_numpy().reshape(len(whole), readers, rankings["arm"].nunique()))
    pairs = whole.index.get_level_values("pair").to_numpy()[np.isfinite(w)]
    w, clusters = w[np.isfinite(w)], len(set(pairs))
    if clusters < MIN_PAIRS:
        return not_estimable(
            f"the {readers} readers ranked the same cases in {few_pairs(clusters)}",
            pairs=clusters,
            n=len(w),
        )
    counts = unit_counts(pairs, resamples=resamples, rng=np.random.default_rng(seed))
    draws = counts @ w / counts.sum(axis=1)
    return with_interval(w.mean(), draws, clusters=clusters, pairs=clusters, n=len(w))
