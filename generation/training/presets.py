"""Settings that go together: the papers', those for two cores, and the demo's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from math import isfinite
from typing import Any, get_args, get_type_hints

from generation.training.config import (
    FluxConfig,
    KandinskyConfig,
    MSDMConfig,
    StableDiffusionConfig,
    TrainingConfig,
    TrainingConfigError,
)

# A few hundred real images on two cores in about a quarter of an hour.
_SHORT: dict[str, Any] = {
    "lr_scheduler": "cosine",
    "lr_warmup_steps": 50,
    "checkpointing_steps": 200,
    "cache_latents": True,
    "cache_views": 2,
}
_SMALL_MSDM = MSDMConfig(
    resolution=128,
    **_SHORT,
    vae_block_out_channels=(24, 48, 96),
    vae_latent_channels=4,
    vae_train_batch_size=8,
    vae_learning_rate=1.5e-3,
    vae_max_train_steps=700,
    mse_weight=40.0,
    unet_block_out_channels=(64, 128, 192),
    unet_cross_attention=(False, True, True),
    unet_layers_per_block=1,
    attention_heads=4,
    dropout=0.0,
    prediction_type="v_prediction",
    train_batch_size=16,
    learning_rate=8e-4,
    max_train_steps=1200,
    color_jitter=0.1,
    steps=40,
    guidance_scale=3.0,
)

PRESETS: dict[str, dict[str, TrainingConfig]] = {
    "msdm": {
        # As published; 496.8 M parameters with its text encoder.
        "paper": MSDMConfig(
            resolution=256,
            text_encoder="openai/clip-vit-large-patch14",
            mixed_precision="bf16",
            dataloader_num_workers=8,
            train_batch_size=32,
            max_train_steps=200_000,
            checkpointing_steps=1000,
        ),
        "small": _SMALL_MSDM,
        # Drawings of 64×64 pixels.
        "demo": replace(
            _SMALL_MSDM,
            resolution=64,
            cache_views=1,
            color_jitter=0.0,
            random_flip=False,
            weights_dtype="float16",
            vae_block_out_channels=(16, 32, 48),
            vae_learning_rate=4e-3,
            vae_max_train_steps=1500,
            token_length=32,
            unet_block_out_channels=(32, 64, 96),
            learning_rate=2e-3,
            max_train_steps=3000,
            steps=25,
        ),
    },
    "kandinsky": {
        "paper": KandinskyConfig(
            resolution=256,
            mixed_precision="bf16",
            dataloader_num_workers=8,
            max_train_steps=10_000,
            prior_max_train_steps=10_000,
        ),
        "small": KandinskyConfig(resolution=64, **_SHORT, rank=16, learning_rate=1e-3, steps=25),
    },
    "flux": {
        "paper": FluxConfig(
            resolution=256,
            mixed_precision="bf16",
            gradient_checkpointing=True,
            dataloader_num_workers=8,
            train_batch_size=8,
            max_train_steps=10_000,
        ),
        "small": FluxConfig(
            resolution=64, **_SHORT, rank=16, learning_rate=1e-3, token_length=32, steps=12
        ),
    },
    "stable_diffusion": {
        # MediSyn, as published.
        "paper": StableDiffusionConfig(
            resolution=512,
            mixed_precision="bf16",
            dataloader_num_workers=8,
            train_batch_size=128,
            num_train_epochs=15,
            learning_rate=5e-5,
            checkpointing_steps=1000,
        ),
        "small": StableDiffusionConfig(
            resolution=64, **_SHORT, learning_rate=5e-4, steps=25, guidance_scale=3.0
        ),
    },
}


def make_config(
    family: str, preset: str = "paper", overrides: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """A family's preset with some settings changed; strings are read as the setting's kind.

    Raises TrainingConfigError for an unknown family, preset or setting (naming those that there
    are) and for a value of the wrong kind or out of range.
    """
    if family not in PRESETS:
        raise TrainingConfigError(
            f"There is no training for the family {family!r}; there are: {', '.join(PRESETS)}."
        )
    if preset not in PRESETS[family]:
        raise TrainingConfigError(
            f"{family} has no preset {preset!r}; it has: {', '.join(PRESETS[family])}."
        )
    config = PRESETS[family][preset]
    kinds = get_type_hints(type(config))
    known = [field.name for field in fields(config)]
    changes = {}
    for name, value in (overrides or {}).items():
        if name not in known:
            raise TrainingConfigError(
                f"{family} has no setting {name!r}; its settings are: {', '.join(known)}."
            )
        changes[name] = _read(name, value, kinds[name])
    return replace(config, **changes)


def _read(name: str, value: Any, kind: Any) -> Any:
    """``value`` as ``kind``: numbers, words, True/False, lists with commas, "none"."""
    inner = [k for k in get_args(kind) if k not in (type(None), ...)]
    if type(None) in get_args(kind):
        if value is None or str(value).lower() in ("none", ""):
            return None
        kind = inner[0]
    try:
        if str(kind).startswith("tuple"):
            parts = value.split(",") if isinstance(value, str) else value
            if inner == [str] and isinstance(value, str):
                parts = value.split("|")  # prompts have commas of their own
            return tuple(_read(name, part, inner[0]) for part in parts)
        if kind is bool:
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[
                str(value).lower()
            ]
        if isinstance(value, bool) or (kind is int and float(value) != int(float(value))):
            raise ValueError
        if kind is float and not isfinite(float(value)):
            raise ValueError
        return kind(float(value)) if kind is int else kind(value)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, kind)
        raise TrainingConfigError(f"{name} is {value!r}; {wanted} is needed.") from error
