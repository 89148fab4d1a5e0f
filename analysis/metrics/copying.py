"""Copying: do generated images lie nearer to training images than held-out real ones do?

A distance alone says nothing, and an uncalibrated share of "too near" images is high for perfectly
independent data. So everything here is measured against real images that the generator never saw:
their nearest training images show what nearness chance gives. What is found is a reason to look at
the pairs; what is not found is no proof of privacy.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.metrics.features import both_features, euclidean, in_blocks
from analysis.metrics.pixel_views import hash_distances, tile_distances
from analysis.metrics.registry import Finding, metric

QUANTILE = 0.001  # of the held-out images' distances
EVIDENCE = 0.01  # p below which copying is said to be seen
SHOWN = 20  # pairs for human eyes
_DRAWS = 20
Distances = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Copying:
    """Distances from the nearest training image, and what they say.

    Attributes:
        distances, nearest: Of each generated image: to which training image (index), how far.
        held_out: The same distances of the held-out images, sorted.
        threshold: The 0.1 % quantile of `held_out`; its smallest for fewer than 1000 images.
        share: Generated images strictly below the threshold.
        expected: That share for images drawn as the held-out ones are.
        p: Chance of so large a share, exact, if generated images were drawn as held-out ones.
        near_copies: Generated images less than half as far as any held-out image is: one alone
            is evidence, which no share of few images could be.
        ratio: Median distance from the nearest training image over that from the nearest held-out
            image, from equally many of both; 1 without copying, whatever the images look like.
        z: Of the rank test of `distances` against `held_out` (as C_T, Meehan et al. 2020);
            far below 0: generated images hug the training set.
    """

    distances: np.ndarray
    nearest: np.ndarray
    held_out: np.ndarray
    threshold: float
    share: float
    expected: float
    p: float
    near_copies: int
    ratio: float
    z: float

    def top(self, count: int = SHOWN) -> list[dict[str, Any]]:
        """The nearest pairs, nearest first, each with the share of held-out images as near."""
        order = np.argsort(self.distances, kind="stable")[:count]
        return [
            {
                "generated": int(i),
                "training": int(self.nearest[i]),
                "distance": float(self.distances[i]),
                "held_out_as_near": float((self.held_out <= self.distances[i]).mean()),
            }
            for i in order
        ]

    def sentence(self) -> str:
        """What may be said: never that the images are private."""
        n, m = len(self.distances), len(self.held_out)
        if self.near_copies:
            return (
                f"Evidence of copying: {self.near_copies} of {n} generated images lie less than "
                f"half as far from a training image as any of {m} held-out images. Look at the "
                "nearest pairs."
            )
        than = "any" if self.threshold <= self.held_out[0] else "99.9 %"
        measured = (
            f"{round(self.share * n)} of {n} generated images lie nearer to a training image than "
            f"{than} of {m} held-out images (p = {self.p:.2g})"
        )
        if self.p < EVIDENCE:
            return f"Evidence of copying: {measured}. Look at the nearest pairs."
        return f"No evidence of copying: {measured}."


def find_copies(
    generated: np.ndarray,
    training: np.ndarray,
    held_out: np.ndarray,
    *,
    distances: Distances = euclidean,
) -> Copying:
    """Compare generated and held-out images with the training images: O(nkd), constant memory.

    Args:
        generated, training, held_out: Features of shapes (n, d), (k, d), (m, d). Held-out images
            must not be in the training set, nor be of the same patients.
        distances: From features of shapes (n, d) and (m, d) to distances of shape (n, m).

    Raises:
        ValueError: no training images, or fewer than 2 held-out ones.
    """
    if not len(training):
        raise ValueError(
            "Copying can't be told without the training images: register the data set that the "
            "generator was trained on."
        )
    if len(held_out) < 2:
        raise ValueError("Copying needs at least 2 held-out real images to compare with.")
    generated, training = both_features(generated, training)
    held_out, _ = both_features(held_out, training)
    near, which = nearest(generated, training, distances)
    free = np.sort(nearest(held_out, training, distances)[0])
    rank = max(1, math.ceil(QUANTILE * len(free)))  # of the threshold among the held-out
    threshold = float(free[rank - 1])
    count = int((near < threshold).sum())
    return Copying(
        distances=near,
        nearest=which,
        held_out=free,
        threshold=threshold,
        share=count / len(near),
        expected=rank / (len(free) + 1),
        p=_chance(count, len(near), len(free), rank),
        near_copies=int((near < free[0] / 2).sum()),
        ratio=_ratio(generated, training, held_out, distances),
        z=_rank_z(near, free),
    )


def nearest(x: np.ndarray, y: np.ndarray, distances: Distances) -> tuple[np.ndarray, np.ndarray]:
    """Of each row of `x` the distance of the nearest row of `y`, and its index."""
    found = np.empty(len(x))
    index = np.empty(len(x), dtype=int)
    for rows in in_blocks(len(x)):
        block = distances(x[rows], y)
        index[rows] = block.argmin(axis=1)
        found[rows] = block[np.arange(len(block)), index[rows]]
    return found, index


def _chance(count: int, n: int, m: int, rank: int) -> float:
    """P(at least `count` generated before the `rank`-th held-out image), all orders alike."""
    from scipy.stats import hypergeom

    if not count:
        return 1.0
    # So it is when at most rank − 1 of the first count + rank − 1 are held-out.
    return float(hypergeom.cdf(rank - 1, n + m, m, count + rank - 1))


def _ratio(
    generated: np.ndarray, training: np.ndarray, held_out: np.ndarray, distances: Distances
) -> float:
    """Median distance from training over held-out images, averaged over draws of equally many."""
    size = min(len(training), len(held_out))
    rng = np.random.default_rng(0)
    draws = [
        rng.permutation(len(training))[:size] for _ in range(_DRAWS if len(training) > size else 1)
    ]
    near = np.empty((len(draws), len(generated)))
    for rows in in_blocks(len(generated)):
        block = distances(generated[rows], training)
        near[:, rows] = [block[:, draw].min(axis=1) for draw in draws]
    free = np.median(nearest(generated, held_out[:size], distances)[0])
    return float(np.median(near, axis=1).mean() / free) if free > 0 else 1.0


def _rank_z(x: np.ndarray, y: np.ndarray) -> float:
    """Mann–Whitney's U of x against y in standard deviations, with ties."""
    from scipy.stats import rankdata

    n, m = len(x), len(y)
    ranks = rankdata(np.concatenate([x, y]))
    u = ranks[:n].sum() - n * (n + 1) / 2
    _, ties = np.unique(ranks, return_counts=True)
    total = n + m
    spread = n * m / 12 * (total + 1 - (ties**3 - ties).sum() / (total * (total - 1)))
    return float((u - n * m / 2) / math.sqrt(spread)) if spread > 0 else 0.0


