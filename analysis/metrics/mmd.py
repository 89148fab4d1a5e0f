"""Maximum mean discrepancy (Gretton et al. 2012) as a U-statistic, with a Gaussian kernel.

Unbiased, as the energy distance is, and bounded: far outliers count no more than far ones.
"""

from collections.abc import Callable

import numpy as np

from analysis.metrics.features import both_features, squared_distances
from analysis.metrics.registry import metric

_SOURCE = "Gretton et al. 2012, JMLR 13:723; cf. CMMD, Jayasumana et al. 2024, arXiv 2401.09603"


def unbiased(x: np.ndarray, y: np.ndarray, kernel: Callable) -> float:
    """MMD² as a U-statistic: the means within a set leave out each image with itself.

    Args:
        kernel: From features of shapes (n, d) and (m, d) to (n, m).
    """
    n, m = len(x), len(y)
    xx, yy = kernel(x, x), kernel(y, y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * kernel(x, y).mean())


def gaussian_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """1000 · MMD² with the kernel exp(−d²/2σ²), σ the median distance between real images `y`.

    Args:
        x, y: Features of shapes (n, d) and (m, d), at least 2 images each.

    Returns:
        −2000 to 2000; 0 on average for two samples of one distribution.

    Raises:
        ValueError: also where most real images are alike, so that they give no scale.
    """
    x, y = both_features(x, y, least=2)
    pairs = squared_distances(y, y)[np.triu_indices(len(y), 1)]
    scale = float(np.median(pairs))
    if scale <= 1e-12 * max(1.0, float((y * y).sum(axis=1).mean())):
        raise ValueError("Most real images have the same features, so they give no scale.")
    return 1000 * unbiased(x, y, lambda a, b: np.exp(squared_distances(a, b) / (-2 * scale)))


@metric(
    name="MMD",
    scope="case",
    takes=("features", "real"),
    better="lower",
    low=-2000,
    high=2000,
    least=2,
    floor=True,
    formula="1000 times the unbiased squared maximum mean discrepancy of a set from the pair's "
    "real images, Gaussian kernel of their median distance; may be negative",
    bias="none by the number of images; with few real images the kernel's width is uncertain, "
    "so compare arms within a case rather than cases",
    source=_SOURCE,
)
def mmd(x: np.ndarray, y: np.ndarray) -> float:
    """`gaussian_mmd` of a set from its case's real images."""
    return gaussian_mmd(x, y)


@metric(
    name="MMD over the study",
    scope="arm",
    takes=("features", "real"),
    better="lower",
    low=-2000,
    high=2000,
    least=2,
    floor=True,
    formula="1000 times the unbiased squared maximum mean discrepancy of all generated from all "
    "real images, Gaussian kernel of the real images' median distance; may be negative",
    bias="none by the number of images",
    source=_SOURCE,
)
def mmd_study(x: np.ndarray, y: np.ndarray) -> float:
    """`gaussian_mmd` of all generated from all real images of the study."""
    return gaussian_mmd(x, y)
