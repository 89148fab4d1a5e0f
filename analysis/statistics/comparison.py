"""Which of two metrics follows readers better? Tests of the difference, never of each alone.

Two p-values on both sides of 0.05 don't differ by that. Both metrics are judged by the same cases,
so under the null hypothesis their values may be exchanged.
"""

import numpy as np

from analysis.statistics import MIN_PAIRS
from analysis.statistics.correlation import Table, beyond_arm, bootstrap_r, demean, few
from analysis.statistics.estimate import Estimate, not_estimable, with_interval
from analysis.statistics.resampling import MIN_PERMUTATIONS, sign_flips, unit_counts
from analysis.statistics.within_case import hits_by_unit


def common(first: Table, second: Table) -> tuple[Table, Table]:
    """Both tables on the units that both have.

    Raises:
        ValueError: One has a value per case, the other one per pair, or their arms differ.
    """
    if first.arms != second.arms or set(first.kinds) != set(second.kinds):
        raise ValueError("both metrics need values of the same arms, and both by case or by pair")
    both = set(first.units) & set(second.units)
    return first.only(both), second.only(both)


def correlation_difference(
    first: Table, second: Table, *, signs: tuple[int, int] = (1, 1), resamples: int = 2000,
    seed: int = 0,
) -> Estimate:  # fmt: skip
    """How much better `first` correlates beyond prompt and arm than `second`.

    The permutation test of Deutsch, Dror & Roth (2021, doi 10.1162/tacl_a_00417) on standardised
    residuals, which are exchanged between the metrics for whole pairs of prompts. Their PERM-BOTH,
    which exchanges each arm of a pair on its own, finds too much: residuals of a prompt sum to 0
    over the arms, and with three arms 9 to 10 % of simulated tests were under 0.05.

    Args:
        signs: 1 or −1 for each metric: whether more or less of it should mean a higher score.
    """
    first, second = common(first, second)
    for data in (first, second):
        if (alone := beyond_arm(data, resamples=1)).value is None:
            return not_estimable(alone.reason, pairs=alone.pairs, n=alone.n)
    pairs = len(set(first.pairs))
    y = _standard(demean(first.scores))
    x = [s * _standard(demean(d.metric)) for s, d in zip(signs, (first, second), strict=True)]
    value = float(((x[0] - x[1]) * y).sum())
    draws = [
        s * bootstrap_r(d, resamples=resamples, rng=np.random.default_rng(seed))
        for s, d in zip(signs, (first, second), strict=True)
    ]
    _, block = np.unique(first.pairs, return_inverse=True)
    rng = np.random.default_rng([seed, 2])
    extreme = 0
    for some in np.array_split(np.arange(resamples), max(1, resamples * y.size // 10**6)):
        swap = rng.integers(0, 2, size=(len(some), pairs, 1)).astype(bool)[:, block]
        mixed = (np.where(swap, x[1], x[0]), np.where(swap, x[0], x[1]))
        r = [(_standard(demean(m)) * y).sum(axis=(1, 2)) for m in mixed]
        extreme += int((np.abs(r[0] - r[1]) >= abs(value) * (1 - 1e-9)).sum())
    return with_interval(
        value,
        draws[0] - draws[1],
        clusters=first.clusters,
        pairs=pairs,
        n=y.size,
        p=(1 + extreme) / (1 + resamples),
    )


def accuracy_difference(
    first: Table, second: Table, *, signs: tuple[int, int] = (1, 1), resamples: int = 2000,
    seed: int = 0,
) -> Estimate:  # fmt: skip
    """How many more two arms within a case `first` orders as readers do: difference of acc_eq.

    p by exchanging the two metrics for whole pairs of prompts. It speaks of these arms and readers.
    """
    first, second = common(first, second)
    pairs = len(set(first.pairs))
    if pairs < MIN_PAIRS or len(first.arms) < 2:
        reason = few(pairs) if len(first.arms) > 1 else "one arm: nothing to order"
        return not_estimable(reason, pairs=pairs, n=first.metric.size)
    hits = [hits_by_unit(d, sign=s) for s, d in zip(signs, (first, second), strict=True)]
    gain = hits[0] - hits[1]
    counts = unit_counts(first.pairs, resamples=resamples, rng=np.random.default_rng(seed))
    p = _flip_p(_sums(gain, first.pairs), resamples=resamples, seed=seed)
    return with_interval(
        gain.mean(),
        counts @ gain / counts.sum(axis=1),
        clusters=pairs,
        pairs=pairs,
        n=len(gain),
        p=p,
        missing="" if p is not None else "no p: too few pairs to exchange",
    )


def soft_pairwise_accuracy(
    data: Table, *, sign: int = 1, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Do metric and readers tell each two arms apart with the same confidence? 0 to 1.

    Thompson et al. (2024, doi 10.18653/v1/2024.wmt-1.118): the mean over two arms of
    1 − |p − p'|, where p and p' are one-sided p-values of the arms' difference by readers and by
    the metric, here by exchanging two arms for whole pairs of prompts. n counts two arms.
    """
    pairs, arms = len(set(data.pairs)), len(data.arms)
    i, j = np.triu_indices(arms, 1)
    if arms < 2 or pairs < MIN_PAIRS:
        return not_estimable(few(pairs) if arms > 1 else "one arm: nothing to order", pairs=pairs)
    flips = sign_flips(pairs, resamples=resamples, rng=np.random.default_rng(seed))
    confidence = []
    for values in (data.scores, sign * data.metric):
        sums = _sums(values[:, i] - values[:, j], data.pairs)
        sums = np.where(np.abs(sums) < 1e-9 * max(1e-9, np.abs(values).max()), 0, sums)
        by_chance = flips @ sums
        margin = 1e-9 * np.abs(sums).sum(axis=0)
        at_least = (by_chance >= sums.sum(axis=0) - margin).mean(axis=0)
        more = (by_chance > sums.sum(axis=0) + margin).mean(axis=0)
        confidence.append((at_least + more) / 2)  # of two arms alike: 0.5 either way round
    value = float(1 - np.abs(confidence[0] - confidence[1]).mean())
    reason = "no interval: the mean of few p-values of these arms"
    return Estimate(value, pairs=pairs, n=len(i), reason=reason)


def _standard(values: np.ndarray) -> np.ndarray:
    """Of unit length over the last two axes, so that a product's sum is a correlation."""
    return values / np.sqrt((values**2).sum(axis=(-2, -1), keepdims=True))


def _sums(values: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    ids, member = np.unique(pairs, return_inverse=True)
    return (member == np.arange(len(ids))[:, None]) @ values


def _flip_p(sums: np.ndarray, *, resamples: int, seed: int) -> float | None:
    """Two-sided p of a sum when the signs of its blocks are exchanged."""
    if 2 ** len(sums) < MIN_PERMUTATIONS:
        return None
    flips = sign_flips(len(sums), resamples=resamples, rng=np.random.default_rng([seed, 2]))
    return float((np.abs(flips @ sums) >= np.abs(sums.sum()) * (1 - 1e-9)).mean())