def _finding(found: Copying) -> Finding:
    summary = {
        name: getattr(found, name)
        for name in ("threshold", "share", "expected", "p", "near_copies", "ratio", "z")
    }
    return Finding(found.share, rows=[summary | {"sentence": found.sentence()}, *found.top()])


_COMMON: Mapping[str, Any] = {
    "scope": "arm",
    "better": "lower",
    "low": 0,
    "high": 1,
    "source": "calibrated after Meehan et al. 2020, arXiv 2004.05675; asked in MediSyn",
}
_BIAS = (
    "held-out images of patients who are also in the training set hide copies; images smoother "
    "than real ones lie near to everything, which the ratio corrects"
)


@metric(
    name="Copied share, by features",
    takes=("features", "training", "held_out"),
    formula="share of generated images nearer to a training image than 99.9 % of held-out real "
    "images are",
    bias=_BIAS,
    **_COMMON,
)
def copying(generated: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> Finding:
    """`find_copies` by features; rows: the summary, then the nearest pairs."""
    return _finding(find_copies(generated, training, held_out))


@metric(
    name="Copied share, by pixels",
    takes=("tiles", "training_tiles", "held_out_tiles"),
    formula="the same by the largest difference among 16 tiles of the image at 32×32 pixels",
    bias=_BIAS + "; shifted, flipped or recoloured copies are not found",
    **_COMMON,
)
def copying_tiles(generated: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> Finding:
    """`find_copies` by `tile_distances`; rows: the summary, then the nearest pairs."""
    return _finding(find_copies(generated, training, held_out, distances=tile_distances))


@metric(
    name="Copied share, by perceptual hash",
    takes=("hashes", "training_hashes", "held_out_hashes"),
    formula="the same by the number of differing bits of a 256-bit perceptual hash",
    bias=_BIAS + "; flipped or cropped copies are not found",
    **_COMMON,
)
def copying_hashes(generated: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> Finding:
    """`find_copies` by `hash_distances`; rows: the summary, then the nearest pairs."""
    return _finding(find_copies(generated, training, held_out, distances=hash_distances))
