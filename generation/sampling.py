"""What a worker does with a chunk of a run: sample its images, look at them, store them."""

import io
import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Count
from django.utils import timezone
from PIL import Image as Pillow
from PIL import ImageStat

from generation.engine.batching import batches, run_batched
from generation.engine.loading import CheckpointError, checkpoint_digest, checkpoint_directory
from generation.engine.registry import load_sampler
from generation.engine.seeding import image_seed
from generation.engine.spec import Card, Settings, Tuning
from generation.kept import kept
from generation.models import Chunk, Generator, Image, ImageSet, Run, TunedGenerator
from generation.runs import CHUNK, RunError
from generation.storage import store_image

if TYPE_CHECKING:
    from generation.engine.spec import Sampler

logger = logging.getLogger(__name__)
SEEDS = 3  # tried for an image before its chunk fails
MIN_DEVIATION = 2.0  # grey levels; below it an image is blank
COMPRESSION = 3  # zlib's; PNGs as small as with its usual 6, in a third of the time
SHARE = 0.005  # of the time that a batch took, for which the next one may wait
CAREFUL = 7  # attempt from which on the batch is halved: the memory may have killed the worker


@dataclass
class Wanted:
    """An image to be made, and what was tried for it."""

    image_set: ImageSet
    index: int
    rejected: list[dict[str, Any]] = field(default_factory=list)  # seed and reason

    @property
    def key(self) -> tuple[int, int]:
        return self.image_set.pk, self.index

    def seed(self, run: Run) -> int:
        text, attempt = self.image_set.prompt.text, len(self.rejected)
        seed: int = run.seed  # type: ignore[assignment]  # none have only imported runs
        return image_seed(seed=seed, prompt=text, index=self.index, attempt=attempt)


@dataclass(frozen=True)
class Made:
    """An image that passed the quality gate, or why it did not."""

    wanted: Wanted
    seed: int
    file: str = ""
    sha256: str = ""
    fault: str = ""


def perform_chunk(chunk: Chunk) -> None:
    """Sample what the chunk still lacks.

    Every image is a unique row with a seed of its own, so that a second execution adds nothing
    and an interrupted one goes on where it was. A batch that was cut short is sampled again whole:
    pixels depend, by float rounding, on the batch, and shall be the same however often it stopped.

    Raises:
        CheckpointError, RunError: the checkpoint is missing or changed, a prompt is too long
            (either fails the whole run), or an image failed the quality gate with `SEEDS` seeds.
    """
    run = chunk.run
    work = _Work(chunk)
    chunk.beat(done=work.done)  # a worker that was killed may have stored more than it said
    if work.missing():
        chunk.beat(message="Loading the model")
        sampler = _ready_sampler(run)
        tuning = _tuning(run.generator, sampler)
        size = max(1, tuning.batch_size >> max(0, chunk.attempts - CAREFUL + 1))
        chunk.beat(message="Sampling images")
        work.sample(sampler, size)
        logger.info("%s: %.3f s in the sampler.", chunk, work.sampling)
    complete = work.sets.annotate(there=Count("images")).filter(there=run.images_per_set)
    ImageSet.objects.filter(pk__in=complete.values("pk")).update(completed_at=timezone.now())
    if faults := work.faults():
        raise RunError(faults)


