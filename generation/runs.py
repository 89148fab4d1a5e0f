"""Runs: image sets sampled from a generator, resumable image by image."""

import hashlib
import io
import json
import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from PIL import Image as Pillow
from PIL import ImageStat

from generation.engine.batching import batches, run_batched
from generation.engine.loading import checkpoint_digest, checkpoint_directory
from generation.engine.registry import load_sampler
from generation.engine.seeding import image_seed
from generation.engine.spec import Card, Settings
from generation.models import Generator, Image, ImageSet, Prompt, Run

if TYPE_CHECKING:
    from generation.engine.spec import Sampler

logger = logging.getLogger(__name__)
BATCH = 10  # images; halved when the memory is too small
ATTEMPTS = 3  # seeds tried for an image before the run fails
MIN_DEVIATION = 2.0  # grey levels; below it an image is blank


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
) -> Run:
    """A queued run with one image set for each prompt; `generation.jobs.enqueue` starts it."""
    if not 1 <= images_per_set <= 24:
        raise RunError(f"{images_per_set} images per set: choose 1 to 24.")
    if not prompts:
        raise RunError("A run needs at least one prompt.")
    run = Run.objects.create(
        generator=generator,
        images_per_set=images_per_set,
        seed=seed,
        created_by=by,
        total=len(prompts) * images_per_set,
    )
    ImageSet.objects.bulk_create(ImageSet(run=run, prompt=prompt) for prompt in prompts)
    return run


def perform_run(run: Run) -> None:
    """Sample what the run still lacks.

    Every image is a unique row with a seed of its own, so that a second execution adds nothing
    and an interrupted one goes on where it was. A batch that was cut short is sampled again whole:
    pixels depend, by float rounding, on the batch, and shall be the same however often it stopped.

    Raises:
        CheckpointError, RunError: the checkpoint is missing or changed, or an image failed the
            quality gate with `ATTEMPTS` seeds.
    """
    run.beat(done=_count(run), message="Loading the model")
    wanted = _pending(run)
    if wanted:
        sampler = _sampler(run.generator)
        run.beat(message="Sampling images")
        for _ in run_batched(lambda batch: _sample_batch(run, sampler, batch), wanted, BATCH):
            run.beat(done=_count(run))
    for image_set in run.image_sets.filter(completed_at=None):
        if image_set.images.count() == run.images_per_set:
            ImageSet.objects.filter(pk=image_set.pk).update(completed_at=timezone.now())


def store_image(data: bytes, *, suffix: str) -> tuple[str, str]:
    """Store bytes once under their SHA-256; the file's name in the storage, and the digest.

    Written beside its place and renamed, so that no name ever stands for half an image.
    """
    digest = hashlib.sha256(data).hexdigest()
    name = f"images/{digest[:2]}/{digest}{suffix}"
    path = Path(default_storage.path(name))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{uuid4().hex}")
        draft.write_bytes(data)
        draft.replace(path)
    return name, digest


def _count(run: Run) -> int:
    return Image.objects.filter(image_set__run=run).count()


def _pending(run: Run) -> list[tuple[ImageSet, int]]:
    """The (set, index) of the images in every batch that lacks one, set by set."""
    there = set(Image.objects.filter(image_set__run=run).values_list("image_set", "index"))
    wanted = [
        (image_set, index)
        for image_set in run.image_sets.select_related("prompt")
        for index in range(run.images_per_set)
    ]
    return [
        item
        for batch in batches(wanted, BATCH)
        if any((image_set.pk, index) not in there for image_set, index in batch)
        for item in batch
    ]


def _sampler(generator: Generator) -> "Sampler":
    """The generator's sampler; refuses a checkpoint that isn't the one that was registered."""
    directory = checkpoint_directory(generator.checkpoint, generator.revision or None)
    digest = checkpoint_digest(directory)
    if digest != generator.digest:
        raise RunError(
            f"The checkpoint of “{generator}” has changed since it was registered: "
            f"{generator.checkpoint} has the digest {digest[:12]}…, not "
            f"{generator.digest[:12]}…. Restore it, or add it as a new generator."
        )
    return _loaded(
        generator.family,
        directory,
        digest,
        json.dumps(generator.settings, sort_keys=True),
        json.dumps(generator.card, sort_keys=True),
    )


@lru_cache(maxsize=1)  # one checkpoint stays in memory while work for it remains
def _loaded(family: str, directory: Path, digest: str, chosen: str, card: str) -> "Sampler":
    return load_sampler(
        family,
        directory,
        card=Card.from_json(json.loads(card)) if card != "{}" else None,
        settings=Settings(**json.loads(chosen)) if chosen != "{}" else None,
        device=settings.DEVICE,
    )


def _sample_batch(run: Run, sampler: "Sampler", batch: Sequence[tuple[ImageSet, int]]) -> None:
    todo, problem = list(batch), ""
    for attempt in range(ATTEMPTS):
        seeds = [
            image_seed(seed=run.seed, prompt=image_set.prompt.text, index=index, attempt=attempt)
            for image_set, index in todo
        ]
        pictures = sampler.sample([image_set.prompt.text for image_set, _ in todo], seeds)
        rejected = []
        for (image_set, index), seed, picture in zip(todo, seeds, pictures, strict=True):
            if fault := _store(run, sampler, image_set, index, seed, attempt, picture):
                logger.warning("%s, image %s: %s", image_set, index, fault)
                rejected.append((image_set, index))
                problem = fault
        todo = rejected
        if not todo:
            return
    image_set, index = todo[-1]
    raise RunError(
        f"Image {index + 1} for “{image_set.prompt}” is {problem} with {ATTEMPTS} seeds in a row. "
        "Look at the generator's samples; retry goes on with the other images kept."
    )


def _store(
    run: Run,
    sampler: "Sampler",
    image_set: ImageSet,
    index: int,
    seed: int,
    attempt: int,
    picture: Pillow.Image,
) -> str:
    """Keep the image, or say why it fails the quality gate."""
    size = (sampler.settings.width, sampler.settings.height)
    if picture.size != size:
        return f"{picture.width}×{picture.height} instead of {size[0]}×{size[1]} pixels"
    if max(ImageStat.Stat(picture).stddev) < MIN_DEVIATION:
        return "blank"
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    name, digest = store_image(buffer.getvalue(), suffix=".png")
    if image_set.images.filter(sha256=digest).exclude(index=index).exists():
        return "the same as another of its set"
    Image.objects.get_or_create(
        image_set=image_set,
        index=index,
        defaults={
            "kind": Image.Kind.GENERATED,
            "file": name,
            "sha256": digest,
            "width": picture.width,
            "height": picture.height,
            "seed": seed,
            "provenance": {
                **sampler.provenance(),
                "generator": run.generator.name,
                "prompt": image_set.prompt.text,
                "seed": seed,
                "attempt": attempt,
            },
        },
    )
    return ""
