"""Downstream utility (MediSyn): what a classifier learns from synthetic, from real, from both.

The classifier is a ridge regression on the embedder's features with balanced classes, solved
exactly, so that hundreds of trainings take seconds; it tells what the features hold, not what a
network trained from pixels would reach.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from analysis.metrics.features import as_features
from analysis.metrics.registry import Finding, metric

FRACTIONS = (0.01, 0.1, 1.0)
SEEDS = 20
_PENALTIES = np.logspace(-3, 3, 7)  # times the mean squared length of a feature


@dataclass(frozen=True)
class Utility:
    """Balanced accuracy on real test images over trainings that differ in what was drawn.

    Attributes:
        trained_on: "synthetic", "real" or "both".
        fraction: Of the real training images; 0 for synthetic alone.
        n_synthetic, n_real: Images in a training.
        accuracy, low, high: Mean, and the range of 95 % of trainings; None where it can't be.
        reason: Why not.
    """

    trained_on: str
    fraction: float
    n_synthetic: int
    n_real: int
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def compare_training(
    synthetic: tuple[np.ndarray, np.ndarray],
    real: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    fractions: Sequence[float] = FRACTIONS,
    seeds: int = SEEDS,
) -> list[Utility]:
    """Train on synthetic, on shares of the real images, and on both; test on real images.

    A training draws its share of each class without putting back (of all, as many with putting
    back, so that trainings on everything vary too); synthetic images likewise.

    Args:
        synthetic, real, test: Features (n, d) with the class of each (n,), an integer. Classes
            that one of the three lacks are left out.

    Raises:
        ValueError: fewer than 2 classes that all three have.
    """
    classes = sorted(set.intersection(*(set(labels.tolist()) for _, labels in (synthetic, real,
                                                                               test))))  # fmt: skip
    if len(classes) < 2:
        raise ValueError(
            "Utility needs at least 2 classes of images that the arm, its training data and the "
            f"study's real images all have, not {len(classes)}."
        )
    synthetic, real, test = (_only(classes, *part) for part in (synthetic, real, test))
    return [
        _trained(trained_on, fraction, synthetic, real, test, len(classes), seeds)
        for trained_on, fraction in (
            ("synthetic", 0.0),
            *(("real", f) for f in fractions),
            *(("both", f) for f in fractions),
        )
    ]


def _only(
    classes: list[int], features: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Images of these classes, numbered from 0."""
    kept = np.isin(labels, classes)
    return as_features(features)[kept], np.searchsorted(classes, labels[kept])


def _trained(trained_on, fraction, synthetic, real, test, classes, seeds) -> Utility:  # type: ignore[no-untyped-def]
    least = min(np.bincount(real[1], minlength=classes))
    n_synthetic = len(synthetic[1]) if trained_on != "real" else 0
    if fraction and fraction * least < 0.5:
        n_real = round(fraction * len(real[1]))
        reason = f"{fraction:.0%} of {least} images of the rarest class is less than one image"
        return Utility(trained_on, fraction, n_synthetic, n_real, reason=reason)
    accuracies, n_real = [], 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        rows = list(_draw(real[1], fraction, rng)) if fraction else []
        n_real = len(rows)
        x, y = [real[0][rows]], [real[1][rows]]
        if n_synthetic:
            drawn = list(_draw(synthetic[1], 1.0, rng))
            x.append(synthetic[0][drawn])
            y.append(synthetic[1][drawn])
        guessed = classify(np.concatenate(x), np.concatenate(y), test[0])
        accuracies.append(balanced_accuracy(guessed, test[1]))
    low, high = np.quantile(accuracies, [0.025, 0.975])
    return Utility(
        trained_on, fraction, n_synthetic, n_real,
        float(np.mean(accuracies)), float(low), float(high),
    )  # fmt: skip


def _draw(labels: np.ndarray, fraction: float, rng: np.random.Generator) -> Iterator[int]:
    """Rows of a training: the share of each class."""
    for c in np.unique(labels):
        rows = np.flatnonzero(labels == c)
        count = max(1, round(fraction * len(rows)))
        yield from rng.choice(rows, count, replace=fraction == 1)


def balanced_accuracy(guessed: np.ndarray, labels: np.ndarray) -> float:
    """Mean over classes of the share that was recognised, 0 to 1; chance is 1 / classes."""
    return float(np.mean([(guessed[labels == c] == c).mean() for c in np.unique(labels)]))


def classify(x: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Classes (m,) of `test` (m, d) by ridge regression on `x` (n, d); penalty by leave-one-out.

    O(n²d + n³): one decomposition serves all penalties and all classes.
    """
    classes, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = np.sqrt(len(labels) / (len(classes) * counts))[index][:, None]  # balanced
    centre = (x * weights**2).sum(axis=0) / (weights**2).sum()
    targets = weights * (2.0 * (index[:, None] == np.arange(len(classes))) - 1)
    # A column of ones, weighted as the images are, takes the place of an intercept.
    scale = np.sqrt(((x - centre) ** 2).mean()) or 1.0
    rows = np.hstack([(x - centre) / scale, np.ones((len(x), 1))]) * weights
    others = np.hstack([(test - centre) / scale, np.ones((len(test), 1))])
    values, vectors = np.linalg.eigh(rows @ rows.T)
    projected = vectors.T @ targets
    best, chosen = np.inf, np.zeros_like(targets)
    for penalty in _PENALTIES * max(float(values.mean()), 1e-12):
        inverse = 1 / (np.clip(values, 0, None) + penalty)
        dual = vectors @ (inverse[:, None] * projected)
        diagonal = (vectors**2) @ inverse
        error = float(((dual / diagonal[:, None]) ** 2).sum())  # leave-one-out, in closed form
        if error < best:
            best, chosen = error, dual
    return classes[(others @ (rows.T @ chosen)).argmax(axis=1)]


@metric(
    name="Downstream utility",
    scope="arm",
    takes=(
        "features", "labels", "training", "training_labels", "held_out", "held_out_labels",
    ),
    better="higher",
    low=0,
    high=1,
    formula="balanced accuracy on the study's real images of a classifier of prompts trained on "
    "the arm's images alone, on features; beside it trained on 1, 10 and 100 % of the real "
    "training images, and on both",
    bias="classes with few test images make it coarse; trained on features, not pixels",
    source="MediSyn; after Ravuri & Vinyals 2019, arXiv 1905.10887",
)  # fmt: skip
def utility(
    features: np.ndarray,
    labels: np.ndarray,
    training: np.ndarray,
    training_labels: np.ndarray,
    real: np.ndarray,
    real_labels: np.ndarray,
) -> Finding:
    """`compare_training`; rows: one a training set. Labels below 0 are left out."""
    if not len(training):
        raise ValueError(
            "Utility needs the training images: register the data set that the generator was "
            "trained on."
        )
    parts = [
        (x[labels >= 0], labels[labels >= 0])
        for x, labels in ((features, labels), (training, training_labels), (real, real_labels))
    ]
    rows = compare_training(*parts)
    alone = rows[0]
    if alone.accuracy is None:
        raise ValueError(alone.reason)
    return Finding(alone.accuracy, alone.low, alone.high, rows=[asdict(row) for row in rows])
