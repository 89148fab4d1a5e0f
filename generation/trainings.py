"""Trainings: from a data set's images to a registered generator, resumable at every checkpoint."""

import logging
import math
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.utils.text import slugify

from generation.engine.loading import checkpoint_digest
from generation.imports import add_generator
from generation.kept import kept
from generation.models import Dataset, Generator, Image, Job, Training
from generation.storage import local_file
from generation.training.config import TrainingConfig
from generation.training.presets import make_config
from generation.training.registry import load_trainer

if TYPE_CHECKING:
    from accelerate import PartialState

    from generation.training.data import TrainingImage
    from generation.training.loop import Progress

logger = logging.getLogger(__name__)
BEAT = 0.5  # seconds between two writes to the database
POINTS = 190  # of the loss's history, beside the first and last of each stage


class TrainingError(ValueError):
    """The training can't be made or finished; the message says why and how to mend it."""


def training_images(dataset: Dataset, split: str) -> "list[TrainingImage]":
    """The split's real images with their captions, and other words for each caption.

    Raises TrainingError, naming the splits that there are, when there is none.
    """
    from generation.training.data import TrainingImage

    rows = dataset.images.filter(split=split).prefetch_related("prompts__rephrasings")
    if not rows:
        has = ", ".join(dataset.splits()) or "no images"
        raise TrainingError(f"“{dataset}” has no split “{split}”; it has: {has}.")
    return [
        TrainingImage(
            id=image.sha256,
            path=local_file(str(image.file.name)),
            captions=tuple(prompt.text for prompt in image.prompts.all()),
            rephrasings={
                prompt.text: tuple(other.text for other in prompt.rephrasings.all())
                for prompt in image.prompts.all()
            },
        )
        for image in rows
    ]


def check_name(name: str, *, output: Path | None = None) -> None:
    """Raises TrainingError when no generator can be registered under this name.

    One that was registered from ``output`` is no obstacle: its training was finished before.
    """
    slug = slugify(name)
    if not slug:
        raise TrainingError("Give the generator a name with letters or digits in it.")
    taken = Generator.objects.filter(slug=slug)
    if output:
        taken = taken.exclude(checkpoint=str(output.resolve()))
    if taken.exists():
        raise TrainingError(f"There is a generator “{name}” already: choose another name.")


@transaction.atomic
def create_training(
    *,
    name: str,
    dataset: Dataset,
    split: str,
    family: str,
    preset: str,
    config: TrainingConfig,
    by: User | None,
) -> Training:
    """A queued training; `generation.jobs.enqueue` starts it.

    Raises TrainingError for a name that is taken or a split without images.
    """
    check_name(name)
    slug = slugify(name)
    Dataset.objects.select_for_update().get(pk=dataset.pk)  # a double click waits here
    if any(slugify(other.name) == slug for other in Training.objects.unfinished()):
        raise TrainingError(f"“{name}” is being trained already: choose another name.")
    if not (images := dataset.images.filter(split=split).count()):
        has = ", ".join(dataset.splits()) or "no images"
        raise TrainingError(f"“{dataset}” has no split “{split}”; it has: {has}.")
    return Training.objects.create(
        name=name,
        dataset=dataset,
        split=split,
        family=family,
        preset=preset,
        config=config.to_json(),
        output=f"{slug}-{uuid4().hex[:8]}",
        created_by=by,
        total=sum(_stages(config, images).values()),
    )


def change_training(training: Training, changes: dict[str, Any]) -> None:
    """Other settings for a training that stopped, of those that may change on the way.

    Raises TrainingConfigError for one that can't be, TrainingError for one that may not change.
    """
    config = make_config(training.family, "paper", training.config)
    free = config.may_change_on_resume & set(training.config)
    fixed = [name for name in changes if name in training.config and name not in free]
    if fixed:
        raise TrainingError(
            f"{', '.join(fixed)} can't change once a training has begun; start a new one for that."
        )
    changed = make_config(training.family, "paper", {**training.config, **changes})
    images = training.dataset.images.filter(split=training.split).count()
    # One that is done stays as it was: it tells how its generator came to be.
    Training.objects.filter(
        pk=training.pk, status__in=[Job.Status.FAILED, Job.Status.CANCELLED]
    ).update(config=changed.to_json(), total=sum(_stages(changed, images).values()))


