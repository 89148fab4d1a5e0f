"""Agreement of Prompt to Polyp: do a prompt and its rephrasing give alike images?"""

import numpy as np

from analysis.metrics.features import as_features, unit_rows


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Mean cosine over all cross-pairs of the two sets, −1 to 1; higher is more alike.

    Equal to the dot product of the two mean unit vectors: O(nd).

    Args:
        a, b: Features of shapes (n, d) and (m, d).
    """
    a, b = unit_rows(as_features(a)), unit_rows(as_features(b))
    return float(a.mean(axis=0) @ b.mean(axis=0))
