"""Fréchet BiomedCLIP distance of Prompt to Polyp: all generated against all real images."""

import numpy as np

from analysis.metrics.frechet import frechet_distance
from analysis.metrics.registry import metric


@metric(
    name="FBD",
    scope="arm",
    takes=("features", "real"),
    better="lower",
    low=0,
    least=2,
    floor=True,
    formula="Fréchet distance of all generated from all real images of the study",
    bias="upwards by few images: 400 against 400 still have a floor of about 440 at d = 768",
    source="Prompt to Polyp",
)
def fbd(generated: np.ndarray, real: np.ndarray) -> float:
    """Fréchet distance of all generated from all real images of a study; biased upwards by n."""
    return frechet_distance(generated, real)
