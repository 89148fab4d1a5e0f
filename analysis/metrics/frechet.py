"""Fréchet distance between two sets of features taken as Gaussian (Dowson & Landau 1982).

With fewer images than dimensions tr(ΣxΣy)^½ is the nuclear norm of a small matrix: for 10 against
10 images it takes a fraction of a millisecond where a matrix square root takes seconds, and is
exact where that errs. From few images the distance is mostly bias: report it with its n.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from analysis.metrics.features import as_features, both_features, in_blocks
from analysis.metrics.registry import metric

BLOCK = 4096


@dataclass(frozen=True)
class Moments:
    """Number of images, mean (d,) and covariance (d, d; ddof=1) of features."""

    n: int
    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, blocks: Iterable[np.ndarray]) -> Self:
        """Of features that come in blocks of shape (some, d), one in memory at a time.

        Raises:
            ValueError: fewer than 2 images in all.
        """
        n, centre = 0, None
        for block in blocks:
            block = as_features(block)
            if centre is None:
                # Sums are taken from here, so that little is lost to rounding.
                centre = block.mean(axis=0)
                total = np.zeros_like(centre)
                squares = np.zeros((len(centre), len(centre)))
            block = block - centre
            n += len(block)
            total += block.sum(axis=0)
            squares += block.T @ block
        if centre is None or n < 2:
            raise ValueError(f"This metric needs at least 2 images, not {n}.")
        mean = total / n
        return cls(n, centre + mean, (squares - n * np.outer(mean, mean)) / (n - 1))


@metric(
    key="frechet",
    name="Fréchet distance",
    scope="case",
    takes=("features", "real"),
    better="lower",
    low=0,
    least=2,
    floor=True,
    formula="Fréchet distance of a set from the pair's real images",
    bias="upwards by few images, so much that it may prefer a collapsed set: compare it with its "
    "floor only",
    source="Dowson & Landau 1982, doi 10.1016/0047-259X(82)90077-X",
)
def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """‖μx−μy‖² + tr(Σx + Σy − 2(ΣxΣy)^½), covariances with ddof=1.

    Args:
        x, y: Features of shapes (n, d) and (m, d), at least 2 images each.

    Returns:
        The squared distance, ≥ 0; 0 for equal means and covariances.
    """
    from scipy.linalg import svdvals  # pages that list metrics need no SciPy

    if min(len(x), len(y)) > np.shape(x)[1]:
        return frechet_of_moments(*(Moments.of(z[rows] for rows in in_blocks(len(z), BLOCK))
                                    for z in (x, y)))  # fmt: skip
    x, y = both_features(x, y, least=2)
    mean = x.mean(axis=0) - y.mean(axis=0)
    # Centred and scaled, so that Σ = cᵀc.
    cx = (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)
    cy = (y - y.mean(axis=0)) / np.sqrt(len(y) - 1)
    root = svdvals(cx @ cy.T, overwrite_a=True, check_finite=False).sum()
    return max(0.0, float(mean @ mean + (cx * cx).sum() + (cy * cy).sum() - 2 * root))


def frechet_of_moments(x: Moments, y: Moments) -> float:
    """As `frechet_distance`, where features are too many to be held: O(d³), whatever n."""
    if x.mean.shape != y.mean.shape:
        raise ValueError(f"Features of {len(x.mean)} and {len(y.mean)} dimensions don't compare.")
    mean = x.mean - y.mean
    traces = np.trace(x.covariance) + np.trace(y.covariance)
    root = _trace_of_root(x.covariance, y.covariance)
    return max(0.0, float(mean @ mean + traces - 2 * root))


def _trace_of_root(a: np.ndarray, b: np.ndarray) -> float:
    """tr(ab)^½ of two covariances: with a = LLᵀ, ab has the eigenvalues of LᵀbL."""
    from scipy.linalg import LinAlgError, cholesky, eigh, eigvalsh

    try:
        half = cholesky(a, lower=True)
    except LinAlgError:  # constant or collinear features: the symmetric root, rounding cut off
        values, vectors = eigh(a)
        half = vectors * np.sqrt(np.clip(values, 0, None))
    return float(np.sqrt(np.clip(eigvalsh(half.T @ b @ half), 0, None)).sum())
