"""Resampling by cluster, intervals for few clusters, permutation of pairs, and many tests."""

import math
from ast import literal_eval
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import norm, t

MIN_PERMUTATIONS = 100
MAX_ON_Z = 0.9999  # nearer to 1, z runs away


def cluster_counts(clusters: int, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each cluster stands in each resample: ints (resamples, clusters), read-only.

    Most statistics of a report ask with the same seed for the same draws, which are kept.
    """
    counts, after = _drawn(clusters, resamples, repr(rng.bit_generator.state))
    rng.bit_generator.state = after
    return counts


@lru_cache(maxsize=4)
def _drawn(clusters: int, resamples: int, state: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The draws of a generator in this state, and the state that they leave it in."""
    rng = np.random.default_rng()
    rng.bit_generator.state = literal_eval(state)
    counts = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    counts.flags.writeable = False
    return counts, dict(rng.bit_generator.state)


def unit_counts(pairs: Iterable, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """`cluster_counts` of pairs, given to each of their units: ints of shape (resamples, units)."""
    ids, member = np.unique(np.asarray(list(pairs)), return_inverse=True)
    return cluster_counts(len(ids), resamples=resamples, rng=rng)[:, member]


def percentile_interval(
    draws: np.ndarray, *, clusters: int, level: float = 0.95
) -> tuple[float, float] | None:
    """Bootstrap percentile interval, widened for few clusters.

    The plain one is too narrow by √((n−1)/n) and for using normal instead of t quantiles; the
    expanded percentiles of Hesterberg (2015, doi 10.1080/00031305.2015.1089789) undo both.

    Args:
        draws: Bootstrapped values, shape (resamples,); NaN where one was undefined.
        clusters: What was resampled (the smallest number, when several were).

    Returns:
        (low, high), or None when more than 5 % of the draws are undefined.
    """
    defined = draws[np.isfinite(draws)]
    if clusters < 2 or len(defined) < 0.95 * len(draws):
        return None
    wide = math.sqrt(clusters / (clusters - 1)) * t.ppf((1 + level) / 2, clusters - 1)
    low, high = np.quantile(defined, [norm.cdf(-wide), norm.cdf(wide)])
    return float(low), float(high)


def z_interval(value: float, draws: np.ndarray, *, clusters: int) -> tuple[float, float] | None:
    """95 % interval of a coefficient of at most 1: value ± t · bootstrap error, on Fisher's z.

    With ten pairs, percentiles of an agreement lie too low and hold the truth 89 % of the time;
    these hold it 93 % of the time (`benchmarks/claims.py`).

    Args:
        value, draws, clusters: As of `percentile_interval`.
    """
    defined = draws[np.isfinite(draws)]
    if clusters < 2 or len(defined) < 0.95 * len(draws):
        return None
    if not np.ptp(defined):
        return float(defined[0]), float(defined[0])
    centre, z = (np.arctanh(np.clip(v, -MAX_ON_Z, MAX_ON_Z)) for v in (value, defined))
    half = math.sqrt(clusters / (clusters - 1)) * t.ppf(0.975, clusters - 1) * z.std()
    low, high = np.tanh([centre - half, centre + half])
    return float(min(low, value)), float(max(high, value))


def pair_block_p(
    x: np.ndarray,
    y: np.ndarray,
    *,
    pairs: Iterable,
    shapes: Iterable,
    resamples: int,
    rng: np.random.Generator,
) -> float | None:
    """Two-sided permutation p of Σxy when whole pairs of `x` are exchanged.

    Exchanging whole pairs keeps what ties the cases of a pair together. Pairs are exchanged with
    pairs of the same shape only. With residuals after prompt and arm this is the p of their
    correlation, since exchanging rows changes neither means nor variances.

    Args:
        x, y: Residuals of shape (units, arms).
        pairs: The pair of each unit.
        shapes: What each unit is in its pair (original, rephrasing).

    Returns:
        p, never 0; None with fewer than `MIN_PERMUTATIONS` different permutations.
    """
    members: dict = {}
    for unit, (pair, shape) in enumerate(zip(pairs, shapes, strict=True)):
        members.setdefault(pair, []).append((shape, unit))
    groups: dict[tuple, list[list[int]]] = {}
    for units in members.values():
        ordered = sorted(units)
        groups.setdefault(tuple(s for s, _ in ordered), []).append([u for _, u in ordered])
    if math.prod(math.factorial(len(g)) for g in groups.values()) < MIN_PERMUTATIONS:
        return None
    permuted = np.zeros(resamples)
    for blocks in groups.values():
        n = len(blocks)
        gram = x[blocks].reshape(n, -1) @ y[blocks].reshape(n, -1).T
        order = rng.permuted(np.tile(np.arange(n), (resamples, 1)), axis=1)
        permuted += gram[order, np.arange(n)].sum(axis=1)
    observed = abs(float((x * y).sum()))
    # The margin counts permutations that equal the observed one but for rounding.
    extreme = int((np.abs(permuted) >= observed * (1 - 1e-9)).sum())
    return (1 + extreme) / (1 + resamples)


def sign_flips(blocks: int, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """±1 of shape (flips, blocks): each possible row once where they are few, else at random."""
    if 2**blocks <= resamples:
        return 1 - 2 * (np.arange(2**blocks)[:, None] >> np.arange(blocks) & 1)
    return np.vstack([np.ones(blocks, int), rng.choice([-1, 1], size=(resamples, blocks))])


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment. A p that is missing stays so but counts as a test."""
    adjusted: list[float | None] = [None] * len(ps)
    running = 0.0
    known = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    for rank, (p, i) in enumerate(known):
        running = max(running, min(1.0, (len(ps) - rank) * p))
        adjusted[i] = running
    return adjusted


def benjamini_hochberg(ps: Sequence[float | None]) -> list[float | None]:
    """Step-up adjustment that bounds the share of false findings among those under a level.

    For what was not named in advance (Benjamini & Hochberg 1995). A missing p counts as a test.
    """
    adjusted: list[float | None] = [None] * len(ps)
    running = 1.0
    known = sorted(((p, i) for i, p in enumerate(ps) if p is not None), reverse=True)
    for after, (p, i) in enumerate(known):
        # The ratio first: rounding then never takes an adjusted p below its own.
        running = min(running, p * (len(ps) / (len(known) - after)))
        adjusted[i] = running
    return adjusted
