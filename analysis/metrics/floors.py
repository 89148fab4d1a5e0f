"""What chance gives: a metric's value for real against real images, at the same numbers of them."""

from collections.abc import Callable

import numpy as np

from analysis.metrics.features import as_features


def same_n_values(
    function: Callable[[np.ndarray, np.ndarray], float],
    x: np.ndarray,
    y: np.ndarray | None,
    *,
    n: int,
    m: int,
    seed: int,
    draws: int = 100,
) -> np.ndarray:
    """``function`` of n images of `x` and m of `y` over random draws, shape (draws,).

    With ``y=None`` both come, disjoint, from `x`: real against real, the floor that a perfect
    generator could reach at this n.

    Raises:
        ValueError: too few images.
    """
    x = as_features(x, least=n + (m if y is None else 0))
    y = None if y is None else as_features(y, least=m)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        order = rng.permutation(len(x))
        other = x[order[n : n + m]] if y is None else y[rng.permutation(len(y))[:m]]
        values.append(function(x[order[:n]], other))
    return np.array(values)
