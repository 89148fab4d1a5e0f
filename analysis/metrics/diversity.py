"""Diversity of Prompt to Polyp: how much the images of one set differ."""

import numpy as np

from analysis.metrics.features import as_features, unit_rows
from analysis.metrics.registry import metric


@metric(
    name="Diversity",
    scope="set",
    takes=("features",),
    better="higher",
    low=0,
    high=2,
    least=2,
    formula="mean Euclidean distance between unit-length features within a set",
    bias="not by the number of images; noise and artefacts count as diversity",
    source="Prompt to Polyp",
)
def diversity(x: np.ndarray) -> float:
    """Mean Euclidean distance between L2-normalised features over pairs within the set, 0 to 2.

    Args:
        x: Features of shape (n, d), at least 2 images.
    """
    from scipy.spatial.distance import pdist  # pages that list metrics need no SciPy

    return float(pdist(unit_rows(as_features(x, least=2))).mean())
