"""Agreement of Prompt to Polyp: do a prompt and its rephrasing give alike images?"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from analysis.metrics.features import as_features, unit_rows
from analysis.metrics.registry import metric


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Mean cosine over all cross-pairs of the two sets, −1 to 1; higher is more alike.

    Equal to the dot product of the two mean unit vectors: O(nd).

    Args:
        a, b: Features of shapes (n, d) and (m, d).
    """
    a, b = unit_rows(as_features(a)), unit_rows(as_features(b))
    return float(a.mean(axis=0) @ b.mean(axis=0))


@metric(
    key="agreement",
    name="Agreement",
    scope="pair",
    takes=("sets",),
    better="higher",
    low=-1,
    high=1,
    formula="mean cosine between all images of a prompt and all images of its rephrasing",
    bias="not by the number of images; a collapsed generator, which always draws the same, "
    "gets 1, so read it beside Diversity",
    source="Prompt to Polyp",
)
def pair_agreement(sets: Sequence[np.ndarray]) -> float:
    """Mean `agreement` over the sets of a prompt and its rephrasings, two by two.

    Raises:
        ValueError: the prompt has no rephrasing.
    """
    if len(sets) < 2:
        raise ValueError("Some prompts have no rephrasing in the study.")
    return float(np.mean([agreement(a, b) for a, b in combinations(sets, 2)]))
