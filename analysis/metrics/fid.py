"""Fréchet Inception distance (Heusel et al. 2017): the Fréchet distance on Inception-v3's features.

Only those of the weights and layers of the published one bear the name: the embedder
``inception-v3``.
"""

import numpy as np

from analysis.metrics.frechet import frechet_distance
from analysis.metrics.registry import metric


@metric(
    name="FID",
    scope="arm",
    takes=("features", "real"),
    better="lower",
    low=0,
    least=2,
    floor=True,
    embedder="inception-v3",
    formula="Fréchet distance of all generated from all real images in Inception-v3's features",
    bias="upwards by few images: below some 10,000 it can't be compared with published values",
    source="Heusel et al. 2017, arXiv 1706.08500",
)
def fid(generated: np.ndarray, real: np.ndarray) -> float:
    """Fréchet distance of Inception-v3 features of shapes (n, 2048) and (m, 2048)."""
    return frechet_distance(generated, real)
