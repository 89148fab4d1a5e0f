"""Fidelity of Prompt to Polyp: how near generated sets lie to real images, higher is nearer."""

from collections.abc import Iterable, Sequence

import numpy as np

from analysis.metrics.frechet import frechet_distance
from analysis.metrics.registry import metric


def fidelity(distance: float) -> float:
    """1000 / (1 + d) for one Fréchet distance d ≥ 0."""
    return 1000 / (1 + distance)


def study_fidelity(distances: Iterable[Iterable[float]]) -> float:
    """The paper's figure for an arm: the mean over pairs of 1000 / (1 + the pair's mean distance).

    A mean of inverses, not the inverse of a mean.

    Args:
        distances: For each pair, the Fréchet distances of its sets from the pair's real images.
    """
    return float(np.mean([fidelity(float(np.mean(list(d)))) for d in distances]))


def _of_pairs(by_pair: Sequence[Sequence[float]]) -> float:
    """`study_fidelity` from the fidelities of the sets: their distances are averaged, not they."""
    return study_fidelity([1000 / value - 1 for value in values] for values in by_pair)


@metric(
    key="fidelity",
    name="Fidelity",
    scope="case",
    takes=("features", "real"),
    better="higher",
    low=0,
    high=1000,
    least=2,
    floor=True,
    pooled=_of_pairs,
    formula="mean over pairs of 1000 / (1 + the pair's mean Fréchet distance from its real images)",
    bias="that of the Fréchet distance, the other way round: downwards by few images",
    source="Prompt to Polyp",
)
def set_fidelity(x: np.ndarray, y: np.ndarray) -> float:
    """`fidelity` of one set's Fréchet distance from its real images."""
    return fidelity(frechet_distance(x, y))