class _Work:
    """The images of a chunk: which are wanted, which are there."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk, self.run = chunk, chunk.run
        self.sampling = 0.0  # seconds
        self.sets = chunk.image_sets.filter(completed_at=None)
        self.wanted = [
            Wanted(image_set, index)
            for image_set in self.sets.select_related("prompt")
            for index in range(self.run.images_per_set)
        ]
        rows = Image.objects.filter(image_set__chunk=chunk)
        self.there = {
            (image_set, index): sha256
            for image_set, index, sha256 in rows.values_list("image_set", "index", "sha256")
        }

    @property
    def done(self) -> int:
        return len(self.there)

    def missing(self) -> list[Wanted]:
        return [wanted for wanted in self.wanted if wanted.key not in self.there]

    def sample(self, sampler: "Sampler", size: int) -> None:
        """Batch by batch; while one is sampled, the one before is encoded and stored."""
        todo = [
            wanted
            for batch in batches(self.wanted, size)
            if any(wanted.key not in self.there for wanted in batch)
            for wanted in batch
        ]
        shrunk = _remember_smaller(self.run.generator, sampler)
        for _ in range(SEEDS):
            with _behind(self._keep) as keep:
                for batch, images in run_batched(
                    lambda batch: self._sample_batch(sampler, batch), todo, size, shrunk=shrunk
                ):
                    keep(self._encode, sampler, batch, images)
            todo = [wanted for wanted in self.missing() if wanted.rejected]
            if not todo:
                break

    def faults(self) -> str:
        """What the researcher is told of images that failed with every seed; "" if none did."""
        missing = self.missing()
        if not missing:
            return ""
        one = missing[0]
        reason = one.rejected[-1]["reason"] if one.rejected else "missing"
        others = f" So are {len(missing) - 1} others of this chunk." if len(missing) > 1 else ""
        return (
            f"Image {one.index + 1} for “{one.image_set.prompt}” is {reason} with {SEEDS} seeds in "
            f"a row.{others} Look at the generator's samples; another try keeps all other images."
        )

    def _sample_batch(self, sampler: "Sampler", batch: Sequence[Wanted]) -> list[Pillow.Image]:
        self.chunk.beat()
        prompts = [wanted.image_set.prompt.text for wanted in batch]
        seeds = [wanted.seed(self.run) for wanted in batch]
        began = monotonic()
        images = sampler.sample(prompts, seeds)
        self.sampling += monotonic() - began
        return images

    def _encode(
        self, sampler: "Sampler", batch: Sequence[Wanted], images: Sequence[Pillow.Image]
    ) -> tuple[dict[str, Any], list[Made]]:
        """In another thread: no database here."""
        size = (sampler.settings.width, sampler.settings.height)
        made = []
        for wanted, image in zip(batch, images, strict=True):
            seed = wanted.seed(self.run)
            if fault := find_fault(image, size):
                made.append(Made(wanted, seed, fault=fault))
                continue
            buffer = io.BytesIO()
            image.save(buffer, "PNG", compress_level=COMPRESSION)
            made.append(Made(wanted, seed, *store_image(buffer.getvalue(), suffix=".png")))
        return sampler.provenance(), made

    def _keep(self, result: tuple[dict[str, Any], list[Made]]) -> None:
        """Write down what passed the gate, note what did not, and show where the chunk is."""
        provenance, batch = result
        rows = []
        for made in batch:
            wanted = made.wanted
            fault = made.fault
            if not fault and made.sha256 in self._siblings(wanted):
                fault = "the same as another of its set"
            if fault:
                logger.warning("%s, image %s: %s", wanted.image_set, wanted.index, fault)
                wanted.rejected.append({"seed": made.seed, "reason": fault})
            elif wanted.key not in self.there:
                rows.append(self._row(made, provenance))
                self.there[wanted.key] = made.sha256
        Image.objects.bulk_create(rows, ignore_conflicts=True)
        self.chunk.beat(done=self.done)
        self.run.sum_up()

    def _siblings(self, wanted: Wanted) -> set[str]:
        """Digests of the other images of its set."""
        image_set, _ = wanted.key
        return {
            sha256
            for key, sha256 in self.there.items()
            if key[0] == image_set and key != wanted.key
        }

    def _row(self, made: Made, provenance: dict[str, Any]) -> Image:
        wanted = made.wanted
        return Image(
            image_set=wanted.image_set,
            index=wanted.index,
            kind=Image.Kind.GENERATED,
            file=made.file,
            sha256=made.sha256,
            width=provenance["width"],
            height=provenance["height"],
            seed=made.seed,
            provenance={
                **provenance,
                "generator": self.run.generator.name,
                "run": self.run.pk,
                "prompt": wanted.image_set.prompt.text,
                "index": wanted.index,
                "run_seed": self.run.seed,
                "seed": made.seed,
                "rejected": list(wanted.rejected),
            },
        )


def find_fault(image: Pillow.Image, size: tuple[int, int]) -> str:
    """What is wrong with an image, as the end of the sentence "it is …"; "" if nothing is."""
    if image.size != size:
        return f"{image.width}×{image.height} instead of {size[0]}×{size[1]} pixels"
    if max(ImageStat.Stat(image).stddev) < MIN_DEVIATION:
        return "blank"
    return ""


@contextmanager
def _behind(keep) -> Iterator:
    """Yields ``do(function, *arguments)``, run in a thread; ``keep`` gets each result, here.

    ``do`` waits for a moment, so that what took minutes is kept at once; for longer only when it
    is called again before the last call is done.
    """
    before: Future | None = None
    since = monotonic()
    with ThreadPoolExecutor(1) as thread:

        def do(function, *arguments) -> None:
            nonlocal before, since
            last, before = before, thread.submit(function, *arguments)
            if last:
                keep(last.result())
            if wait([before], SHARE * (monotonic() - since)).done:
                last, before = before, None
                keep(last.result())
            since = monotonic()

        try:
            yield do
        finally:  # after a cancellation too: what was made shall not be made again
            if before:
                keep(before.result())


def _ready_sampler(run: Run) -> "Sampler":
    """The run's sampler; what would stop every chunk of it fails the run at once."""
    try:
        sampler = _sampler(run.generator)
        sampler.check([image_set.prompt.text for image_set in run.image_sets.all()])
    except (CheckpointError, ValueError) as error:
        run.fail(str(error))
        raise
    return sampler


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
    chosen, card = generator.settings, generator.card
    key = (generator.family, directory, digest, json.dumps([chosen, card], sort_keys=True))
    return kept.sampler(
        generator.pk,
        key,
        lambda: load_sampler(
            generator.family,
            directory,
            card=Card.from_json(card) if card else None,
            settings=Settings(**chosen) if chosen else None,
            device=settings.DEVICE,
        ),
    )


def _tuning(generator: Generator, sampler: "Sampler") -> Tuning:
    """How this generator is sampled fastest on this device: measured once, then remembered."""
    device = sampler.device_name
    known = TunedGenerator.objects.filter(generator=generator, device=device).first()
    if known is None:
        tuning = sampler.tune(CHUNK)
        known, _ = TunedGenerator.objects.get_or_create(
            generator=generator, device=device, defaults=asdict(tuning)
        )
    tuning = Tuning(known.batch_size, tuple(known.options))
    sampler.use(tuning.options)
    return tuning


def _remember_smaller(generator: Generator, sampler: "Sampler"):
    def shrunk(size: int) -> None:
        logger.warning("%s: too little memory, batches of %d from now on", generator, size)
        TunedGenerator.objects.filter(
            generator=generator, device=sampler.device_name, batch_size__gt=size
        ).update(batch_size=size)

    return shrunk
