"""The demonstration's data set: drawn phantoms with captions and prompts, and its generators."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from generation.datasets.prompts import PromptRow
from generation.datasets.records import Record
from generation.imports import add_generator, add_prompts, import_dataset
from generation.models import Dataset, Generator, Prompt
from generation.phantom import DEMO_PROMPTS, corpus

SLUG, NAME = "phantoms", "Colonoscopy phantoms"
COUNT, SEED, SIZE = 240, 7, 128
CHECKPOINTS = Path(__file__).parent / "demo_checkpoints"


def phantom_dataset(*, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """The data set of drawn phantoms with the demonstration's prompts; made as far as it lacks."""
    dataset = Dataset.objects.filter(slug=SLUG).first() or _drawn(progress)
    add_prompts(dataset=dataset, rows=[PromptRow(p.text, p.rephrasing) for p in DEMO_PROMPTS])
    return dataset


def _drawn(progress: Callable[[int, int], None] | None) -> Dataset:
    with TemporaryDirectory() as folder:
        records = []
        for phantom in corpus(COUNT, seed=SEED, size=SIZE):
            path = Path(folder) / f"{phantom.name}.png"
            phantom.image.save(path)
            records.append(
                Record(
                    name=path.name,
                    read=path.read_bytes,
                    split=phantom.split,
                    captions=list(phantom.captions),
                    sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                    width=SIZE,
                    height=SIZE,
                    suffix=path.suffix,
                )
            )
            if progress:
                progress(len(records), COUNT)
        return import_dataset(
            slug=SLUG,
            name=NAME,
            records=records,
            source="Drawn by generation.phantom",
            licence="Apache-2.0",
            phantom=True,
        )


def demo_prompts(dataset: Dataset) -> list[Prompt]:
    """The demonstration's prompts, each followed by its rephrasing."""
    texts = [text for p in DEMO_PROMPTS for text in (p.text, p.rephrasing)]
    found = {prompt.text: prompt for prompt in dataset.prompts.filter(text__in=texts)}
    return [found[text] for text in texts]


def demo_generators(dataset: Dataset) -> list[Generator]:
    """The three generators whose checkpoints are shipped; registered when they aren't yet.

    They were trained on other phantoms of the same drawing (`generation.training.demo`).
    """
    return [
        Generator.objects.filter(slug=directory.name).first()
        or add_generator(
            name=directory.name.capitalize(), checkpoint=str(directory), trained_on=dataset
        )
        for directory in sorted(CHECKPOINTS.iterdir())
        if directory.is_dir()
    ]
