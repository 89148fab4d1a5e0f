"""Kernel Inception distance (Bińkowski et al. 2018): MMD² with a cubic polynomial kernel."""

import math

import numpy as np

from analysis.metrics.features import both_features
from analysis.metrics.mmd import unbiased
from analysis.metrics.registry import metric

BLOCK = 1000


def polynomial_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(xᵀy/d + 1)³ of features of shapes (n, d) and (m, d), shape (n, m)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


@metric(
    name="KID",
    scope="arm",
    takes=("features", "real"),
    better="lower",
    least=2,
    floor=True,
    formula="unbiased squared maximum mean discrepancy with the kernel (xᵀy/d + 1)³ of all "
    "generated from all real images; may be negative; the published KID with Inception-v3",
    bias="none by the number of images; of its scale by the embedder, so compare it within one",
    source="Bińkowski et al. 2018, arXiv 1801.01401",
)
def kid(x: np.ndarray, y: np.ndarray, *, block: int = BLOCK) -> float:
    """Mean over disjoint blocks of at most `block` images of the unbiased MMD².

    Up to `block` images that is one U-statistic over all: the mean that random subsets, as other
    programs draw them, scatter about. Above, time grows linearly and memory not at all.

    Args:
        x, y: Features of shapes (n, d) and (m, d), at least 2 images each, in no special order.
    """
    x, y = both_features(x, y, least=2)
    blocks = min(math.ceil(max(len(x), len(y)) / block), len(x) // 2, len(y) // 2)
    parts = zip(np.array_split(x, blocks), np.array_split(y, blocks), strict=True)
    return float(np.mean([unbiased(a, b, polynomial_kernel) for a, b in parts]))
