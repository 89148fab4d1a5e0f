"""Energy distance (Székely & Rizzo 2013) as a U-statistic: an unbiased distance between sets.

Unlike the Fréchet distance it does not grow as sets shrink, so that single cases can be compared.
"""

import numpy as np
from scipy.spatial.distance import cdist, pdist

from analysis.metrics.features import as_features


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """2·E‖X−Y‖ − E‖X−X′‖ − E‖Y−Y′‖, the inner means over distinct images.

    Unbiased: 0 on average for two samples of one distribution, so it may be negative.

    Args:
        x, y: Features of shapes (n, d) and (m, d), at least 2 images each.
    """
    x, y = as_features(x, least=2), as_features(y, least=2)
    return float(2 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean())
