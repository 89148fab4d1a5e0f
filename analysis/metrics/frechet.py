"""Fréchet distance between two sets of features taken as Gaussian (Dowson & Landau 1982).

With fewer images than dimensions tr(ΣxΣy)^½ is the nuclear norm of a small matrix: for 10 against
10 images it takes a fraction of a millisecond where a matrix square root takes seconds, and is
exact where that errs. From few images the distance is mostly bias: report it with its n.
"""

import numpy as np
from scipy.linalg import LinAlgError, cholesky, eigvalsh

from analysis.metrics.features import as_features


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """‖μx−μy‖² + tr(Σx + Σy − 2(ΣxΣy)^½), covariances with ddof=1.

    Args:
        x, y: Features of shapes (n, d) and (m, d), at least 2 images each.

    Returns:
        The squared distance, ≥ 0; 0 for equal means and covariances.
    """
    x, y = as_features(x, least=2), as_features(y, least=2)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"Features of {x.shape[1]} and {y.shape[1]} dimensions don't compare.")
    mean = x.mean(axis=0) - y.mean(axis=0)
    # Centred and scaled, so that Σ = cᵀc.
    cx = (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)
    cy = (y - y.mean(axis=0)) / np.sqrt(len(y) - 1)
    root = _trace_of_root(cx, cy)
    return max(0.0, float(mean @ mean + (cx * cx).sum() + (cy * cy).sum() - 2 * root))


def _trace_of_root(cx: np.ndarray, cy: np.ndarray) -> float:
    """tr(ΣxΣy)^½ with Σ = cᵀc."""
    if min(len(cx), len(cy)) > cx.shape[1]:
        try:  # Full rank: Σx = LLᵀ, and ΣxΣy has the eigenvalues of LᵀΣyL.
            half = cy @ cholesky(cx.T @ cx, lower=True)
            return float(np.sqrt(np.clip(eigvalsh(half.T @ half), 0, None)).sum())
        except LinAlgError:
            pass  # constant or collinear features: the way below needs no full rank
    return float(np.linalg.svd(cx @ cy.T, compute_uv=False).sum())
