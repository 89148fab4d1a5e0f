"""Families of generators: each module in ``families/`` is one, imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from generation.engine import families
from generation.engine.loading import checkpoint_directory, read_card
from generation.engine.spec import Card, Sampler, Settings

FAMILIES = tuple(sorted(module.name for module in iter_modules(families.__path__)))


def load_sampler(
    family: str,
    checkpoint: str | Path,
    *,
    card: Card | None = None,
    settings: Settings | None = None,
    device: str = "auto",
    revision: str | None = None,
) -> Sampler:
    """A sampler of ``family`` from a local directory or a hub repository.

    ``card`` is needed where the checkpoint has none of its own (as published models have none);
    ``settings`` default to the card's. Raises ValueError for an unknown family and
    CheckpointError when the checkpoint or its base is missing, unreachable, unsafe or malformed.
    """
    if family not in FAMILIES:
        raise ValueError(f"Unknown family {family!r}; known: {', '.join(FAMILIES)}.")
    directory = checkpoint_directory(checkpoint, revision)
    module = import_module(f"{families.__name__}.{family}")
    card = card or read_card(directory)
    return module.Sampler(directory, card=card, settings=settings or card.settings, device=device)
