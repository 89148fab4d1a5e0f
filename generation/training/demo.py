"""The recipe of the demonstration's three generators, trained on phantoms only.

    python -m generation.training.demo DIRECTORY [NAME ...]

draws the phantoms and trains each generator into DIRECTORY/<name>. They differ in size and in
training time, and so in quality; their names say nothing of it. Interrupted, the same command goes
on. ``generation/demo_checkpoints`` holds what it made with one thread a generator; Alder was
stopped and resumed while its number of steps was settled, so a run in one go differs from it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from generation.engine.spec import Card
from generation.phantom.captions import DEMO_PROMPTS
from generation.phantom.corpus import PhantomImage, corpus
from generation.training.config import DEMO, TrainingConfig
from generation.training.data import TrainingImage
from generation.training.loop import Progress
from generation.training.msdm import train_msdm

CORPUS_SIZE, CORPUS_SEED = 1500, 2024
LIGHT = replace(DEMO, unet_block_out_channels=(32, 64))

RECIPES: dict[str, TrainingConfig] = {
    "alder": replace(DEMO, seed=1, vae_max_train_steps=1500, max_train_steps=4800),
    "birch": replace(LIGHT, seed=2, vae_max_train_steps=700, max_train_steps=1500),
    "cedar": replace(
        LIGHT,
        seed=3,
        vae_block_out_channels=(8, 16, 16, 32),
        unet_block_out_channels=(32, 32),
        vae_max_train_steps=250,
        max_train_steps=300,
    ),
}


def draw_training_images(directory: Path) -> list[TrainingImage]:
    """The training split of the recipe's phantoms as PNG files with their captions."""
    images = []
    for phantom in corpus(CORPUS_SIZE, seed=CORPUS_SEED, size=DEMO.resolution):
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


def train_demo_checkpoints(
    output: Path,
    progress: Callable[[str, Progress], None] | None = None,
    names: list[str] | None = None,
) -> dict[str, Card]:
    """Train the generators (all, or those in ``names``) into ``output``/<name>; their cards.

    ``progress`` gets the generator's name and how far it is. Raises KeyError for an unknown name.
    """
    recipes = {name: RECIPES[name] for name in names or RECIPES}
    output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        images = draw_training_images(Path(folder))
        return {
            name: train_msdm(
                images,
                config=config,
                output=output / name,
                progress=partial(progress, name) if progress else None,
                licence="Apache-2.0",
                phantom=True,
            )
            for name, config in recipes.items()
        }


def _print(name: str, now: Progress) -> None:
    if now.step % 100 == 0 or now.step == now.total:
        left = time.strftime("%M:%S", time.gmtime(now.seconds_left))
        print(f"{name} {now.stage} {now.step}/{now.total} loss {now.loss:.4f} {left}", flush=True)


if __name__ == "__main__":
    train_demo_checkpoints(Path(sys.argv[1]), _print, sys.argv[2:] or None)
