"""Diversity of Prompt to Polyp: how much the images of one set differ."""

import numpy as np
from scipy.spatial.distance import pdist

from analysis.metrics.features import as_features, unit_rows


def diversity(x: np.ndarray) -> float:
    """Mean Euclidean distance between L2-normalised features over pairs within the set, 0 to 2.

    Args:
        x: Features of shape (n, d), at least 2 images.
    """
    return float(pdist(unit_rows(as_features(x, least=2))).mean())
