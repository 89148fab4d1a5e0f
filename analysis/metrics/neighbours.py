"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

An image lies *within* a set where it is no farther from one of the set's images than that image's
k-th nearest neighbour in the set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.metrics.features import both_features, in_blocks, squared_distances
from analysis.metrics.registry import metric

NEIGHBOURS = 5


@dataclass(frozen=True)
class Manifold:
    """The four shares of one comparison."""

    precision: float
    recall: float
    density: float
    coverage: float


def compare_manifolds(x: np.ndarray, y: np.ndarray, *, k: int = NEIGHBOURS) -> Manifold:
    """Generated features `x` against real ones `y`, at O(n + m) memory.

    Args:
        x, y: Features of shapes (n, d) and (m, d), more than `k` images each.
    """
    x, y = both_features(x, y, least=k + 1)
    around_x, around_y = _radii(x, k), _radii(y, k)
    balls = np.zeros(len(x))  # real balls that hold a generated image
    reached = np.zeros(len(y), dtype=bool)  # real images within a generated ball
    covered = np.zeros(len(y), dtype=bool)  # real balls that hold a generated image
    for rows in in_blocks(len(x)):
        squares = squared_distances(x[rows], y)
        inside = squares <= around_y
        balls[rows] = inside.sum(axis=1)
        covered |= inside.any(axis=0)
        reached |= (squares <= around_x[rows, None]).any(axis=0)
    return Manifold(
        precision=float((balls > 0).mean()),
        recall=float(reached.mean()),
        density=float(balls.mean() / k),
        coverage=float(covered.mean()),
    )


def _radii(x: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each image from its k-th nearest other, shape (n,)."""
    radii = np.empty(len(x))
    for rows in in_blocks(len(x)):
        squares = squared_distances(x[rows], x)
        squares[np.arange(len(squares)), np.arange(len(x))[rows]] = -1  # itself comes first
        radii[rows] = np.partition(squares, k, axis=1)[:, k]
    return radii


_COMMON: Mapping[str, Any] = {
    "scope": "arm",
    "takes": ("features", "real"),
    "better": "higher",
    "low": 0,
    "least": NEIGHBOURS + 1,
    "floor": True,
}


@metric(
    name="Precision",
    high=1,
    formula=f"share of generated images within the real ones, {NEIGHBOURS} neighbours",
    bias="grows with the spread of the real images: one outlier's ball may hold everything",
    source="Kynkäänniemi et al. 2019, arXiv 1904.06991",
    **_COMMON,
)
def precision(x: np.ndarray, y: np.ndarray) -> float:
    """Share of generated images within the real ones, 0 to 1."""
    return compare_manifolds(x, y).precision


@metric(
    name="Recall",
    high=1,
    formula=f"share of real images within the generated ones, {NEIGHBOURS} neighbours",
    bias="grows with scattered or noisy generated images, whose balls are large",
    source="Kynkäänniemi et al. 2019, arXiv 1904.06991",
    **_COMMON,
)
def recall(x: np.ndarray, y: np.ndarray) -> float:
    """Share of real images within the generated ones, 0 to 1."""
    return compare_manifolds(x, y).recall


@metric(
    name="Density",
    formula="number of real images in whose neighbourhood a generated one lies, over "
    f"{NEIGHBOURS}; 1 on average for a perfect generator",
    bias="a collapsed generator in a dense place may exceed 1",
    source="Naeem et al. 2020, arXiv 2002.09797",
    **_COMMON,
)
def density(x: np.ndarray, y: np.ndarray) -> float:
    """Mean number of real balls around a generated image, over k; 0 or more."""
    return compare_manifolds(x, y).density


@metric(
    name="Coverage",
    high=1,
    formula="share of real images with a generated one in their neighbourhood of "
    f"{NEIGHBOURS} real ones",
    bias="grows with the number of generated images: compare at the same n, as the floor is",
    source="Naeem et al. 2020, arXiv 2002.09797",
    **_COMMON,
)
def coverage(x: np.ndarray, y: np.ndarray) -> float:
    """Share of real images whose ball holds a generated one, 0 to 1."""
    return compare_manifolds(x, y).coverage
