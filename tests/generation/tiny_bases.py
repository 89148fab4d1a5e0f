"""Bases from which a training takes seconds, and how it is set up."""

from pathlib import Path
from typing import Any

from generation.training.bases import make_base
from generation.training.config import TrainingConfig
from generation.training.presets import make_config

FAMILIES = ("flux", "kandinsky", "stable_diffusion")
CAPTIONS = [text for name in ("red", "green", "blue") for text in (f"a {name} square.", name)]

_ALL: dict[str, Any] = {
    "resolution": 32,
    "seed": 5,
    "report_to": "none",
    "cache_latents": False,
    "checkpointing_steps": 2,
    "lr_warmup_steps": 0,
    "train_batch_size": 4,
    "max_train_steps": 4,
    "steps": 3,
}
_OWN: dict[str, dict[str, Any]] = {
    "flux": {"rank": 2, "token_length": 16},
    "kandinsky": {"rank": 2, "prior_max_train_steps": 4, "prior_steps": 2},
    "stable_diffusion": {},
}


def tiny_base(family: str, directory: Path, **saving) -> Path:
    """A base for 32×32 pixels that knows ``tiny_msdm.draw_images``'s captions."""
    return make_base(family, directory, captions=CAPTIONS, resolution=32, **saving)


def tiny_config(family: str, base: Path, **changes) -> TrainingConfig:
    """Four steps on ``base``, sampled in three; ``changes`` by the configuration's names."""
    names = {"pretrained_model_name_or_path": str(base)}
    if family == "kandinsky":
        names = {
            "pretrained_model_name_or_path": str(base / "decoder"),
            "pretrained_prior_model_name_or_path": str(base / "prior"),
        }
    return make_config(family, "small", {**_ALL, **_OWN[family], **names, **changes})
