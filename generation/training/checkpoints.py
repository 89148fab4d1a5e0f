"""States of a half-finished run: whole or absent, the newest few kept, never a pickle."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file


class SaveFailed(OSError):
    """A state can't be written (a full disk, no permission); the message says what is left."""


@dataclass(frozen=True)
class State:
    """What changes while a stage trains: weights, their moving average, the optimizer."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    ema: EMAModel | None

    def _weights(self) -> dict[str, torch.Tensor]:
        trained = ((n, p) for n, p in self.model.named_parameters() if p.requires_grad)
        return {f"model.{name}": parameter.detach() for name, parameter in trained}

    def tensors(self) -> dict[str, torch.Tensor]:
        tensors = self._weights()
        if self.ema:
            tensors |= {f"ema.{i}": value for i, value in enumerate(self.ema.shadow_params)}
        for i, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{name}": value for name, value in values.items()}
        return {name: value.contiguous() for name, value in tensors.items()}

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor], step: int) -> None:
        for name, weight in self._weights().items():
            weight.copy_(tensors[name])
        if self.ema:
            self.ema.optimization_step = step
            for i, value in enumerate(self.ema.shadow_params):
                value.copy_(tensors[f"ema.{i}"])
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, number, name = key.split(".")
                state.setdefault(int(number), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


class Checkpoints:
    """The states of one stage in a directory: ``step-<n>.safetensors``."""

    def __init__(self, directory: Path, *, limit: int) -> None:
        self.directory, self.limit = directory, limit

    def _newest_first(self) -> list[Path]:
        return sorted(self.directory.glob("step-*.safetensors"), reverse=True)

    def save(self, state: State, *, step: int, loss: float) -> None:
        """Write the state after ``step`` steps; ``loss`` is the running mean.

        Raises SaveFailed, with the earlier states untouched, when it can't be written.
        """
        path = self.directory / f"step-{step:08}.safetensors"
        partial = path.with_suffix(".partial")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            save_file(state.tensors(), partial, metadata={"loss": json.dumps(loss)})
            os.replace(partial, path)
        except (OSError, SafetensorError) as error:
            partial.unlink(missing_ok=True)
            raise SaveFailed(
                f"The checkpoint of step {step} can't be written to {self.directory}: {error}. "
                f"That of step {self.latest_step()} is whole; make room there and resume."
            ) from error
        for old in self._newest_first()[self.limit :]:
            old.unlink()

    def restore(self, state: State) -> tuple[int, float]:
        """Put the newest state back; (steps done, running loss), (0, 0.0) when there is none."""
        newest = next(iter(self._newest_first()), None)
        if newest is None:
            return 0, 0.0
        step = int(newest.stem.removeprefix("step-"))
        state.restore(load_file(newest), step)
        with safe_open(newest, framework="pt") as file:
            return step, json.loads(file.metadata()["loss"])

    def latest_step(self) -> int:
        newest = next(iter(self._newest_first()), None)
        return int(newest.stem.removeprefix("step-")) if newest else 0
