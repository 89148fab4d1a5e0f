"""Downstream utility (MediSyn): what a classifier learns from synthetic, from real, from both.

The classifier is a ridge regression on the embedder's features with balanced classes, solved
exactly, and all trainings share one matrix of products, so that hundreds take seconds; it tells
what the features hold, not what a network trained from pixels would reach.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from analysis.metrics.features import as_features
from analysis.metrics.registry import Finding, metric

FRACTIONS = (0.01, 0.1, 1.0)
SEEDS = 20
_PENALTIES = np.logspace(-3, 3, 7)  # times the mean of the kernel's diagonal


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
    parts = [_only(classes, *part) for part in (synthetic, real, test)]
    images = _Images(
        kernel_of(np.concatenate([features for features, _ in parts])),
        np.concatenate([labels for _, labels in parts]),
        *np.split(
            np.arange(sum(len(labels) for _, labels in parts)),
            np.cumsum([len(labels) for _, labels in parts])[:2],
        ),
    )
    return [
        _trained(trained_on, fraction, images, seeds)
        for trained_on, fraction in (
            ("synthetic", 0.0),
            *(("real", f) for f in fractions),
            *(("both", f) for f in fractions),
        )
    ]


@dataclass(frozen=True)
class _Images:
    """All images: products of their features (n, n), classes from 0 (n,), and who is where."""

    kernel: np.ndarray
    labels: np.ndarray
    synthetic: np.ndarray
    real: np.ndarray
    test: np.ndarray


def _only(
    classes: list[int], features: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Images of these classes, numbered from 0."""
    kept = np.isin(labels, classes)
    return as_features(features)[kept], np.searchsorted(classes, labels[kept])


def _trained(trained_on: str, fraction: float, images: _Images, seeds: int) -> Utility:
    """One row: as many trainings as seeds, the penalty chosen in the first."""
    labels = images.labels
    rarest = min(np.bincount(labels[images.real]))
    n_synthetic = len(images.synthetic) if trained_on != "real" else 0
    if fraction and fraction * rarest < 0.5:
        n_real = round(fraction * len(images.real))
        reason = f"{fraction:.0%} of {rarest} images of the rarest class is less than one image"
        return Utility(trained_on, fraction, n_synthetic, n_real, reason=reason)
    accuracies, n_real, penalty = [], 0, None
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        drawn = list(_draw(labels, images.real, fraction, rng)) if fraction else []
        n_real = len(drawn)
        if n_synthetic:
            drawn += _draw(labels, images.synthetic, 1.0, rng)
        rows = np.array(drawn)
        coefficients, penalty = fit(images.kernel[np.ix_(rows, rows)], labels[rows], penalty)
        guessed = (images.kernel[np.ix_(images.test, rows)] @ coefficients).argmax(axis=1)
        accuracies.append(balanced_accuracy(guessed, labels[images.test]))
    low, high = np.quantile(accuracies, [0.025, 0.975])
    return Utility(
        trained_on, fraction, n_synthetic, n_real,
        float(np.mean(accuracies)), float(low), float(high),
    )  # fmt: skip


def _draw(
    labels: np.ndarray, images: np.ndarray, fraction: float, rng: np.random.Generator
) -> Iterator[int]:
    """Of these images those of a training: the share of each class."""
    for c in np.unique(labels[images]):
        own = images[labels[images] == c]
        yield from rng.choice(own, max(1, round(fraction * len(own))), replace=fraction == 1)


def balanced_accuracy(guessed: np.ndarray, labels: np.ndarray) -> float:
    """Mean over classes of the share that was recognised, 0 to 1; chance is 1 / classes."""
    return float(np.mean([(guessed[labels == c] == c).mean() for c in np.unique(labels)]))


def kernel_of(x: np.ndarray) -> np.ndarray:
    """Products of features (n, d), centred and scaled, with 1 added for an intercept: (n, n)."""
    x = x - x.mean(axis=0)
    scale = (x * x).mean() or 1.0
    return x @ x.T / scale + 1


def fit(
    kernel: np.ndarray, labels: np.ndarray, penalty: float | None = None
) -> tuple[np.ndarray, float]:
    """Ridge regression on ±1 with balanced classes, in its dual form.

    Args:
        kernel: Products of the images, shape (n, n).
        labels: Classes from 0, shape (n,).
        penalty: Over the mean of the diagonal; None chooses it by leave-one-out.

    Returns:
        Coefficients (n, classes), by which products with other images give scores, and the penalty.
    """
    from scipy.linalg import cho_factor, cho_solve

    counts = np.bincount(labels)
    weights = np.sqrt(len(labels) / ((counts > 0).sum() * counts[labels]))[:, None]
    targets = weights * (2.0 * (labels[:, None] == np.arange(len(counts))) - 1)
    weighted = kernel * (weights @ weights.T)
    unit = float(np.trace(weighted)) / len(labels)
    if penalty is None:
        penalty = _best_penalty(weighted, targets, unit)
    weighted[np.diag_indices_from(weighted)] += penalty * unit
    dual = cho_solve(cho_factor(weighted, overwrite_a=True), targets)
    return weights * dual, penalty


def _best_penalty(kernel: np.ndarray, targets: np.ndarray, unit: float) -> float:
    """By the squared errors of leave-one-out, in closed form from one decomposition."""
    values, vectors = np.linalg.eigh(kernel)
    projected, squares = vectors.T @ targets, vectors**2
    errors = []
    for penalty in _PENALTIES:
        inverse = 1 / (np.clip(values, 0, None) + penalty * unit)
        left_out = (vectors @ (inverse[:, None] * projected)) / (squares @ inverse)[:, None]
        errors.append(float((left_out**2).sum()))
    return float(_PENALTIES[int(np.argmin(errors))])


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
