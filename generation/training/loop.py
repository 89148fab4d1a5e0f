"""The loop that all stages share: seeded step by step, resumable, stopped by a bad loss."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch.utils.data import DataLoader, Dataset

from generation.training.checkpoints import Checkpoints, State
from generation.training.config import TrainingConfig
from generation.training.journal import Journal

if TYPE_CHECKING:
    from PIL.Image import Image


class TrainingDiverged(RuntimeError):
    """The loss or its gradient stopped being a number; the last good checkpoint is kept."""


@dataclass(frozen=True)
class Progress:
    """``step`` of ``total`` in ``stage``; ``seconds_left`` in this stage."""

    stage: str
    step: int
    total: int
    loss: float
    seconds_left: float


@dataclass(frozen=True)
class Batch:
    """Samples: their numbers in the stage, prompts, and tensors by name (samples first)."""

    numbers: torch.Tensor
    prompts: list[str]
    values: dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One model's training. ``loss(model, batch)`` is a scalar tensor to be made small.

    ``preview``, where given, draws the validation prompts with the weights as they are.
    """

    name: str
    model: torch.nn.Module
    loss: Callable[[torch.nn.Module, Batch], torch.Tensor]
    samples: Dataset
    batch_size: int
    learning_rate: float
    total: int
    use_ema: bool = False
    preview: Callable[[], list[Image]] | None = None


def run_stage(
    stage: Stage,
    *,
    config: TrainingConfig,
    accelerator: Accelerator,
    work: Path,
    progress: Callable[[Progress], None] | None = None,
) -> float:
    """Train ``stage.model`` in place from its newest checkpoint on; the running mean loss.

    With ``use_ema`` the model ends with its averaged weights. An exception out of ``progress``
    stops the run; it resumes from the newest checkpoint. Raises TrainingDiverged, and
    TrainingConfigError when a checkpoint can't be written.
    """
    parameters = [p for p in stage.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=stage.learning_rate, weight_decay=config.adam_weight_decay
    )
    stage.model.to(accelerator.device, memory_format=torch.channels_last).train()
    ema = EMAModel(parameters) if stage.use_ema else None
    state = State(stage.model, optimizer, ema)
    checkpoints = Checkpoints(work / stage.name, limit=config.checkpoints_total_limit)
    first, mean = checkpoints.restore(state)
    model, wrapped = accelerator.prepare(stage.model, optimizer)
    journal = Journal(work, stage.name, first, config, on=accelerator.is_main_process)
    started = time.monotonic()
    batches = iter(_batches(stage, config, accelerator, first))
    for step in range(first, stage.total):
        rate = stage.learning_rate * _schedule(config, step, stage.total)
        for group in optimizer.param_groups:
            group["lr"] = rate
        value = _backward(stage, config, accelerator, model, batches, step)
        norm = float(accelerator.clip_grad_norm_(parameters, config.max_grad_norm))
        if not math.isfinite(value) or not math.isfinite(norm):
            raise TrainingDiverged(
                f"The loss of the {stage.name} stage is {value} (gradient norm {norm}) at "
                f"step {step}. The checkpoint of step {checkpoints.latest_step()} is kept; resume "
                "with a lower learning rate, or look for damaged images."
            )
        wrapped.step()
        wrapped.zero_grad()
        if ema:
            ema.step(parameters)
        mean = value if step == 0 else 0.99 * mean + 0.01 * value
        done = step + 1
        journal.numbers(done, loss=value, mean_loss=mean, gradient_norm=norm, learning_rate=rate)
        if stage.preview and (done % config.validation_steps == 0 or done == stage.total):
            with _averaged(ema, parameters, stage.model):
                journal.grid(done, stage.preview)
        if accelerator.is_main_process:
            if done % config.checkpointing_steps == 0 or done == stage.total:
                checkpoints.save(state, step=done, loss=mean)
            if progress:
                left = (time.monotonic() - started) / (done - first) * (stage.total - done)
                progress(Progress(stage.name, done, stage.total, mean, left))
    accelerator.wait_for_everyone()
    journal.close()
    if ema:
        ema.copy_to(parameters)
    accelerator.free_memory()
    stage.model.eval()
    return mean


def _backward(
    stage: Stage,
    config: TrainingConfig,
    accelerator: Accelerator,
    model: torch.nn.Module,
    batches: Iterator[Batch],
    step: int,
) -> float:
    """Gradients of one step, accumulated over its parts; the mean loss of all processes."""
    value, parts = 0.0, config.gradient_accumulation_steps
    for part in range(parts):
        batch = next(batches)  # before the seed is set: a loader draws when it starts
        _seed_step(config.seed, stage.name, step * parts + part, accelerator.process_index)
        with accelerator.no_sync(model) if part < parts - 1 else nullcontext():
            with accelerator.autocast():
                loss = stage.loss(model, batch) / parts
            accelerator.backward(loss)
        value += float(accelerator.reduce(loss.detach(), "mean"))
    return value


class _averaged:
    """The model as it would be used now: averaged weights, no dropout."""

    def __init__(self, ema: EMAModel | None, parameters: list, model: torch.nn.Module) -> None:
        self.ema, self.parameters, self.model = ema, parameters, model

    def __enter__(self) -> None:
        self.model.eval()
        if self.ema:
            self.ema.store(self.parameters)
            self.ema.copy_to(self.parameters)

    def __exit__(self, *_: object) -> None:
        if self.ema:
            self.ema.restore(self.parameters)
        self.model.train()


def whole_batch(config: TrainingConfig, accelerator: Accelerator, batch_size: int) -> int:
    """Samples in one step of all processes."""
    return batch_size * config.gradient_accumulation_steps * accelerator.num_processes


def _batches(
    stage: Stage, config: TrainingConfig, accelerator: Accelerator, first: int
) -> Iterator[Batch]:
    """This process's batches of steps ``first`` to ``total``; together processes share samples."""
    processes, rank = accelerator.num_processes, accelerator.process_index
    size, micros = stage.batch_size, config.gradient_accumulation_steps

    def numbers() -> Iterator[range]:
        for micro in range(first * micros, stage.total * micros):
            start = (micro * processes + rank) * size
            yield range(start, start + size)

    loader = DataLoader(
        stage.samples,
        batch_sampler=numbers(),
        num_workers=config.dataloader_num_workers,
        pin_memory=accelerator.device.type == "cuda",
    )
    for sample_numbers, prompts, values in loader:
        moved = {name: value.to(accelerator.device) for name, value in values.items()}
        yield Batch(sample_numbers, list(prompts), moved)


def _schedule(config: TrainingConfig, step: int, total: int) -> float:
    """The learning rate's factor: linear warm-up, then constant or a cosine down to 2 %."""
    warmup = min(1.0, (step + 1) / (config.lr_warmup_steps + 1))
    if config.lr_scheduler == "constant":
        return warmup
    return warmup * (0.51 + 0.49 * math.cos(math.pi * step / total))


def _seed_step(seed: int, stage: str, step: int, process: int) -> None:
    """Dropout within the model depends on nothing but this."""
    key = hashlib.sha256(f"{seed} {stage} {step} {process}".encode()).digest()
    torch.manual_seed(int.from_bytes(key[:8], "big") >> 1)
