"""What every metric does with features first, and distances at constant memory."""

from collections.abc import Iterator

import numpy as np

ROWS = 1024  # of a distance matrix at once


def as_features(x: np.ndarray, *, least: int = 1) -> np.ndarray:
    """`x` as float64 of shape (n, d).

    Raises:
        ValueError: fewer than `least` rows, wrong shape, or numbers that are not finite.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(f"Features have the shape (images, dimensions), not {x.shape}.")
    if len(x) < least:
        raise ValueError(f"This metric needs at least {least} images, not {len(x)}.")
    if not np.isfinite(x).all():
        raise ValueError("Features hold values that are not finite.")
    return x


def both_features(x: np.ndarray, y: np.ndarray, *, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Both as features of the same number of dimensions; raises ValueError otherwise."""
    x, y = as_features(x, least=least), as_features(y, least=least)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"Features of {x.shape[1]} and {y.shape[1]} dimensions don't compare.")
    return x, y


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; a row of zeros stays zero."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1)


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, shape (n, m), by one matrix product.

    Rows are taken from their common mean, so that little is lost to rounding.
    """
    centre = y.mean(axis=0)
    x, y = x - centre, y - centre
    squares = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1) - 2 * (x @ y.T)
    return np.maximum(squares, 0, out=squares)


def euclidean(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distances, shape (n, m)."""
    return np.sqrt(squared_distances(x, y))


def in_blocks(n: int, size: int = ROWS) -> Iterator[slice]:
    """Slices that cover n rows, `size` at a time."""
    return (slice(start, start + size) for start in range(0, n, size))
