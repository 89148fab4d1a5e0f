"""A study on its way in: what its tables name, as rows of this database."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Model

from analysis.models import Report
from analysis.takeout import TakeoutError
from annotation.models import Arm, Case, CaseSet, Reader, Reading, ReadingSet, ShownImage, Study
from generation.models import Dataset, Generator, Image, ImageSet, Prompt, Run

M = TypeVar("M", bound=Model)
_BATCH = 500


@dataclass
class Arriving:
    """Rows that were made, by what later tables call them.

    Attributes:
        read: gives the bytes of a file of the archive.
        stored: name in the storage of each image file of the archive.
    """

    by: User
    files: frozenset[str]
    read: Callable[[str], bytes]
    stored: dict[str, str]
    datasets: dict[str, Dataset] = field(default_factory=dict)
    prompts: dict[int, Prompt] = field(default_factory=dict)
    generators: dict[str, Generator] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    image_sets: dict[tuple[int, int], ImageSet] = field(default_factory=dict)  # run, prompt
    images: dict[int, Image] = field(default_factory=dict)
    arms: dict[int, Arm] = field(default_factory=dict)
    cases: dict[int, Case] = field(default_factory=dict)
    sets: dict[tuple[int, int], CaseSet] = field(default_factory=dict)  # case, arm
    readers: dict[str, Reader] = field(default_factory=dict)
    readings: dict[tuple[str, int], Reading] = field(default_factory=dict)
    letters: dict[tuple[str, int, str], ReadingSet] = field(default_factory=dict)
    shown: dict[tuple[str, int, str, int], ShownImage] = field(default_factory=dict)
    reports: dict[int, Report] = field(default_factory=dict)
    study: Study = field(init=False)

    def read_json(self, file: str) -> Any:
        """What a JSON file of the archive holds."""
        try:
            return json.loads(self.read(file))
        except (KeyError, ValueError) as error:
            raise TakeoutError(f"{file} is missing or can't be read.") from error

    def create(self, model: type[M], rows: Iterable[M]) -> list[M]:
        """Check every row's own fields, and store them all."""
        made = list(rows)
        fields = model._meta.concrete_fields
        relations = [f.name for f in fields if f.is_relation or f.primary_key]
        for row in made:
            # What forms don't leave empty, rows may; and where they may not, the database says so.
            empty = [f.name for f in fields if getattr(row, f.attname) in f.empty_values]
            try:
                row.clean_fields(exclude=[*relations, *empty])
            except ValidationError as error:
                faults = "; ".join(
                    f"{name}: {' '.join(said)}" for name, said in error.message_dict.items()
                )
                name = model._meta.verbose_name
                raise TakeoutError(f"A {name} of the archive can't be stored: {faults}") from error
        return model._default_manager.bulk_create(made, batch_size=_BATCH)

    def keyed(self, model: type[M], keys: Sequence[Any], rows: Iterable[M]) -> dict[Any, M]:
        """`create`, and each row under its key."""
        return dict(zip(keys, self.create(model, rows), strict=True))
