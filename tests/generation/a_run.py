"""A run as workers leave it, without a model: rows, and images of coloured noise."""

from django.utils import timezone

from generation.models import Chunk, Image, Run
from generation.runs import create_run
from tests.builders import a_dataset, a_generator, an_image

PROVENANCE = {
    "family": "msdm",
    "checkpoint": "c" * 64,
    "scheduler": "ddim",
    "steps": 50,
    "guidance_scale": 4.5,
    "dtype": "float32",
    "device": "cpu",
    "libraries": {"torch": "2.14.1"},
    "rejected": [],
}


def a_run(*, by=None, pairs=1, images_per_set=2, filled=0, phantom=False, **fields) -> Run:
    """A run of two sets for each pair; ``filled`` of its images are there, the first ones."""
    dataset = a_dataset(pairs=pairs, images_per_pair=0, phantom=phantom)
    run = create_run(
        generator=fields.pop("generator", None) or a_generator(),
        prompts=list(dataset.prompts.all()),
        images_per_set=images_per_set,
        seed=fields.pop("seed", 7),
        by=by,
        **fields,
    )
    fill(run, filled)
    return run


def fill(run: Run, number: int, **provenance) -> None:
    """Store so many images that the run lacks; chunks are done where nothing is missing."""
    for image_set in run.image_sets.all():
        there = set(image_set.images.values_list("index", flat=True))
        for index in sorted(set(range(run.images_per_set)) - there)[: max(0, number)]:
            said = {**PROVENANCE, "seed": index, "index": index, **provenance}
            an_image(image_set=image_set, index=index, provenance=said)
            number -= 1
    now = timezone.now()
    for chunk in run.chunks.all():
        done = Image.objects.filter(image_set__chunk=chunk).count()
        Chunk.objects.filter(pk=chunk.pk).update(done=done)
        if done == chunk.total:
            chunk.image_sets.update(completed_at=now)
            Chunk.objects.filter(pk=chunk.pk).update(
                status=Chunk.Status.DONE, attempts=1, started_at=now, finished_at=now
            )
    run.sum_up()
