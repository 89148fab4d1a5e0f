"""A study on its way out: numbers in place of primary keys, and nobody's name."""

from functools import cached_property
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from django.db.models import Q

from analysis.takeout import TakeoutError
from annotation.models import (
    Case,
    CaseImage,
    CaseReference,
    CaseSet,
    Reader,
    Reading,
    ReadingSet,
    Study,
)
from annotation.names import Names, people_of
from generation.models import Dataset, Generator, Image, ImageSet, Prompt, Run

_PEOPLE = {"importer"}  # keys of a provenance that name somebody


def check_may_leave(study: Study) -> None:
    """Raises `TakeoutError` while the study's results are hidden: the archive says which arm stood
    behind which letter, and an export without that could not be imported. Nor does a simulated copy
    leave, which could be taken for a study elsewhere."""
    if study.simulated:
        raise TakeoutError(
            f"“{study}” was filled by simulated readers and stays here, lest it be taken for a "
            "study. Its report can be downloaded."
        )
    if not study.results_visible:
        raise TakeoutError(
            f"“{study}” is {study.get_state_display().lower()}: its data stay here until it is "
            "closed or unblinded, because they tell which arm stood behind which letter. Close it, "
            "or unblind it with a reason, then export it. (To keep a copy of everything "
            "meanwhile, back up the database and the images.)"
        )


class Leaving:
    """What the tables ask of a study, each looked up once.

    Datasets, generators and cases go by what they are called; prompts, runs and images by numbers
    in an order that follows from what they say.
    """

    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def cases(self) -> list[Case]:
        return list(self.study.cases.select_related("prompt__dataset", "prompt__rephrasing_of"))

    @cached_property
    def sets(self) -> list[CaseSet]:
        found = CaseSet.objects.filter(case__study=self.study)
        return list(
            found.select_related("case", "arm", "image_set").order_by(
                "case__position", "arm__position"
            )
        )

    @cached_property
    def runs(self) -> dict[Run, int]:
        """In the order of the arms, and of the cases where an arm has several."""
        asked = [arm.run_id for arm in self.study.arms.all()]
        by_arm = sorted(self.sets, key=lambda shown: shown.arm.position)
        asked += [shown.image_set.run_id for shown in by_arm if shown.image_set]
        order = [pk for pk in dict.fromkeys(asked) if pk]
        rows = Run.objects.select_related("generator").in_bulk(order)
        return {rows[pk]: place for place, pk in enumerate(order, 1)}

    @cached_property
    def image_sets(self) -> dict[ImageSet, tuple[int, int]]:
        """Those that an arm shows, each with the numbers of its run and prompt."""
        runs = {run.pk: place for run, place in self.runs.items()}
        prompts = {prompt.pk: place for prompt, place in self.prompts.items()}
        shown = [of.image_set for of in self.sets if of.image_set]
        numbers = {of: (runs[of.run_id], prompts[of.prompt_id]) for of in shown}
        return dict(sorted(numbers.items(), key=lambda pair: pair[1]))

    @cached_property
    def images(self) -> dict[Image, int]:
        """Those that stand in the study, real ones first."""
        sets = {of.image_set_id: of for of in self.sets if of.image_set}
        shown = Q(pk__in=CaseReference.objects.filter(case__study=self.study).values("image"))
        shown |= Q(
            pk__in=CaseImage.objects.filter(case_set__case__study=self.study).values("image")
        )
        shown |= Q(image_set__case_sets__case__study=self.study)
        rows = Image.objects.filter(shown).distinct()
        rows = rows.select_related("dataset").prefetch_related("prompts__dataset")

        def key(image: Image) -> tuple:
            if image.dataset:
                return (0, image.dataset.slug, image.name)
            of = sets[image.image_set_id]
            return (1, of.arm.position, of.case.position, image.index)

        return {image: place for place, image in enumerate(sorted(rows, key=key), 1)}

    @cached_property
    def image_numbers(self) -> dict[int, int]:
        return {image.pk: place for image, place in self.images.items()}

    @cached_property
    def prompts(self) -> dict[Prompt, int]:
        """Of the cases, what they rephrase, and the captions of their real images."""
        found = {case.prompt for case in self.cases}
        found |= {prompt for image in self.images for prompt in image.prompts.all()}
        found |= {prompt.rephrasing_of for prompt in found if prompt.rephrasing_of}
        rows = Prompt.objects.select_related("dataset", "rephrasing_of").in_bulk(
            [prompt.pk for prompt in found]
        )
        order = sorted(rows.values(), key=lambda prompt: (prompt.dataset.slug, prompt.text))
        return {prompt: place for place, prompt in enumerate(order, 1)}

    @cached_property
    def generators(self) -> list[Generator]:
        arms = self.study.arms.exclude(generator=None).select_related("generator__trained_on")
        return [arm.generator for arm in arms if arm.generator]

    @cached_property
    def datasets(self) -> list[Dataset]:
        found = {prompt.dataset for prompt in self.prompts}
        found |= {image.dataset for image in self.images if image.dataset}
        found |= {g.trained_on for g in self.generators if g.trained_on}
        return sorted(found, key=lambda dataset: dataset.slug)

    @cached_property
    def readings(self) -> dict[int, dict[str, Any]]:
        """Where each reading stands, by its primary key: first columns of all answers."""
        found = Reading.objects.filter(reader__study=self.study).select_related("reader", "case")
        return {
            reading.pk: {
                "reader": reading.reader.pseudonym,
                "position": reading.position,
                "reading": reading.kind,
                "case": reading.case.position,
            }
            for reading in found
        }

    @cached_property
    def letters(self) -> dict[int, dict[str, Any]]:
        """The same of each set that was read, with its letter and arm."""
        found = ReadingSet.objects.filter(reading__reader__study=self.study)
        return {
            pk: {**self.readings[reading], "letter": letter, "arm": arm}
            for pk, reading, letter, arm in found.values_list(
                "pk", "reading_id", "letter", "case_set__arm__position"
            )
        }

    @cached_property
    def counting(self) -> set[str]:
        """Pseudonyms of those whose part was not revoked."""
        readers = self.study.readers.exclude(state=Reader.State.REVOKED)
        return {reader.pseudonym for reader in readers}

    # People

    @cached_property
    def names(self) -> Names:
        return people_of(self.study)


def placeless(value: Any) -> Any:
    """A description without who and where: people are left out, and of paths stays their end."""
    if isinstance(value, dict):
        return {key: placeless(inner) for key, inner in value.items() if key not in _PEOPLE}
    if isinstance(value, list):
        return [placeless(inner) for inner in value]
    if not isinstance(value, str):
        return value
    for path in (PurePosixPath(value), PureWindowsPath(value)):
        if "\n" not in value and path.is_absolute() and _is_path(path):
            return path.name
    return value


def _is_path(path: PurePath) -> bool:
    return len(path.parts) > 1
