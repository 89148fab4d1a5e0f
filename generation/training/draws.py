"""Random numbers of samples: a function of (seed, stage, sample) alone.

So a step is the same on one process or several, in one batch or accumulated, resumed or not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch


class Draws:
    """The random numbers of one stage; ``batch`` is the number of samples in a whole step."""

    def __init__(self, seed: int, stage: str, batch: int) -> None:
        self.key, self.batch = f"{seed} {stage}", batch

    def _generator(self, kind: str, number: int) -> torch.Generator:
        digest = hashlib.sha256(f"{self.key} {kind} {number}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)

    def normal(self, numbers: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Standard normal noise for samples ``numbers``, of the shape and on the device of
        ``like``."""
        return self.normal_of(numbers, like.shape[1:]).to(like.device, like.dtype)

    def normal_of(self, numbers: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        rows = [
            torch.randn(*shape, generator=self._generator("noise", int(number)))
            for number in numbers
        ]
        return torch.stack(rows)

    def uniform(self, numbers: torch.Tensor) -> torch.Tensor:
        """Numbers in [0, 1), one in each of ``batch`` equal parts within a step: uniform, with
        less spread than chance."""
        chance = [
            float(torch.rand((), generator=self._generator("time", int(number))))
            for number in numbers
        ]
        return (numbers % self.batch + torch.tensor(chance)) / self.batch
