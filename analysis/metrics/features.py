"""What every metric does with features first."""

import numpy as np


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


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; a row of zeros stays zero."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1)
