"""Does a metric order the arms of a case as readers do? For these arms; what arms do counts too.

Pairwise accuracy with ties is acc_eq of Deutsch, Foster & Freitag (2023,
doi 10.18653/v1/2023.emnlp-main.798): the share of pairs of arms that metric and readers both
put in the same order or both call a tie. A metric calls a tie below a threshold, which is chosen
for some pairs of prompts on all others, so that it isn't fitted to what it is judged by.
"""

from dataclasses import dataclass

import numpy as np

from analysis.statistics.correlation import Table, why_not
from analysis.statistics.estimate import Estimate, not_estimable, with_interval
from analysis.statistics.resampling import unit_counts

FOLDS = 20


@dataclass(frozen=True)
class PairwiseAccuracy:
    """`accuracy` with n pairs of arms; see `accuracy_by_chance`.

    Attributes:
        threshold: Metric values nearer than this count as tied; chosen on all pairs of prompts.
        ties: Share of pairs of arms that readers tied, 0 to 1.
    """

    accuracy: Estimate
    threshold: float | None
    ties: float | None


def accuracy_by_chance(ties: float) -> float:
    """What a metric that sees nothing reaches: by calling all arms tied, or by guessing each order.

    Args:
        ties: Share of pairs of arms that readers tied, 0 to 1.
    """
    return max(ties, (1 - ties) / 2)


def pairwise_accuracy(
    data: Table, *, sign: int = 1, resamples: int = 2000, seed: int = 0
) -> PairwiseAccuracy:
    """Acc_eq over all two arms within a case, with a pair-cluster bootstrap interval.

    Args:
        sign: 1 where more of the metric should mean a higher score, −1 where less should.
    """
    pairs = len(set(data.pairs))
    if reason := why_not(data, pairs):
        missing = not_estimable(reason, pairs=pairs, n=data.metric.size)
        return PairwiseAccuracy(missing, None, None)
    said, human = _differences(sign * data.metric), _order(data.scores)
    called = cross_fitted_order(said, human, data.pairs)
    drawn = _order(data.resampled)
    unread = np.isnan(drawn).any(axis=2)  # a resample of readers may leave a unit unread
    hits = np.where(unread, np.nan, (called == drawn).mean(axis=2))
    value = float((called == human).mean())
    accuracy = with_interval(
        value,
        weighted_mean(hits, data, resamples=resamples, seed=seed),
        clusters=data.clusters,
        pairs=pairs,
        n=human.size,
    )
    return PairwiseAccuracy(accuracy, best_threshold(said, human), float((human == 0).mean()))


def within_case_tau(
    data: Table, *, sign: int = 1, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Mean over cases of Kendall's τ_b between metric and score over the arms.

    Cases in which one of them ties all arms have no τ and don't enter; n counts the others.

    Args:
        sign: 1 where more of the metric should mean a higher score, −1 where less should.
    """
    pairs = len(set(data.pairs))
    if reason := why_not(data, pairs):
        return not_estimable(reason, pairs=pairs, n=len(data.units))
    said, human = np.sign(_differences(sign * data.metric)), _order(data.scores)
    tau = _tau(said, human)
    given = np.isfinite(tau)
    if not given.any():
        return not_estimable("every case is tied throughout", pairs=pairs, n=0)
    draws = weighted_mean(_tau(said, _order(data.resampled)), data, resamples=resamples, seed=seed)
    return with_interval(
        tau[given].mean(),
        draws,
        clusters=data.clusters,
        pairs=len(set(data.pairs[given])),
        n=int(given.sum()),
    )


def hits_by_unit(data: Table, *, sign: int = 1) -> np.ndarray:
    """Per unit the share of two arms that metric and readers order alike: shape (units,)."""
    said, human = _differences(sign * data.metric), _order(data.scores)
    return (cross_fitted_order(said, human, data.pairs) == human).mean(axis=1)


def cross_fitted_order(said: np.ndarray, human: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The metric's order of each two arms (−1, 0, 1), its ties chosen on other pairs of prompts.

    Args:
        said: Differences of the metric (units, two arms).
        human: The readers' order of them.
        pairs: The pair of each unit.
    """
    called = np.empty(said.shape, dtype=int)
    fold = np.unique(pairs, return_inverse=True)[1] % FOLDS
    for part in range(fold.max() + 1):
        own = fold == part
        tied = np.abs(said[own]) <= best_threshold(said[~own], human[~own])
        called[own] = np.where(tied, 0, np.sign(said[own]))
    return called


def best_threshold(said: np.ndarray, human: np.ndarray) -> float:
    """The least threshold at or below which differences count as ties with most hits."""
    size, order = np.abs(said).ravel(), np.argsort(np.abs(said), axis=None)
    size, gain = size[order], _gain(said, human).ravel()[order].cumsum()
    last = np.r_[size[1:] > size[:-1], True]  # equal differences are tied together
    # Nothing beyond exact ties: threshold 0.
    exact = gain[size == 0][-1] if (size == 0).any() else 0
    best = int(np.argmax(np.where(last, gain, -np.inf)))
    return float(size[best]) if gain[best] > exact else 0.0


def weighted_mean(values: np.ndarray, data: Table, *, resamples: int, seed: int) -> np.ndarray:
    """Bootstrap of the mean over units, pairs as wholes; readers are in `values` already.

    Args:
        values: Shape (1 or resamples, units); NaN where there is none.
    """
    counts = unit_counts(data.pairs, resamples=resamples, rng=np.random.default_rng(seed))
    given = np.isfinite(values)
    total = (counts * np.where(given, values, 0)).sum(axis=1)
    weight = (counts * given).sum(axis=1)
    return np.divide(total, weight, out=np.full(len(counts), np.nan), where=weight > 0)


def _differences(values: np.ndarray) -> np.ndarray:
    """Of each two arms, 0 where only rounding tells them apart: (…, two arms)."""
    i, j = np.triu_indices(values.shape[-1], 1)
    apart = values[..., i] - values[..., j]
    return np.where(np.abs(apart) <= 1e-9 * np.nanmax(np.abs(values)), 0, apart)


def _order(scores: np.ndarray) -> np.ndarray:
    return np.sign(_differences(scores))


def _gain(said: np.ndarray, human: np.ndarray) -> np.ndarray:
    """Hits won by calling each a tie, instead of its order."""
    return (human == 0).astype(int) - ((np.sign(said) == human) & (human != 0))


def _tau(said: np.ndarray, human: np.ndarray) -> np.ndarray:
    scale = np.sqrt((said != 0).sum(axis=-1) * (human != 0).sum(axis=-1))
    concordance = (said * human).sum(axis=-1)
    return np.divide(concordance, scale, out=np.full(scale.shape, np.nan), where=scale > 0)
