"""Images with captions as an endless stream of samples, the n-th a function of (seed, n)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset
from torchvision.transforms import functional as transforms

from generation.training.config import TrainingConfig


class TrainingDataError(ValueError):
    """Training data that cannot be used; the message names the file and what is wrong."""


@dataclass(frozen=True)
class TrainingImage:
    """An image file and what can truly be said of it. ``id`` is unique within the data."""

    id: str
    path: Path
    captions: tuple[str, ...]


def read_image(path: Path) -> Image.Image:
    """The upright RGB image. Raises TrainingDataError when it cannot be decoded."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise TrainingDataError(f"The image {path} cannot be read: {error}") from error


def check_images(images: Sequence[TrainingImage]) -> str:
    """Decode every image once; SHA-256 (hex) of ids, captions and file contents.

    Raises TrainingDataError for no images, a repeated id, a missing caption or an unreadable file.
    """
    if not images:
        raise TrainingDataError("There are no training images.")
    digest, seen = hashlib.sha256(), set()
    for image in images:
        if image.id in seen:
            raise TrainingDataError(f"Two training images have the id {image.id!r} ({image.path}).")
        if not any(caption.strip() for caption in image.captions):
            raise TrainingDataError(f"The image {image.path} has no caption; each needs one.")
        seen.add(image.id)
        read_image(image.path)
        content = hashlib.sha256(image.path.read_bytes()).hexdigest()
        digest.update("\n".join([image.id, content, *image.captions, ""]).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Draw:
    """What one sample is: which image, seen how, with which prompt ("" when it was dropped)."""

    index: int
    view: int
    flip: bool
    prompt: str


class Plan:
    """The n-th draw from ``size`` images: each once an epoch, in an order of its own."""

    def __init__(self, images: Sequence[TrainingImage], config: TrainingConfig) -> None:
        self.images, self.config = images, config
        self._order = lru_cache(maxsize=2)(
            lambda epoch: np.random.default_rng([config.seed, epoch]).permutation(len(images))
        )

    def draw(self, n: int) -> Draw:
        epoch, position = divmod(n, len(self.images))
        index = int(self._order(epoch)[position])
        rng = np.random.default_rng([self.config.seed, 1, n])
        prompt = str(rng.choice(self.images[index].captions))
        dropped = rng.random() < self.config.prompt_dropout
        flip = bool(rng.random() < 0.5) and dropped and self.config.random_flip
        view = int(rng.integers(self.config.cache_views or 2**31))
        return Draw(index, view, flip, "" if dropped else prompt)


def centre_view(image: TrainingImage, config: TrainingConfig) -> torch.Tensor:
    """The autoencoder's view: the central square, float32 in [-1, 1], shape (3, size, size)."""
    size = config.resolution
    return _tensor(transforms.center_crop(_resized(image, size), size))


def augmented_view(
    image: TrainingImage, config: TrainingConfig, *, view: int, flip: bool
) -> torch.Tensor:
    """The U-Net's view number ``view``: random crop and colours; shape and range as above."""
    size = config.resolution
    key = int.from_bytes(hashlib.sha256(image.id.encode()).digest()[:8], "big")
    rng = np.random.default_rng([config.seed, key, view])
    picture = _resized(image, size)
    left = int(rng.integers(picture.width - size + 1))
    top = int(rng.integers(picture.height - size + 1))
    picture = transforms.crop(picture, top, left, size, size)
    if jitter := config.color_jitter:
        for adjust in (
            transforms.adjust_brightness,
            transforms.adjust_contrast,
            transforms.adjust_saturation,
        ):
            picture = adjust(picture, rng.uniform(1 - jitter, 1 + jitter))
    return _tensor(transforms.hflip(picture) if flip else picture)


def _resized(image: TrainingImage, size: int) -> Image.Image:
    """The image with its shorter side at ``size`` pixels."""
    return transforms.resize(
        read_image(image.path),
        size,
        transforms.InterpolationMode.BICUBIC,
        antialias=True,
    )


def _tensor(picture: Image.Image) -> torch.Tensor:
    return transforms.to_tensor(picture) * 2 - 1


class CentreViews(Dataset):
    """Sample n for the autoencoder: a tensor (3, size, size)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __getitem__(self, n: int) -> torch.Tensor:
        return centre_view(self.plan.images[self.plan.draw(n).index], self.plan.config)


class AugmentedViews(Dataset):
    """Sample n for the U-Net: (an image tensor (3, size, size), its prompt)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __getitem__(self, n: int) -> tuple[torch.Tensor, str]:
        draw = self.plan.draw(n)
        image = self.plan.images[draw.index]
        view = augmented_view(image, self.plan.config, view=draw.view, flip=draw.flip)
        return view, draw.prompt


class CachedLatents(Dataset):
    """Sample n for the U-Net: (a latent of the view that AugmentedViews would show, its prompt).

    ``latents[id]`` has shape (views, orientations, channels, height, width); keyed by sample id,
    so that no order of images can pair a latent with another image's prompt.
    """

    def __init__(self, plan: Plan, latents: dict[str, torch.Tensor]) -> None:
        self.plan, self.latents = plan, latents

    def __getitem__(self, n: int) -> tuple[torch.Tensor, str]:
        draw = self.plan.draw(n)
        return self.latents[self.plan.images[draw.index].id][draw.view, int(draw.flip)], draw.prompt
