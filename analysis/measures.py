"""Every registered metric on the images of a study: values, intervals, floors, and reasons."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from analysis.embedding import MeasureError, keep_vectors, known_vectors, read_pixels
from analysis.images import StudyImages
from analysis.metrics import METRICS
from analysis.metrics.embedders import embedder_row
from analysis.metrics.fidelity import fidelity
from analysis.metrics.floors import same_n_values
from analysis.metrics.frechet import frechet_distance
from analysis.metrics.registry import Finding, Metric
from analysis.sources import Sources
from annotation.models import Arm, Case
from generation.models import Image

CASE_DRAWS, ARM_DRAWS = 100, 20  # random draws of a floor
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """One metric value; ``case`` is None for a whole arm.

    ``low``, ``high`` and ``rows`` are those of the metric's `Finding`; rows that name images by
    their number have the primary keys beside it.
    """

    metric: str
    arm: Arm
    case: Case | None
    value: float
    n: int
    low: float | None = None
    high: float | None = None
    rows: Sequence[Mapping[str, Any]] = field(default=(), repr=False)


@dataclass(frozen=True)
class Floor:
    """A metric's value for real against real images: what a perfect generator could reach.

    Attributes:
        n, m: Numbers of images compared.
        value, low, high: Mean and range of 95 % of the draws; None with the reason.
        same_n: For metrics of whole arms, each arm's mean value at the same n and m, by its name.
    """

    metric: str
    n: int
    m: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    same_n: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


class Pixels(Sequence[np.ndarray]):
    """Images as uint8 arrays (height, width, 3), each read when it is asked for."""

    def __init__(self, images: Sequence[Image]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        return np.asarray(read_pixels(self.images[index]))


@dataclass(frozen=True)
class Group:
    """The images that one value is of: sets of one arm, their real images, and the cases."""

    arm: Arm
    cases: Sequence[Case]
    sets: Sequence[Sequence[Image]]
    real: Sequence[Image]

    @property
    def generated(self) -> list[Image]:
        return [image for images in self.sets for image in images]


class Measurements:
    """Metric values of a study as they are computed, with the reasons why some are missing.

    Args:
        features: Of generated and real images, by SHA-256.
        progress: Called every second or so.
    """

    def __init__(
        self,
        images: StudyImages,
        features: dict[str, np.ndarray],
        sources: Sources | None = None,
        *,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self.images, self.features = images, features
        self.sources, self._progress = sources or Sources(), progress
        self._shown = time.monotonic()
        self.values: list[Measured] = []
        self.reasons: dict[str, str] = {}
        for arm in images.arms:
            groups = self.groups(arm)
            for metric in METRICS.values():
                self._measure(metric, arm, groups[metric.scope])

    @cached_property
    def real(self) -> np.ndarray:
        """Features of all real images of the study, each once."""
        return self._stack(self._all_real)

    def of_arm(self, arm: Arm) -> np.ndarray:
        """Features of all images of an arm."""
        return self._stack(self.groups(arm)["arm"][0].generated)

    def floors(self, *, seed: int) -> list[Floor]:
        """What real against real images give, for each metric that says so and has values."""
        measured = {v.metric for v in self.values}
        return [
            self._floor(metric, seed)
            for metric in METRICS.values()
            if metric.floor and metric.key in measured
        ]

    def paper_floor(self, *, seed: int) -> dict[str, Any]:
        """Fidelity and FBD of real against real at the same n: a perfect generator's."""
        n = max((len(s) for s in self.images.generated.values()), default=0)
        m = max((len(r) for r in self.images.real.values()), default=0)
        half = min([len(self.real) // 2, *(len(self.of_arm(a)) for a in self.images.arms)])
        floor: dict[str, Any] = {
            "real": len(self.real), "n": n, "m": m, "half": half,
            "frechet": None, "fidelity": None, "fbd": None, "fbd_at_half": {}, "reason": "",
        }  # fmt: skip
        try:
            distances = same_n_values(frechet_distance, self.real, None, n=n, m=m, seed=seed)
            floor |= {
                "frechet": float(distances.mean()),
                "fidelity": float(np.mean([fidelity(d) for d in distances])),
            }
        except ValueError:
            floor["reason"] = (
                f"real against real needs {n + m} different real images; the study has "
                f"{len(self.real)}"
            )
        if half >= 2:
            at_half = {"n": half, "m": half, "seed": seed}
            drawn = same_n_values(frechet_distance, self.real, None, **at_half)
            floor["fbd"] = float(drawn.mean())
            for arm in self.images.arms:
                drawn = same_n_values(frechet_distance, self.of_arm(arm), self.real, **at_half)
                floor["fbd_at_half"][str(arm)] = float(drawn.mean())
        return floor

    def _show(self) -> None:
        """Progress costs writes, of which thousands would take longer than the metrics do."""
        if time.monotonic() - self._shown >= 1:
            self._shown = time.monotonic()
            self._progress()

    # Values

    @cached_property
    def _all_real(self) -> list[Image]:
        groups = self.images.real.values()
        return list({i.sha256: i for group in groups for i in group}.values())

    def groups(self, arm: Arm) -> dict[str, list[Group]]:
        """By scope, what an arm has values of."""
        sets = {case.pk: self.images.generated.get((case.pk, arm.pk), [])
                for case in self.images.cases}  # fmt: skip
        cases = [
            Group(arm, [case], [sets[case.pk]], self.images.real.get(pair, []))
            for pair, cases in self.images.pairs.items()
            for case in cases
        ]
        pairs = [
            Group(arm, cases, [sets[case.pk] for case in cases], self.images.real.get(pair, []))
            for pair, cases in self.images.pairs.items()
        ]
        whole = Group(arm, self.images.cases, list(sets.values()), self._all_real)
        return {"image": cases, "set": cases, "case": cases, "pair": pairs, "arm": [whole]}

    def _measure(self, metric: Metric, arm: Arm, groups: Sequence[Group]) -> None:
        if metric.embedder and metric.embedder != self.sources.embedder:
            self.reasons[metric.key] = (
                f"{metric.name} is defined on {embedder_row(metric.embedder).title}: "
                f"choose the embedder {metric.embedder}."
            )
            return
        known = self._known(metric, groups)
        by_pair: dict[int, list[float]] = {}
        n = 0
        for group in groups:
            self._show()
            found = self._value(metric, group, known)
            if found is None:
                continue
            images = len(group.generated)
            case = None if metric.scope == "arm" else group.cases[0]
            self.values.append(
                Measured(metric.key, arm, case, found.value, images, found.low, found.high,
                         self._named(found.rows, group))
            )  # fmt: skip
            if case:
                by_pair.setdefault(case.prompt.original.pk, []).append(found.value)
                n += images
        if by_pair:
            pooled = metric.pooled(list(by_pair.values()))
            self.values.append(Measured(metric.key, arm, None, float(pooled), n))

    def _value(self, metric: Metric, group: Group, known: Mapping[str, float]) -> Finding | None:
        digest = _digest(group.generated)
        if digest in known:
            return Finding(known[digest])
        try:
            if len(group.generated) < metric.least:
                raise ValueError(
                    f"This metric needs at least {metric.least} images, not {len(group.generated)}."
                )
            found = metric.function(*(self.part(name, group) for name in metric.takes))
        except MeasureError:
            raise
        except ValueError as error:
            self.reasons.setdefault(metric.key, str(error))
            return None
        except Exception as error:  # one metric, perhaps a user's own, must not cost the report
            logger.exception("The metric %s failed", metric.key)
            self.reasons.setdefault(metric.key, f"It failed: {type(error).__name__}: {error}.")
            return None
        if not isinstance(found, Finding):
            found = Finding(float(np.mean(found)))
        if not math.isfinite(found.value):
            self.reasons.setdefault(metric.key, "Its value is not a finite number.")
            return None
        if "pixels" in metric.takes:
            keep_vectors({digest: np.array([found.value])}, _kept_as(metric))
            found = Finding(float(np.float32(found.value)))  # as it will be read again
        return found

    def _known(self, metric: Metric, groups: Sequence[Group]) -> dict[str, float]:
        """Values that are kept: those from pixels, which take long."""
        if "pixels" not in metric.takes:
            return {}
        digests = [_digest(group.generated) for group in groups]
        return {k: float(v[0]) for k, v in known_vectors(digests, _kept_as(metric)).items()}

    def part(self, name: str, group: Group) -> Any:
        """One of `analysis.metrics.PARTS`. ValueError where the study doesn't have it."""
        prefix, _, view = name.rpartition("_")
        if view in ("tiles", "hashes"):
            known = self.sources.views.get(view, {})
            images = {
                "": group.generated,
                "held_out": self._held_out(group),
                "training": self._training(group),
            }[prefix]
            return self._stack(images, known) if known else np.empty((0, 1))
        return _PARTS[name](self, group)

    def _training(self, group: Group) -> Sequence[Image]:
        return self.sources.training.get(group.arm.pk, [])

    def _held_out(self, group: Group) -> list[Image]:
        """Real images that the arm's generator was not trained on."""
        seen = {image.sha256 for image in self._training(group)}
        return [image for image in group.real if image.sha256 not in seen]

    def _texts(self, group: Group) -> np.ndarray:
        if self.sources.no_texts:
            raise ValueError(self.sources.no_texts)
        return np.stack([self.sources.texts[case.prompt.text] for case in group.cases])

    def _projected(self, group: Group) -> np.ndarray:
        if self.sources.no_texts or self.sources.project is None:
            raise ValueError(self.sources.no_texts)
        return self.sources.project(self._stack(group.generated))

    def _labels(self, group: Group) -> np.ndarray:
        return np.array(
            [case.prompt.original.pk for case, images in zip(group.cases, group.sets, strict=True)
             for _ in images]
        )  # fmt: skip

    def _held_out_labels(self, group: Group) -> np.ndarray:
        pairs: dict[str, set[int]] = {}
        for pair, images in self.images.real.items():
            for image in images:
                pairs.setdefault(image.sha256, set()).add(pair)
        own = [pairs[image.sha256] for image in self._held_out(group)]
        return np.array([next(iter(p)) if len(p) == 1 else -1 for p in own])

    def _training_labels(self, group: Group) -> np.ndarray:
        labels = self.sources.training_labels
        return np.array([labels[image.sha256] for image in self._training(group)], dtype=int)

    def _stack(
        self, images: Iterable[Image], known: Mapping[str, np.ndarray] | None = None
    ) -> np.ndarray:
        known = self.features if known is None else known
        rows = [known[image.sha256] for image in images]
        return np.stack(rows) if rows else np.empty((0, 1))

    def _named(self, rows: Sequence[Mapping[str, Any]], group: Group) -> list[dict[str, Any]]:
        """Rows with the primary keys of the images that they number."""
        images = {"generated": group.generated, "training": self._training(group)}
        return [
            dict(row) | {f"{of}_image": images[of][row[of]].pk for of in images if of in row}
            for row in rows
        ]

    # Floors

    def _floor(self, metric: Metric, seed: int) -> Floor:
        if metric.scope == "arm":
            return self._arm_floor(metric, seed)
        n = max((len(s) for s in self.images.generated.values()), default=0)
        m = max((len(r) for r in self.images.real.values()), default=0)
        if len(self.real) < n + m:
            reason = (
                f"real against real needs {n + m} different real images; the study has "
                f"{len(self.real)}"
            )
            return Floor(metric.key, n, m, reason=reason)
        return self._drawn(metric, n, m, seed, CASE_DRAWS)

    def _arm_floor(self, metric: Metric, seed: int) -> Floor:
        """At half the real images, where both sides can be real, and each arm at the same n."""
        arms = {str(arm): self.of_arm(arm) for arm in self.images.arms}
        half = min([len(self.real) // 2, *map(len, arms.values())])
        if half < metric.least:
            reason = f"real against real needs {2 * metric.least} different real images"
            return Floor(metric.key, half, half, reason=f"{reason}; the study has {len(self.real)}")
        same_n = {}
        for name, features in arms.items():
            try:
                drawn = same_n_values(
                    metric.function, features, self.real, n=half, m=half, seed=seed,
                    draws=ARM_DRAWS,
                )  # fmt: skip
            except ValueError:
                continue
            same_n[name] = float(drawn.mean())
        return self._drawn(metric, half, half, seed, ARM_DRAWS, same_n)

    def _drawn(
        self, metric: Metric, n: int, m: int, seed: int, draws: int,
        same_n: Mapping[str, float] | None = None,
    ) -> Floor:  # fmt: skip
        try:
            values = same_n_values(
                metric.function, self.real, None, n=n, m=m, seed=seed, draws=draws
            )
        except ValueError as error:
            return Floor(metric.key, n, m, reason=str(error))
        self._show()
        low, high = np.quantile(values, [0.025, 0.975])
        return Floor(metric.key, n, m, float(values.mean()), float(low), float(high), same_n or {})


def _digest(images: Sequence[Image]) -> str:
    """SHA-256 over the contents, in their order."""
    return hashlib.sha256("\n".join(image.sha256 for image in images).encode()).hexdigest()


def _kept_as(metric: Metric) -> str:
    return f"metric:{metric.key[:60]}:{metric.version}"


_PARTS: dict[str, Callable[[Measurements, Group], Any]] = {
    "features": lambda of, group: of._stack(group.generated),
    "real": lambda of, group: of._stack(group.real),
    "training": lambda of, group: of._stack(of._training(group), of.sources.features),
    "held_out": lambda of, group: of._stack(of._held_out(group)),
    "sets": lambda of, group: [of._stack(images) for images in group.sets],
    "pixels": lambda of, group: Pixels(group.generated),
    "projected": Measurements._projected,
    "texts": Measurements._texts,
    "labels": Measurements._labels,
    "held_out_labels": Measurements._held_out_labels,
    "training_labels": Measurements._training_labels,
}
