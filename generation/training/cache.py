"""Tensors that are computed once: on disk by key, so that data may be larger than memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]
IN_MEMORY = 2**29  # bytes that are kept in memory too


class TensorCache:
    """Named tensors by key, one safetensors file each; the first ``IN_MEMORY`` bytes in memory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._memory: dict[str, Tensors] = {}
        self._room = IN_MEMORY

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.directory / name[:2] / f"{name}.safetensors"

    def __contains__(self, key: str) -> bool:
        """Whether its file is there, as long as its header says: a power cut may leave others."""
        try:
            with safe_open(self._path(key), framework="pt"):
                return True
        except (OSError, SafetensorError):
            return False

    def __getitem__(self, key: str) -> Tensors:
        if key not in self._memory:
            tensors = load_file(self._path(key))
            size = sum(tensor.nbytes for tensor in tensors.values())
            if size > self._room:
                return tensors
            self._room -= size
            self._memory[key] = tensors
        return self._memory[key]

    def __setitem__(self, key: str, tensors: Tensors) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        save_file({name: t.contiguous().cpu() for name, t in tensors.items()}, partial)
        os.replace(partial, path)

    def fill(
        self,
        keys: Sequence[str],
        compute: Callable[[Sequence[str]], Sequence[Tensors]],
        *,
        accelerator: Accelerator,
        batch: int = 16,
    ) -> None:
        """Compute what is missing or damaged; several processes share the work."""
        missing = [key for key in keys if key not in self]
        mine = missing[accelerator.process_index :: accelerator.num_processes]
        accelerator.wait_for_everyone()  # all have looked before anyone writes
        for start in range(0, len(mine), batch):
            some = mine[start : start + batch]
            for key, tensors in zip(some, compute(some), strict=True):
                self[key] = tensors
        accelerator.wait_for_everyone()
