"""The demonstration's training images: drawn phantoms with true captions."""

from __future__ import annotations

from pathlib import Path

from generation.phantom.captions import DEMO_PROMPTS
from generation.phantom.corpus import PhantomImage, corpus
from generation.training.data import TrainingImage

CORPUS_SIZE, CORPUS_SEED, RESOLUTION = 6000, 2024, 64


def draw_training_images(directory: Path) -> list[TrainingImage]:
    """The training split of the recipe's phantoms as PNG files with their captions."""
    directory.mkdir(parents=True, exist_ok=True)
    images = []
    for phantom in corpus(CORPUS_SIZE, seed=CORPUS_SEED, size=RESOLUTION):
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
