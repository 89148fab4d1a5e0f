"""CLIP score (Hessel et al. 2021): how well an image fits its prompt, where texts are embedded."""

import numpy as np

from analysis.metrics.features import both_features, unit_rows
from analysis.metrics.registry import metric


@metric(
    name="CLIP score",
    scope="image",
    takes=("projected", "texts"),
    better="higher",
    low=-100,
    high=100,
    formula="100 times the cosine between an image and its prompt in the embedder's shared space",
    bias="not by the number of images; counts, places and negations hardly move it, and its scale "
    "is the embedder's own",
    source="Hessel et al. 2021, arXiv 2104.08718; without their factor 2.5 and cut at 0",
)
def clip_score(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """One value an image, −100 to 100, shape (n,).

    Args:
        images: In the shared space, shape (n, p), not normalised.
        texts: Of the prompt, shape (t, p); with several the mean over them.
    """
    images, texts = both_features(images, texts)
    return 100 * (unit_rows(images) @ unit_rows(texts).T).mean(axis=1)
