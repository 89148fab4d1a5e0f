"""The images of a study, by set and by pair."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from annotation.models import Arm, Case, CaseSet, Study
from generation.models import Image


@dataclass(frozen=True)
class StudyImages:
    """The images of a study by set and by pair."""

    arms: list[Arm]
    cases: list[Case]
    pairs: dict[int, list[Case]]  # by the original prompt
    generated: dict[tuple[int, int], list[Image]]  # by (case, arm)
    real: dict[int, list[Image]]  # by the original prompt: shared by a pair's cases

    @classmethod
    def of(cls, study: Study) -> Self:
        arms = list(study.arms.select_related("generator"))
        cases = list(
            study.cases.filter(practice=False)
            .select_related("prompt__rephrasing_of")
            .prefetch_related("references")
        )
        pairs: dict[int, list[Case]] = defaultdict(list)
        real: dict[int, dict[str, Image]] = defaultdict(dict)
        for case in cases:
            pairs[case.prompt.original.pk].append(case)
            for image in case.references.all():
                real[case.prompt.original.pk].setdefault(image.sha256, image)
        sets = CaseSet.objects.filter(case__in=cases).prefetch_related("links__image")
        return cls(
            arms,
            cases,
            dict(pairs),
            {(shown.case_id, shown.arm_id): shown.images() for shown in sets},
            {pair: list(images.values()) for pair, images in real.items()},
        )

    def all(self) -> list[Image]:
        """Every image once, by content."""
        groups = [*self.generated.values(), *self.real.values()]
        return list({image.sha256: image for group in groups for image in group}.values())

    def and_training(self, training: Mapping[int, Sequence[Image]]) -> list[Image]:
        """Every image once, with those that generators were trained on (see `training_images`)."""
        groups = [self.all(), *training.values()]
        return list({image.sha256: image for group in groups for image in group}.values())

    def differences(self) -> list[str]:
        """How real and generated images differ in size or file type: a metric may see just that."""
        real = [i for group in self.real.values() for i in group]
        generated = [i for group in self.generated.values() for i in group]
        found = []
        for what, of in (
            ("size", lambda i: f"{i.width}×{i.height}"),
            ("file type", lambda i: i.file.name.rpartition(".")[2].lower()),
        ):
            kinds = [sorted({of(i) for i in images}) for images in (real, generated)]
            if real and generated and kinds[0] != kinds[1]:
                a, b = (", ".join(k[:3]) + (" …" if len(k) > 3 else "") for k in kinds)
                found.append(f"Real and generated images differ in {what} ({a} against {b}).")
        return found
