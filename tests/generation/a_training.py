"""A training of the tiny MSDM on drawn images, as the pages make it."""

from dataclasses import replace
from itertools import count

from generation.models import Dataset, Prompt
from generation.trainings import create_training
from tests.builders import an_image
from tests.generation.tiny_msdm import TINY, draw_images

_number = count(1)


def a_training_set(folder, *, split="train", phantom=False):
    """A data set of nine drawn images, with captions."""
    number = next(_number)
    dataset = Dataset.objects.create(
        name=f"Squares {number}", slug=f"squares-{number}", licence="CC0", phantom=phantom
    )
    for drawn in draw_images(folder):
        content = drawn.path.read_bytes()
        name = f"{drawn.id}.png"
        image = an_image(dataset=dataset, split=split, content=content, name=name)
        for text in drawn.captions:
            prompt, _ = Prompt.objects.get_or_create(dataset=dataset, text=text)
            image.prompts.add(prompt)
    return dataset


def a_training(dataset, *, name="Squares", by=None, **changes):
    return create_training(
        name=name,
        dataset=dataset,
        split="train",
        family="msdm",
        preset="small",
        config=replace(TINY, **changes),
        by=by,
    )
