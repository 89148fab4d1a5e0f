"""The loop that both stages share: seeded step by step, resumable, stopped by a bad loss."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch.utils.data import DataLoader, Dataset

from generation.training.checkpoints import Checkpoints, State
from generation.training.config import TrainingConfig


class TrainingDiverged(RuntimeError):
    """The loss or its gradient stopped being a number; the last good checkpoint is kept."""


@dataclass(frozen=True)
class Progress:
    """``step`` of ``total`` in ``stage`` ("vae" or "unet"); ``seconds_left`` in this stage."""

    stage: str
    step: int
    total: int
    loss: float
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One model's training. ``loss(model, batch)`` is a scalar tensor to be made small."""

    name: str
    model: torch.nn.Module
    loss: Callable[[torch.nn.Module, Any], torch.Tensor]
    samples: Dataset
    batch_size: int
    learning_rate: float
    total: int
    use_ema: bool = False


def run_stage(
    stage: Stage,
    *,
    config: TrainingConfig,
    accelerator: Accelerator,
    checkpoints: Checkpoints,
    progress: Callable[[Progress], None] | None = None,
) -> float:
    """Train ``stage.model`` in place from its newest checkpoint on; the running mean loss.

    With ``use_ema`` the model ends with its averaged weights. An exception out of ``progress``
    stops the run; it resumes from the newest checkpoint. Raises TrainingDiverged.
    """
    parameters = [p for p in stage.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=stage.learning_rate, weight_decay=0.0)
    stage.model.to(accelerator.device, memory_format=torch.channels_last).train()
    ema = EMAModel(parameters) if stage.use_ema else None
    state = State(stage.model, optimizer, ema)
    first, mean = checkpoints.restore(state)
    model, wrapped = accelerator.prepare(stage.model, optimizer)
    started = time.monotonic()
    for step, batch in enumerate(_batches(stage, config, accelerator, first), start=first):
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate * _schedule(config, step, stage.total)
        _seed_step(config.seed, stage.name, step, accelerator.process_index)
        loss = stage.loss(model, batch)
        accelerator.backward(loss)
        norm = accelerator.clip_grad_norm_(parameters, config.max_grad_norm)
        if not math.isfinite(value := loss.item()) or not torch.isfinite(norm):
            raise TrainingDiverged(
                f"The loss of the {stage.name} stage is {value} (gradient norm {float(norm)}) at "
                f"step {step}. The checkpoint of step {checkpoints.latest_step()} is kept; resume "
                "with a lower learning rate, or look for damaged images."
            )
        wrapped.step()
        wrapped.zero_grad()
        if ema:
            ema.step(parameters)
        mean = value if step == 0 else 0.99 * mean + 0.01 * value
        done = step + 1
        if accelerator.is_main_process:
            if done % config.checkpointing_steps == 0 or done == stage.total:
                checkpoints.save(state, step=done, loss=mean)
            if progress:
                left = (time.monotonic() - started) / (done - first) * (stage.total - done)
                progress(Progress(stage.name, done, stage.total, mean, left))
    accelerator.wait_for_everyone()
    if ema:
        ema.copy_to(parameters)
    accelerator.free_memory()
    stage.model.eval()
    return mean


def _batches(
    stage: Stage, config: TrainingConfig, accelerator: Accelerator, first: int
) -> Iterable[Any]:
    """This process's batches of steps ``first`` to ``total``; together processes share samples."""
    processes, rank, size = (
        accelerator.num_processes,
        accelerator.process_index,
        stage.batch_size,
    )

    def numbers() -> Iterator[range]:
        for step in range(first, stage.total):
            start = (step * processes + rank) * size
            yield range(start, start + size)

    return DataLoader(
        stage.samples,
        batch_sampler=numbers(),
        num_workers=config.dataloader_num_workers,
        pin_memory=accelerator.device.type == "cuda",
    )


def _schedule(config: TrainingConfig, step: int, total: int) -> float:
    """The learning rate's factor: linear warm-up, then constant or a cosine down to 2 %."""
    warmup = min(1.0, (step + 1) / (config.lr_warmup_steps + 1))
    if config.lr_scheduler == "constant":
        return warmup
    return warmup * (0.51 + 0.49 * math.cos(math.pi * step / total))


def _seed_step(seed: int, stage: str, step: int, process: int) -> None:
    """Noise, timesteps and dropout of a step depend on nothing but this."""
    key = hashlib.sha256(f"{seed} {stage} {step} {process}".encode()).digest()
    torch.manual_seed(int.from_bytes(key[:8], "big") >> 1)
