"""One number with what it takes to read it."""

from dataclasses import dataclass

import numpy as np

from analysis.statistics import MIN_PAIRS
from analysis.statistics.resampling import percentile_interval, z_interval


@dataclass(frozen=True)
class Estimate:
    """A value, its interval and p where they exist, and the reason where they don't.

    Attributes:
        value: None when not estimable; never NaN.
        low, high: 95 % interval.
        p: Two-sided.
        pairs: Pairs of prompts that entered (the clusters).
        n: Cells, sets or scores that entered; the caller says which.
        reason: Why something is missing; empty when nothing is.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    pairs: int = 0
    n: int = 0
    reason: str = ""


def not_estimable(reason: str, *, pairs: int = 0, n: int = 0) -> Estimate:
    return Estimate(reason=reason, pairs=pairs, n=n)


def few_pairs(pairs: int, which: str = "") -> str:
    """Why nothing, or no interval, follows from fewer than `MIN_PAIRS` of what is resampled.

    That is a pair of prompts in a study; of ratings made elsewhere it may be a case by itself.
    """
    units = "pair or single case" if pairs == 1 else "pairs or single cases"
    return f"{pairs} {units}{which}, {MIN_PAIRS} are needed"


def with_interval(
    value: float,
    draws: np.ndarray,
    *,
    clusters: int,
    pairs: int,
    n: int,
    p: float | None = None,
    missing: str = "",
    on_z: bool = False,
) -> Estimate:
    """An estimate with the interval of its bootstrap draws.

    Args:
        draws: Shape (resamples,); NaN where undefined.
        clusters: What was resampled.
        missing: Why there is no p, when there should be one.
        on_z: For coefficients of agreement: `z_interval` instead of percentiles.
    """
    if on_z:
        limits = z_interval(value, draws, clusters=clusters)
    else:
        limits = percentile_interval(draws, clusters=clusters)
    reasons = [] if limits else ["no interval: undefined in too many resamples"]
    if missing:
        reasons.append(missing)
    low, high = limits or (None, None)
    return Estimate(float(value), low, high, p, pairs=pairs, n=n, reason="; ".join(reasons))
