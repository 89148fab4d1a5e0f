"""An MSDM small enough to be trained within a test, and images to train it on."""

from pathlib import Path

import numpy as np
from PIL import Image

from generation.training.config import MSDMConfig
from generation.training.data import TrainingImage

TINY = MSDMConfig(
    resolution=32,
    seed=5,
    checkpointing_steps=2,
    vae_block_out_channels=(8, 8, 16),
    vae_latent_channels=4,
    vae_train_batch_size=4,
    vae_learning_rate=3e-3,
    vae_max_train_steps=4,
    text_width=16,
    text_layers=1,
    token_length=32,
    unet_block_out_channels=(32, 32),
    unet_cross_attention=(False, True),
    unet_layers_per_block=1,
    attention_heads=2,
    train_batch_size=4,
    learning_rate=1e-3,
    max_train_steps=5,
    steps=4,
    guidance_scale=2.0,
)

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


def draw_images(directory: Path, count: int = 9) -> list[TrainingImage]:
    """Noisy plain squares of three colours, with the colour in the caption."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    images = []
    for index in range(count):
        name, colour = list(COLOURS.items())[index % len(COLOURS)]
        pixels = np.clip(np.array(colour) + rng.normal(0, 12, (36, 44, 3)), 0, 255)
        path = directory / f"{index}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        images.append(TrainingImage(str(index), path, (f"a {name} square.", f"{name}")))
    return images
