"""Runs: image sets asked of a generator, cut into chunks for the workers."""

import time
from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction

from generation.engine.batching import batches
from generation.jobs import nudge, perform, requeue_orphans
from generation.models import Chunk, Generator, ImageSet, Prompt, Run

CHUNK = 40  # images; enough to fill a GPU, and little to do again elsewhere
MAX_SEED = 2**63
WAIT = 0.2  # seconds between two looks at chunks that pause, or that others are at


class RunError(ValueError):
    """The run can't be made or finished; the message says why and how to mend it."""


@transaction.atomic
def create_run(
    *,
    generator: Generator,
    prompts: Sequence[Prompt],
    images_per_set: int,
    seed: int,
    by: User | None,
    priority: Run.Priority = Run.Priority.NORMAL,
) -> Run:
    """A queued run with one image set for each prompt; `enqueue_run` starts it.

    Raises RunError for a number of images, a seed or a generator that can't be.
    """
    if not 1 <= images_per_set <= 24:
        raise RunError(f"{images_per_set} images per set: choose 1 to 24.")
    if not 0 <= seed < MAX_SEED:
        raise RunError(f"The seed is {seed}: choose a whole number from 0 to 2⁶³ - 1.")
    if not prompts:
        raise RunError("A run needs at least one prompt.")
    if len({prompt.pk for prompt in prompts}) < len(prompts):
        raise RunError("A prompt is named twice: a run makes one set for each.")
    if not generator.can_sample:
        raise RunError(f"“{generator}” was imported as images; there is no model to make others.")
    run = Run.objects.create(
        generator=generator,
        images_per_set=images_per_set,
        seed=seed,
        priority=priority,
        created_by=by,
        total=len(prompts) * images_per_set,
    )
    parts = list(batches(prompts, max(1, CHUNK // images_per_set)))
    chunks = Chunk.objects.bulk_create(
        Chunk(run=run, number=number, total=len(part) * images_per_set)
        for number, part in enumerate(parts, 1)
    )
    ImageSet.objects.bulk_create(
        ImageSet(run=run, chunk=chunk, prompt=prompt)
        for chunk, part in zip(chunks, parts, strict=True)
        for prompt in part
    )
    return run


def enqueue_run(run: Run) -> None:
    """Wake as many workers as could share the run, once the transaction is through."""
    nudge(Chunk.queue, times=run.chunks.count())


def work_through(run: Run) -> None:
    """Do the run here and now; beside workers, who may take some of its chunks."""
    while run.chunks.unfinished().exists():
        for chunk in run.chunks.waiting().order_by("attempts", "number"):
            perform(Chunk, chunk.pk)
        time.sleep(WAIT)
        requeue_orphans()
