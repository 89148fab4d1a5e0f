"""The recipe of the demonstration's three generators, trained on phantoms only.

    python -m generation.training.demo DIRECTORY

draws the phantoms and trains into DIRECTORY: a small CLIP, an autoencoder that all three share, and
on top of them Alder (MSDM), Birch (Kandinsky 2.2) and Cedar (FLUX.1), by the same functions as
``manage.py train``. The names say nothing of the family or the quality. Interrupted, the same
command goes on. ``generation/demo_checkpoints`` holds what it made with one thread each; how Alder
and Birch are sampled was settled after their training.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from generation.engine.spec import Card
from generation.phantom.captions import DEMO_PROMPTS
from generation.phantom.corpus import PhantomImage, corpus
from generation.training.bases import make_base
from generation.training.clip import train_clip
from generation.training.data import TrainingImage
from generation.training.loop import Progress
from generation.training.presets import make_config
from generation.training.registry import load_trainer

CORPUS_SIZE, CORPUS_SEED, RESOLUTION = 6000, 2024, 64
CLIP_STEPS = 5000
# All weights are trained, as the bases are new; shipped in half precision.
_WHOLE = {"rank": None, "weights_dtype": "float16", "cache_views": 1, "use_ema": True}
Report = Callable[[str, Progress], None]


def recipe(directory: Path) -> dict[str, tuple[str, str, dict]]:
    """By name: family, preset and settings of each training, in order."""
    clip, vae = directory / "clip", directory / "autoencoder" / "vae"
    kandinsky, flux = directory / "base-kandinsky", directory / "base-flux"
    return {
        # for its autoencoder; the U-Net is not used
        "autoencoder": (
            "msdm",
            "demo",
            {
                "max_train_steps": 1,
                "unet_block_out_channels": (32, 32, 32),
                "cache_latents": False,
                "train_batch_size": 1,
            },
        ),
        "alder": (
            "msdm",
            "demo",
            {
                "seed": 1,
                "max_train_steps": 3000,
                "vae": str(vae),
                "text_encoder": str(clip / "text"),
                "guidance_scale": 5.0,
            },
        ),
        "birch": (
            "kandinsky",
            "small",
            {
                **_WHOLE,
                "seed": 2,
                "pretrained_model_name_or_path": str(kandinsky / "decoder"),
                "pretrained_prior_model_name_or_path": str(kandinsky / "prior"),
                "prior_max_train_steps": 2500,
                "max_train_steps": 3500,
                "learning_rate": 2e-3,
                "prior_steps": 15,
                "prior_guidance_scale": 3.0,
                "steps": 50,
                "guidance_scale": 4.0,
            },
        ),
        "cedar": (
            "flux",
            "small",
            {
                **_WHOLE,
                "seed": 3,
                "pretrained_model_name_or_path": str(flux),
                "max_train_steps": 4500,
                "learning_rate": 2e-3,
                "steps": 20,
                "true_cfg_scale": 2.5,
            },
        ),
    }


def train_demo_checkpoints(directory: Path, progress: Report | None = None) -> dict[str, Card]:
    """Train everything that ``directory`` lacks; the generators' cards by name.

    ``progress`` gets a name and how far its training is.
    """
    images = draw_training_images(directory / "phantoms")
    captions = sorted({caption for image in images for caption in image.captions})
    clip, autoencoder = directory / "clip", directory / "autoencoder"
    trainings = recipe(directory)
    cards = {"autoencoder": _train(trainings, "autoencoder", images, directory, progress)}
    if not (clip / "vision").exists():
        config = make_config("kandinsky", "small")
        train_clip(clip, images, config=config, steps=CLIP_STEPS)
    for name in ("alder", "birch", "cedar"):
        family, _, settings = trainings[name]
        base = directory / f"base-{family}"
        if family != "msdm" and not base.exists():
            make_base(
                family,
                base,
                captions=captions,
                resolution=RESOLUTION,
                seed=settings["seed"],
                vae=autoencoder / "vae",
                clip=clip,
            )
        cards[name] = _train(trainings, name, images, directory, progress)
    return cards


def _train(
    trainings: dict[str, tuple[str, str, dict]],
    name: str,
    images: list[TrainingImage],
    directory: Path,
    progress: Report | None,
) -> Card:
    family, preset, settings = trainings[name]
    return load_trainer(family)(
        images,
        config=make_config(family, preset, settings),
        output=directory / name,
        progress=partial(progress, name) if progress else None,
        licence="Apache-2.0",
        phantom=True,
    )


def draw_training_images(directory: Path, count: int = CORPUS_SIZE) -> list[TrainingImage]:
    """The training split of the recipe's phantoms as PNG files with their captions."""
    directory.mkdir(parents=True, exist_ok=True)
    images = []
    for phantom in corpus(count, seed=CORPUS_SEED, size=RESOLUTION):
        if phantom.split == "train":
            path = directory / f"{phantom.name}.png"
            phantom.image.save(path)
            images.append(TrainingImage(phantom.name, path, _captions(phantom)))
    return images


def _captions(phantom: PhantomImage) -> tuple[str, ...]:
    """True captions, those that the demonstration asks for four times as often as others."""
    asked = {text for prompt in DEMO_PROMPTS for text in (prompt.text, prompt.rephrasing)}
    return tuple(
        caption for caption in phantom.captions for _ in range(4 if caption in asked else 1)
    )


def _print(name: str, now: Progress) -> None:
    if now.step % 100 == 0 or now.step == now.total:
        left = time.strftime("%M:%S", time.gmtime(now.seconds_left))
        print(f"{name} {now.stage} {now.step}/{now.total} loss {now.loss:.4f} {left}", flush=True)


if __name__ == "__main__":
    train_demo_checkpoints(Path(sys.argv[1]), _print)
