"""What repeats of one experiment under several seeds say of its mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t


@dataclass(frozen=True)
class Repeats:
    """``sd`` (ddof 1) and the 95 % interval are None with fewer than 2 values."""

    n: int
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None


def over_repeats(values: Sequence[float]) -> Repeats:
    """Mean, standard deviation and Student's 95 % interval of the mean.

    Takes the values as independent and normal: with three seeds the interval is wide (±2.5 sd),
    and rightly so.
    """
    n = len(values)
    if n < 2:
        return Repeats(n, mean=float(values[0]) if n else None)
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(t.ppf(0.975, n - 1)) * sd / n**0.5
    return Repeats(n, mean, sd, mean - half, mean + half)
