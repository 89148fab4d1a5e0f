"""How a generator is sampled fastest on a GPU: measured there, not guessed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from generation.engine.batching import free_memory, out_of_memory
from generation.engine.spec import Tuning

if TYPE_CHECKING:
    from generation.engine.pipeline import PipelineSampler

logger = logging.getLogger(__name__)
COMPILED = "compiled"
CPU_BATCH = 10  # images; larger ones are no faster there (docs/performance.md)
STEPS = 4  # enough to measure with
GAIN = 1.05  # compiled code must be so many times faster to be worth another rounding
RESERVE = 0.9  # of the memory may be filled


def tune(sampler: PipelineSampler, most: int) -> Tuning:
    """The largest batch (at most ``most`` images) in memory, and whether compiling pays.

    On a CPU nothing is measured: a batch of `CPU_BATCH`.
    """
    if sampler.device.type != "cuda":
        return Tuning(min(CPU_BATCH, most))
    few = replace(sampler.settings, steps=min(STEPS, sampler.settings.steps))
    whole, sampler.settings = sampler.settings, few
    try:
        size = fitting_batch(lambda n: _peak(sampler, n), _memory(sampler), most)
        return Tuning(size, (COMPILED,) if _pays_to_compile(sampler, size) else ())
    finally:
        sampler.settings = whole


def fitting_batch(peak: Callable[[int], int], memory: int, most: int) -> int:
    """How many images fit in ``memory`` bytes, from the peaks (bytes) of two small batches.

    Memory grows linearly with the batch, beyond the weights. Raises the memory error of a single
    image; where two are too many, it is one.
    """
    one = peak(1)
    few = min(4, most)
    if few == 1:
        return 1
    try:
        each = (peak(few) - one) / (few - 1)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        free_memory()
        return 1
    room = RESERVE * memory - one
    return most if each <= 0 else max(1, min(most, 1 + int(room / each)))


def _pays_to_compile(sampler: PipelineSampler, size: int) -> bool:
    plain = _seconds(sampler, size)
    sampler.use([COMPILED])
    try:
        _seconds(sampler, size)  # compiles
        return _seconds(sampler, size) * GAIN < plain
    except RuntimeError as error:  # no compiler on this machine, or none that can do it
        logger.warning("Not compiled: %s", error)
        return False
    finally:
        sampler.use([])


def _sample(sampler: PipelineSampler, size: int) -> None:
    sampler.sample([""] * size, range(size))
    torch.cuda.synchronize(sampler.device)


def _seconds(sampler: PipelineSampler, size: int) -> float:
    began = time.monotonic()
    _sample(sampler, size)
    return time.monotonic() - began


def _peak(sampler: PipelineSampler, size: int) -> int:
    torch.cuda.reset_peak_memory_stats(sampler.device)
    _sample(sampler, size)
    return torch.cuda.max_memory_allocated(sampler.device)


def _memory(sampler: PipelineSampler) -> int:
    """Bytes that this process has or could have."""
    free, _ = torch.cuda.mem_get_info(sampler.device)
    return free + torch.cuda.memory_reserved(sampler.device)
