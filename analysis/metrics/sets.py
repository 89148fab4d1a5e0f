"""All metrics of one generator at once: image sets by prompt against held-out real images."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.metrics.agreement import agreement
from analysis.metrics.diversity import diversity
from analysis.metrics.fbd import fbd
from analysis.metrics.fidelity import study_fidelity
from analysis.metrics.frechet import frechet_distance


@dataclass(frozen=True)
class PromptSets:
    """Features of a prompt's images and of its rephrasings', and of the real images it captions.

    ``sets`` are arrays (images, dimensions), the prompt's own first; ``real`` likewise.
    """

    sets: Sequence[np.ndarray]
    real: np.ndarray


@dataclass(frozen=True)
class SetMeasures:
    """``docs/paper.md`` has the definitions; None where no prompt allows the metric.

    ``frechet_distance`` is that of all generated from all real images. Fidelity takes the prompts
    with at least 2 real images, agreement those with a rephrasing; how many those are is counted.
    """

    frechet_distance: float
    fidelity: float | None
    diversity: float
    agreement: float | None
    n_generated: int
    n_real: int
    fidelity_prompts: int
    agreement_prompts: int


METRIC_NAMES = ("frechet_distance", "fidelity", "diversity", "agreement")


def measure_sets(prompts: Sequence[PromptSets], real: np.ndarray) -> SetMeasures:
    """Measure a generator; ``real`` holds each real image of the split once.

    Raises:
        ValueError: a set or ``real`` has fewer than 2 images, or features are not finite.
    """
    generated = np.concatenate([images for prompt in prompts for images in prompt.sets])
    distances = [
        [frechet_distance(images, prompt.real) for images in prompt.sets]
        for prompt in prompts
        if len(prompt.real) >= 2
    ]
    agreements = [
        np.mean([agreement(a, b) for a, b in combinations(prompt.sets, 2)])
        for prompt in prompts
        if len(prompt.sets) >= 2
    ]
    diversities = [diversity(images) for prompt in prompts for images in prompt.sets]
    return SetMeasures(
        frechet_distance=fbd(generated, real),
        fidelity=study_fidelity(distances) if distances else None,
        diversity=float(np.mean(diversities)),
        agreement=float(np.mean(agreements)) if agreements else None,
        n_generated=len(generated),
        n_real=len(real),
        fidelity_prompts=len(distances),
        agreement_prompts=len(agreements),
    )
