"""Where models run, and in which number format."""

from __future__ import annotations

import os

import torch


def choose_device(name: str = "auto") -> tuple[torch.device, torch.dtype]:
    """The device ("auto": a GPU when there is one) and its format: bfloat16 on CUDA, else float32.

    On a CPU torch gets one thread unless OMP_NUM_THREADS says otherwise: beside a web server on
    two cores a second thread made sampling 10 to 50 times slower. Raises ValueError when the
    device does not exist.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"Unknown device {name!r}; try cpu or cuda.") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError(f"The device {name} was asked for, but this machine has no CUDA GPU.")
        return device, torch.bfloat16
    if device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    return device, torch.float32


def device_name(device: torch.device) -> str:
    """The device as provenance names it: the GPU's model, or the type."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