def perform_training(training: Training) -> None:
    """Train from the newest checkpoint on, and register the generator once.

    Every part is idempotent: a finished checkpoint is not trained again, and a registered one is
    found by its place.

    Raises:
        TrainingError and those of `generation.training.trainer.Trainer`, with messages for people.
    """
    kept.release()  # a training needs the whole memory
    training.beat(message="Preparing")
    training.show(stage="", stage_seconds_left=None)
    process_state()
    config = make_config(training.family, "paper", training.config)
    images = training_images(training.dataset, training.split)
    settings.MODELS_ROOT.mkdir(parents=True, exist_ok=True)
    watch = _Watch(training, _stages(config, len(images)))
    try:
        load_trainer(training.family)(
            images,
            config=config,
            output=training.directory,
            progress=watch,
            licence=training.dataset.licence or "unknown",
            phantom=training.dataset.phantom,
        )
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            raise TrainingError(
                "The memory is too small for this training. Start a new one with a smaller "
                "train_batch_size (and as much larger gradient_accumulation_steps), with "
                'mixed_precision = "bf16", or with gradient_checkpointing = true.'
            ) from error
        raise
    training.beat(message="Registering the generator")
    generator = register(training.name, training.directory, training.dataset, training.split)
    training.beat(done=watch.total)
    training.show(generator=generator, total=watch.total, stage_seconds_left=None)


def register(
    name: str, directory: Path, dataset: Dataset, split: str = Image.Split.TRAIN
) -> Generator:
    """The generator of a finished checkpoint, made at the first call.

    Where another took the name meanwhile, a number is added: no training is lost to a name.
    """
    digest = checkpoint_digest(directory)
    there = Generator.objects.filter(checkpoint=str(directory.resolve()), digest=digest).first()
    if there:
        return there
    free, number = name, 1
    while Generator.objects.filter(slug=slugify(free)).exists():
        number += 1
        free = f"{name[:70]} {number}"
    return add_generator(
        name=free, checkpoint=str(directory), trained_on=dataset, trained_split=split
    )


def process_state() -> "PartialState":
    """Which of the processes that train together this is; on the device of the settings if alone.

    What an earlier training in this process chose is forgotten: accelerate keeps its number format
    for the life of a process, but a worker trains one configuration after another.

    Raises TrainingError where several processes were started that would each train alone.
    """
    from accelerate.state import AcceleratorState, PartialState
    from accelerate.utils import get_int_from_env, parse_flag_from_env, patch_environment

    started = get_int_from_env(["WORLD_SIZE"], 1)
    if started == 1:
        AcceleratorState._reset_state(reset_partial_state=True)
    if settings.DEVICE == "auto" or started > 1:
        state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    else:
        with patch_environment(ACCELERATE_TORCH_DEVICE=settings.DEVICE):
            state = PartialState()
    if state.num_processes != started:
        raise TrainingError(
            f"{started} processes were started, but they don't find each other: there are no "
            "GPUs for them. Start one, or set ACCELERATE_USE_CPU=true."
        )
    return state


def _stages(config: TrainingConfig, images: int) -> dict[str, int]:
    """Steps of each stage on one process, epochs as steps."""
    stages = config.stages()
    if config.num_train_epochs is not None:
        batch = config.train_batch_size * config.gradient_accumulation_steps
        stages[list(stages)[-1]] = math.ceil(images * config.num_train_epochs / batch)
    return stages


class _Watch:
    """Called after every step: shows it in the row, and stops when the job is to stop."""

    def __init__(self, training: Training, stages: dict[str, int]) -> None:
        self.training, self.stages = training, stages
        self.order = list(stages)
        self.history: list[list[Any]] = list(training.history)
        self.stage, self.written = "", -math.inf

    @property
    def total(self) -> int:
        return sum(self.stages.values())

    def __call__(self, now: "Progress") -> None:
        self.stages[now.stage] = now.total
        self._remember(now)
        if now.step < now.total and time.monotonic() - self.written < BEAT:
            return
        self.written = time.monotonic()
        try:
            self._write(now)
        except DatabaseError as error:  # days of training shall not fail with a restart of it
            logger.warning("Where %s is can't be written: %s", self.training, error)
            connection.close()

    def _remember(self, now: "Progress") -> None:
        if now.stage != self.stage:
            self.stage = now.stage
            # What came after the checkpoint that this attempt began with is trained again.
            here = self._place(now.stage, now.step)
            self.history = [p for p in self.history if self._place(p[0], p[1]) < here]
        every = max(1, math.ceil(self.total / POINTS))
        if now.step in (1, now.total) or now.step % every == 0:
            self.history.append([now.stage, now.step, round(now.loss, 6)])

    def _place(self, stage: str, step: int) -> tuple[int, int]:
        return self.order.index(stage), step

    def _write(self, now: "Progress") -> None:
        _keep_grids(self.training)
        before = self.order[: self.order.index(now.stage)]
        self.training.show(
            stage=now.stage,
            stage_seconds_left=now.seconds_left,
            loss=now.loss,
            history=self.history,
            total=self.total,
        )
        self.training.beat(done=sum(self.stages[s] for s in before) + now.step, message="Training")


def _keep_grids(training: Training) -> None:
    """Copy new validation grids out of the work directory, which goes when the training is over."""
    for grid in sorted((training.work / "validation").glob("*.png")):
        kept = training.grids / grid.name
        if not kept.exists() or kept.stat().st_mtime < grid.stat().st_mtime:
            training.grids.mkdir(exist_ok=True)
            draft = kept.with_suffix(".partial")
            shutil.copyfile(grid, draft)
            draft.replace(kept)
