"""Families of generators by name; each one's module is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from generation.engine.loading import checkpoint_directory
from generation.engine.spec import Sampler, Settings

FAMILIES = {
    "msdm": "generation.engine.msdm.MSDMSampler",
}


def load_sampler(
    family: str,
    checkpoint: str | Path,
    *,
    settings: Settings | None = None,
    device: str = "auto",
    revision: str | None = None,
) -> Sampler:
    """A sampler of ``family`` from a local directory or a hub repository.

    ``settings`` default to the checkpoint card's. Raises ValueError for an unknown family and
    CheckpointError when the checkpoint is missing, unreachable, unsafe or malformed.
    """
    if family not in FAMILIES:
        raise ValueError(f"Unknown family {family!r}; known: {', '.join(FAMILIES)}.")
    module, name = FAMILIES[family].rsplit(".", 1)
    directory = checkpoint_directory(checkpoint, revision)
    return getattr(import_module(module), name)(directory, settings=settings, device=device)
