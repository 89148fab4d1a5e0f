"""Metrics of image sets, on features of any embedder. Pure: numpy in, numbers out.

Features are float arrays of shape (images, dimensions), as the embedder gives them: not projected,
not normalised. Formulas: docs/paper.md and the report's section on methods.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """What a metric is called and where it has a value: per case, per pair, or per arm only."""

    key: str
    name: str
    level: str
    better: str
    formula: str


METRICS = {
    m.key: m
    for m in (
        Metric(
            "fidelity", "Fidelity", "case", "higher",
            "mean over pairs of 1000 / (1 + the pair's mean Fréchet distance from its real images)",
        ),
        Metric(
            "agreement", "Agreement", "pair", "higher",
            "mean cosine between all images of a prompt and all images of its rephrasing",
        ),
        Metric(
            "diversity", "Diversity", "case", "higher",
            "mean Euclidean distance between unit-length features within a set",
        ),
        Metric(
            "fbd", "FBD", "arm", "lower",
            "Fréchet distance of all generated from all real images of the study",
        ),
        Metric(
            "energy", "Energy distance", "case", "lower",
            "unbiased energy distance of a set from the pair's real images; may be negative",
        ),
        Metric(
            "frechet", "Fréchet distance", "case", "lower",
            "Fréchet distance of a set from the pair's real images; biased upwards by few images",
        ),
    )
}  # fmt: skip
