"""Fréchet BiomedCLIP distance: all generated against all real images, with what chance gives."""

import numpy as np

from analysis.metrics.features import as_features
from analysis.metrics.frechet import frechet_distance


def fbd(generated: np.ndarray, real: np.ndarray) -> float:
    """Fréchet distance of all generated from all real images of a study; biased upwards by n."""
    return frechet_distance(generated, real)


def same_n_distances(
    x: np.ndarray, y: np.ndarray | None, *, n: int, m: int, seed: int, draws: int = 100
) -> np.ndarray:
    """Fréchet distances of n images of `x` from m of `y` over random draws, shape (draws,).

    With ``y=None`` both come, disjoint, from `x`: real against real, the floor that a perfect
    generator could reach at this n.

    Raises:
        ValueError: too few images.
    """
    x = as_features(x, least=n + (m if y is None else 0))
    y = None if y is None else as_features(y, least=m)
    rng = np.random.default_rng(seed)
    distances = []
    for _ in range(draws):
        order = rng.permutation(len(x))
        other = x[order[n : n + m]] if y is None else y[rng.permutation(len(y))[:m]]
        distances.append(frechet_distance(x[order[:n]], other))
    return np.array(distances)
