"""Fidelity of Prompt to Polyp: how near generated sets lie to real images, higher is nearer."""

from collections.abc import Iterable

import numpy as np


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
