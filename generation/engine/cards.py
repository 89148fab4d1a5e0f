"""Cards for checkpoints that have none: published models, and LoRAs of other trainers."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from generation.engine import families
from generation.engine.loading import (
    CARD_NAME,
    INDEX_NAME,
    CheckpointError,
    checkpoint_digest,
    checkpoint_directory,
    is_copy,
    part_directory,
    read_card,
)
from generation.engine.spec import Base, Card

LORA_NAME = "pytorch_lora_weights.safetensors"


def card_of(
    directory: Path,
    *,
    family: str = "",
    base: Mapping[str, Base] | None = None,
    settings: Mapping[str, Any] | None = None,
    token_length: int | None = None,
    licence: str = "",
) -> Card:
    """The checkpoint's card, with what is given here in place of what it says.

    A checkpoint without a card gets one from its files: parameters from its weights' headers,
    LoRA rank and alpha from the LoRA's, settings from its family's defaults. The digests of its
    bases are taken. Raises CheckpointError when it has no card and no family is given, or is
    neither a pipeline nor a LoRA; ValueError for settings that can't be.
    """
    own = (directory / CARD_NAME).is_file()
    if not own and not family:
        raise CheckpointError(
            f"{directory} has no {CARD_NAME}. If it is a published model or a LoRA of another "
            "trainer, say its family (and for a LoRA its base)."
        )
    card = read_card(directory) if own else _described(directory, family)
    if own and family and card.family != family:
        raise CheckpointError(f"{directory} is of the family {card.family}, not {family}.")
    fixed = {part: _identified(named) for part, named in (base or {}).items()}
    card = replace(
        card,
        settings=replace(card.settings, **(settings or {})),
        base={**card.base, **fixed},
        licence=licence or card.licence,
        token_length=token_length or card.token_length,
    )
    if card.lora and not card.base:
        raise CheckpointError(f"{directory} is a LoRA; name the base that it was trained on.")
    if own:
        return card
    module = import_module(f"{families.__name__}.{card.family}")
    return replace(card, parameters=_parameters(directory, card, module.Sampler.parts))


def _described(directory: Path, family: str) -> Card:
    sampler = import_module(f"{families.__name__}.{family}").Sampler
    loras = sorted(directory.glob(f"**/{LORA_NAME}"))
    if not loras and not any(directory.glob(f"**/{INDEX_NAME}")):
        raise CheckpointError(
            f"{directory} is no checkpoint: it has neither {INDEX_NAME} (a pipeline of diffusers) "
            f"nor {LORA_NAME} (a LoRA)."
        )
    return Card(
        family=family,
        settings=sampler.defaults,
        token_length=sampler.default_token_length,
        parameters={},
        licence="unknown",
        lora=_lora(loras[0]) if loras else {},
    )


def _identified(base: Base) -> Base:
    directory = checkpoint_directory(base.source, base.revision or None)
    local = Path(base.source).is_dir()
    return Base(
        str(directory.resolve()) if local else base.source,
        base.revision,
        checkpoint_digest(directory),
    )


def weights_header(path: Path) -> dict[str, Any]:
    """What a safetensors file says of itself, without its weights."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            return json.loads(file.read(length))
    except (struct.error, ValueError) as error:
        raise CheckpointError(f"{path} is no safetensors file: {error}") from error


def _lora(path: Path) -> dict[str, Any]:
    header = weights_header(path)
    said = header.pop("__metadata__", {}).get("lora_adapter_metadata")
    ranks = {t["shape"][0] for name, t in header.items() if ".lora_A." in name or ".down." in name}
    if not ranks:
        raise CheckpointError(f"{path} has no low-rank weights (lora_A) in it.")
    config = json.loads(said) if said else {}
    alpha = next((value for key, value in config.items() if key.endswith("lora_alpha")), None)
    rank = max(ranks)
    return {"rank": rank, "alpha": rank if alpha is None else alpha, "targets": {}}


def _parameters(directory: Path, card: Card, parts: tuple[str, ...]) -> dict[str, int]:
    """Parameters by model, of the bases too."""
    counts: dict[str, int] = {}
    for part in parts:
        root = part_directory(directory, card, part)
        for path in sorted(root.glob("*/*.safetensors")):
            if path.parent.name != "safety_checker" and not is_copy(path):
                counts[path.parent.name] = counts.get(path.parent.name, 0) + _size(path)
    if card.lora:
        counts["lora"] = sum(_size(path) for path in directory.glob(f"**/{LORA_NAME}"))
    return counts


def _size(path: Path) -> int:
    """Its weights; whole numbers, such as positions, are none."""
    total = 0
    for name, tensor in weights_header(path).items():
        if name != "__metadata__" and "F" in tensor["dtype"]:
            count = 1
            for length in tensor["shape"]:
                count *= length
            total += count
    return total
