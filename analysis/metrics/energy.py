"""Energy distance (Székely & Rizzo 2013) as a U-statistic: an unbiased distance between sets.

Unlike the Fréchet distance it does not grow as sets shrink, so that single cases can be compared.
"""

import numpy as np

from analysis.metrics.features import both_features
from analysis.metrics.registry import metric


@metric(
    key="energy",
    name="Energy distance",
    scope="case",
    takes=("features", "real"),
    better="lower",
    least=2,
    floor=True,
    formula="unbiased energy distance of a set from the pair's real images; may be negative",
    bias="none: 0 on average for a perfect generator at any number of images",
    source="Székely & Rizzo 2013, doi 10.1016/j.jspi.2013.03.018",
)
def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """2·E‖X−Y‖ − E‖X−X′‖ − E‖Y−Y′‖, the inner means over distinct images.

    Unbiased: 0 on average for two samples of one distribution, so it may be negative.

    Args:
        x, y: Features of shapes (n, d) and (m, d), at least 2 images each.
    """
    from scipy.spatial.distance import cdist, pdist

    x, y = both_features(x, y, least=2)
    return float(2 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean())
