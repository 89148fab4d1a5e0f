"""From the images of a study to metric values: embed once, keep, measure."""

import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from analysis.images import StudyImages
from analysis.metrics.agreement import agreement
from analysis.metrics.diversity import diversity
from analysis.metrics.embedders import LoadedEmbedder
from analysis.metrics.energy import energy_distance
from analysis.metrics.fbd import fbd
from analysis.metrics.fidelity import fidelity, study_fidelity
from analysis.metrics.frechet import frechet_distance
from analysis.models import Embedding
from annotation.models import Arm, Case
from generation.models import Image

BATCH = 8  # on a CPU twice as fast as 32: a batch stays in its cache
MOST_VARIABLES = 500  # in one SQL statement


class MeasureError(Exception):
    """An image can't be measured; the message says which and what to do."""


@dataclass(frozen=True)
class Measured:
    """One metric value; ``case`` is None for a whole arm."""

    metric: str
    arm: Arm
    case: Case | None
    value: float
    n: int


def embed_images(
    images: Iterable[Image],
    *,
    embedder: LoadedEmbedder,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, np.ndarray]:
    """Features by SHA-256; those known for this embedder are read, the others computed and kept.

    Args:
        progress: Called with the number of images done, before the first and after each batch.

    Raises:
        MeasureError: a file is missing, unreadable, or not what was stored.
    """
    images = list(images)
    features = _known(images, embedder)
    missing = [i for i in images if i.sha256 not in features]
    progress(len(features))
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        vectors = embedder.embed([_pixels(image) for image in batch]).astype("<f4")
        Embedding.objects.bulk_create(
            [
                Embedding(embedder=embedder.fingerprint, sha256=i.sha256, vector=v.tobytes())
                for i, v in zip(batch, vectors, strict=True)
            ],
            ignore_conflicts=True,  # another report may have embedded it meanwhile
        )
        features |= {i.sha256: v for i, v in zip(batch, vectors, strict=True)}
        progress(len(features))
    return features


class Measurements:
    """Metric values of a study as they are computed, with the reasons why some are missing."""

    def __init__(self, images: StudyImages, features: dict[str, np.ndarray]) -> None:
        self.images, self.features = images, features
        self.values: list[Measured] = []
        self.reasons: dict[str, str] = {}
        for arm in images.arms:
            for pair, cases in images.pairs.items():
                self._measure_pair(arm, cases, self._stack(images.real.get(pair, [])))
            self._measure_arm(arm)

    @property
    def real(self) -> np.ndarray:
        """Features of all real images of the study, each once."""
        groups = self.images.real.values()
        return self._stack({i.sha256: i for group in groups for i in group}.values())

    def of_arm(self, arm: Arm) -> np.ndarray:
        """Features of all images of an arm."""
        sets = [self.images.generated.get((c.pk, arm.pk), []) for c in self.images.cases]
        return self._stack([image for images in sets for image in images])

    def _measure_pair(self, arm: Arm, cases: list[Case], real: np.ndarray) -> None:
        sets = [self._stack(self.images.generated.get((case.pk, arm.pk), [])) for case in cases]
        for case, x in zip(cases, sets, strict=True):
            self._add("energy", arm, case, len(x), energy_distance, x, real)
            self._add("diversity", arm, case, len(x), diversity, x)
            if self._add("frechet", arm, case, len(x), frechet_distance, x, real):
                self._add("fidelity", arm, case, len(x), fidelity, self.values[-1].value)
        if len(sets) < 2:
            self.reasons.setdefault("agreement", "Some prompts have no rephrasing in the study.")
        else:
            self._add("agreement", arm, cases[0], sum(map(len, sets)), _mean_agreement, sets)

    def _measure_arm(self, arm: Arm) -> None:
        own = [v for v in self.values if v.arm == arm]
        for metric in ("agreement", "diversity", "energy", "frechet"):
            values = [v for v in own if v.metric == metric]
            if values:
                self._add(
                    metric, arm, None, sum(v.n for v in values),
                    lambda values: float(np.mean([v.value for v in values])), values,
                )  # fmt: skip
        distances: dict[int, list[float]] = defaultdict(list)
        for v in own:
            if v.metric == "frechet" and v.case:
                distances[v.case.prompt.original.pk].append(v.value)
        generated = self.of_arm(arm)
        if distances:
            self._add("fidelity", arm, None, len(generated), study_fidelity, distances.values())
        self._add("fbd", arm, None, len(generated), fbd, generated, self.real)

    def _add(
        self, metric: str, arm: Arm, case: Case | None, n: int, function: Callable, *args: Any
    ) -> bool:
        try:
            self.values.append(Measured(metric, arm, case, function(*args), n))
        except ValueError as error:
            self.reasons.setdefault(metric, str(error))
            return False
        return True

    def _stack(self, images: Iterable[Image]) -> np.ndarray:
        rows = [self.features[image.sha256] for image in images]
        return np.stack(rows) if rows else np.empty((0, 1))


def _mean_agreement(sets: list[np.ndarray]) -> float:
    return float(np.mean([agreement(a, b) for a, b in combinations(sets, 2)]))


def _known(images: list[Image], embedder: LoadedEmbedder) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for start in range(0, len(images), MOST_VARIABLES):
        part = [i.sha256 for i in images[start : start + MOST_VARIABLES]]
        rows = Embedding.objects.filter(embedder=embedder.fingerprint, sha256__in=part)
        found |= {
            sha256: np.frombuffer(vector, dtype="<f4")
            for sha256, vector in rows.values_list("sha256", "vector")
        }
    return found


def _pixels(image: Image) -> PillowImage.Image:
    try:
        with image.file.open("rb") as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != image.sha256:
            raise MeasureError(
                f"The file of image {image.pk} ({image}) is not the one stored with the study: "
                "restore it from a backup."
            )
        return PillowImage.open(io.BytesIO(data)).convert("RGB")
    except OSError as error:
        raise MeasureError(
            f"The file of image {image.pk} ({image}) can't be read ({error}): "
            "restore it from a backup."
        ) from error
