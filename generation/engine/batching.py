"""Batches that shrink when memory runs out."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """``items`` in order in slices of ``size`` (the last may be shorter)."""
    if size < 1:
        raise ValueError(f"A batch holds at least 1 item, not {size}.")
    return (items[start : start + size] for start in range(0, len(items), size))


def run_batched(
    run: Callable[[Sequence[Item]], Result],
    items: Sequence[Item],
    start_size: int,
    *,
    shrunk: Callable[[int], None] = lambda size: None,
) -> Iterator[tuple[Sequence[Item], Result]]:
    """(batch, run(batch)) over all items; out of memory halves the batch and goes on.

    Lazy, so that a caller can store a batch and look for a cancellation before the next one.
    The smaller size is kept for the rest, and told to ``shrunk``. Raises the memory error itself at
    one item.
    """
    size, start = max(1, start_size), 0
    while start < len(items):
        batch = items[start : start + size]
        try:
            result = run(batch)
        except (MemoryError, RuntimeError) as error:
            if len(batch) == 1 or not out_of_memory(error):
                raise
            size = len(batch) // 2
        else:
            yield batch, result
            start += len(batch)
            continue
        free_memory()  # outside the handler: the traceback has let the batch's tensors go
        shrunk(size)


def out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text


def free_memory() -> None:
    gc.collect()
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        torch.cuda.empty_cache()
