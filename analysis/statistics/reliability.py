"""How much noise is in metric and scores, and what correlation would be left without it.

All of it beyond prompt and arm, as the claim is. Spearman (1904, doi 10.2307/1412159): noise
shrinks a correlation by the root of both reliabilities; dividing by it undoes that.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.statistics import MIN_PAIRS
from analysis.statistics.agreement import ONE_READER
from analysis.statistics.correlation import Table, beyond_arm, demean
from analysis.statistics.estimate import Estimate, few_pairs, not_estimable, with_interval
from analysis.statistics.resampling import unit_counts

MIN_RELIABILITY = 0.1


@dataclass(frozen=True)
class Reliability:
    """Share of the variance beyond prompt and arm that would come again, at most 1.

    Attributes:
        scores: Of the readers' mean: Cronbach's alpha over readers (their ICC(3,k)).
        metric: Split half over the images of each set, stepped up by Spearman–Brown.
        correlation: Beyond prompt and arm, without the noise of either; may exceed 1 by chance.
    """

    scores: Estimate
    metric: Estimate
    correlation: Estimate


def reliability(
    data: Table,
    scores: pd.DataFrame,
    halves: pd.DataFrame,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Reliability:
    """From the same resamples of pairs, so that the correlation's interval has all three in it.

    Args:
        data: Scores and metric, of `correlation.table`.
        scores: The scores of `data`: columns reader, case, pair, arm, value.
        halves: The metric on two halves of each set's images: columns pair, arm, split (one for
            each way to halve), half (0, 1), value; case too where the metric has a value per case.
    """
    level = "case" if "case" in halves else "pair"
    readers = _arrays(scores, ["reader"], data, level)
    split = _arrays(halves, ["split", "half"], data, level)
    given = np.isfinite(readers).all(axis=(0, 2)) & np.isfinite(split).all(axis=(0, 2))
    pairs, n = data.pairs[given], int(given.sum()) * len(data.arms)
    whole = data.only({u for u, keep in zip(data.units, given, strict=True) if keep})
    clusters = len(set(pairs))
    raw = beyond_arm(whole, resamples=1)
    if clusters < MIN_PAIRS or raw.value is None:
        reason = (
            few_pairs(clusters, " with every reader and both halves")
            if clusters < MIN_PAIRS
            else raw.reason
        )
        missing = not_estimable(reason, pairs=clusters, n=n)
        return Reliability(missing, missing, missing)
    counts = unit_counts(pairs, resamples=resamples, rng=np.random.default_rng(seed))
    weights = np.vstack([np.ones((1, len(pairs))), counts])
    of_metric = _split_half(demean(split[:, given]), weights)
    metric = _estimate(of_metric, "the halves of the sets don't agree at all", clusters, n)
    if len(readers) < 2:
        missing = not_estimable(ONE_READER, pairs=clusters, n=n)
        return Reliability(missing, metric, missing)
    of_scores = _cronbach(demean(readers[:, given]), weights)
    agreed = _estimate(of_scores, "readers don't agree beyond prompt and arm", clusters, n)
    weak = [e.value is None or e.value < MIN_RELIABILITY for e in (agreed, metric)]
    if any(weak):
        what = " and ".join(w for w, bad in zip(("scores", "metric"), weak, strict=True) if bad)
        reason = f"reliability of {what} under {MIN_RELIABILITY}: nothing to divide by"
        return Reliability(agreed, metric, not_estimable(reason, pairs=clusters, n=n))
    noise = of_scores * of_metric
    r = _correlations(demean(whole.metric), demean(whole.scores), weights)
    left = r / np.sqrt(np.where(noise > MIN_RELIABILITY**2, noise, np.nan))
    return Reliability(agreed, metric, _estimate(left, "a reliability is not above 0", clusters, n))


def _estimate(values: np.ndarray, reason: str, pairs: int, n: int) -> Estimate:
    if not np.isfinite(values[0]):
        return not_estimable(reason, pairs=pairs, n=n)
    return with_interval(values[0], values[1:], clusters=pairs, pairs=pairs, n=n)


def _arrays(frame: pd.DataFrame, by: list[str], data: Table, level: str) -> np.ndarray:
    """(each of by, units, arms) of the table, NaN where missing; scores of a pair are averaged."""
    mean = frame.groupby([*by, level, "arm"])["value"].mean().unstack("arm")
    mean = mean.reindex(columns=list(data.arms))
    each = sorted(set(frame[by].itertuples(index=False, name=None)))
    index = [(*key, unit) for key in each for unit in data.units]
    found = mean.reindex(pd.MultiIndex.from_tuples(index, names=[*by, level]))
    return found.to_numpy(dtype=float).reshape(len(each), len(data.units), len(data.arms))


def _moment(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted covariance of (units, arms) after prompt and arm: (resamples,)."""
    total = weights.sum(axis=1)
    product = weights @ (x * y).sum(axis=1) / total
    means = (weights @ x) * (weights @ y) / total[:, None] ** 2
    return product - means.sum(axis=1)


def _correlations(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    xx, yy = _moment(x, x, weights), _moment(y, y, weights)
    defined = (xx > 1e-12) & (yy > 1e-12)
    root = np.sqrt(np.where(defined, xx * yy, 1))
    return np.where(defined, _moment(x, y, weights) / root, np.nan)


def _cronbach(readers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    k, total = len(readers), readers.sum(axis=0)
    own = sum(_moment(r, r, weights) for r in readers)
    all_ = _moment(total, total, weights)
    return np.where(all_ > 1e-12, k / (k - 1) * (1 - own / np.where(all_ > 0, all_, 1)), np.nan)


def _split_half(halves: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean correlation of the two halves over all splits, stepped up to the whole set."""
    r = np.mean(
        [_correlations(a, b, weights) for a, b in zip(halves[::2], halves[1::2], strict=True)],
        axis=0,
    )
    return np.divide(2 * r, 1 + r, out=np.full_like(r, np.nan), where=r > -1)
