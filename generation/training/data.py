"""Images with captions as an endless stream of samples, the n-th a function of (seed, n)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset
from torchvision.transforms import functional as transforms

from generation.training.cache import TensorCache
from generation.training.config import TrainingConfig


class TrainingDataError(ValueError):
    """Training data that cannot be used; the message names the file and what is wrong."""


@dataclass(frozen=True)
class TrainingImage:
    """An image file and what can truly be said of it. ``id`` is unique within the data.

    ``rephrasings`` gives, by caption, other words for it.
    """

    id: str
    path: Path
    captions: tuple[str, ...]
    rephrasings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


MODES = ("RGB", "L", "P", "1")  # and with an alpha channel that hides nothing


def read_image(path: Path) -> Image.Image:
    """The upright RGB image. Raises TrainingDataError when it cannot be decoded faithfully."""
    try:
        with Image.open(path) as image:
            image.load()
            hides = image.mode in ("RGBA", "LA") and np.asarray(image.getchannel("A")).min() < 255
            if image.mode not in (*MODES, "RGBA", "LA") or hides:
                kind = "a transparent image" if hides else f"an image of the mode {image.mode}"
                raise TrainingDataError(
                    f"{path} is {kind}; 8-bit grey or RGB is needed. Convert it, for instance with "
                    "ImageMagick: convert IN -background black -flatten -depth 8 OUT.png"
                )
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, TrainingDataError):
            raise
        raise TrainingDataError(f"The image {path} cannot be read: {error}") from error


def check_images(images: Sequence[TrainingImage], rephrasing: str = "none") -> str:
    """Decode every image once; SHA-256 (hex) of ids, texts and file contents.

    Raises TrainingDataError for no images, a repeated id, a missing caption (or, where
    ``rephrasing`` is "replace", a missing rephrasing) or an unreadable file.
    """
    if not images:
        raise TrainingDataError("There are no training images.")
    digest, seen = hashlib.sha256(), set()
    for image in images:
        if image.id in seen:
            raise TrainingDataError(f"Two training images have the id {image.id!r} ({image.path}).")
        if not any(caption.strip() for caption in image.captions):
            raise TrainingDataError(f"The image {image.path} has no caption; each needs one.")
        texts = texts_of(image, rephrasing)
        if not texts:
            raise TrainingDataError(
                f"No caption of {image.path} has a rephrasing, and the strategy is to replace them."
                " Make rephrasings first (manage.py rephrase), or choose another strategy."
            )
        seen.add(image.id)
        read_image(image.path)
        content = hashlib.sha256(image.path.read_bytes()).hexdigest()
        digest.update("\n".join([image.id, content, *texts, ""]).encode())
    return digest.hexdigest()


def check_lengths(
    images: Sequence[TrainingImage], tokens: Callable[[str], object], rephrasing: str = "none"
) -> None:
    """Raises TrainingDataError, naming text and image, where ``tokens`` refuses a text.

    ``tokens`` gives a prompt's token ids, or raises ValueError for one that would be cut.
    """
    seen: set[str] = set()
    refused: list[str] = []
    for image in images:
        for text in texts_of(image, rephrasing):
            if text in seen:
                continue
            seen.add(text)
            try:
                tokens(text)
            except ValueError as error:
                refused.append(f"A caption of {image.path} is too long. {error}")
    if refused:
        count = f" {len(refused)} captions are too long in all." if len(refused) > 1 else ""
        raise TrainingDataError(refused[0] + count)


def texts_of(image: TrainingImage, rephrasing: str = "none") -> tuple[str, ...]:
    """All prompts that this image can be trained with under a strategy (paper, section 4.3)."""
    others = tuple(text for c in image.captions for text in image.rephrasings.get(c, ()))
    if rephrasing == "none":
        return image.captions
    return others if rephrasing == "replace" else (*image.captions, *others)


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

    def __len__(self) -> int:
        return len(self.images)

    def draw(self, n: int) -> Draw:
        epoch, position = divmod(n, len(self.images))
        index = int(self._order(epoch)[position])
        rng = np.random.default_rng([self.config.seed, 1, n])
        prompt = self._prompt(self.images[index], rng)
        dropped = rng.random() < self.config.prompt_dropout
        flip = bool(rng.random() < 0.5) and dropped and self.config.random_flip
        views = self.config.cache_views if self.config.cache_latents else 2**31
        return Draw(index, int(rng.integers(views)), flip, "" if dropped else prompt)

    def _prompt(self, image: TrainingImage, rng: np.random.Generator) -> str:
        if self.config.rephrasing != "substitute":
            return str(rng.choice(texts_of(image, self.config.rephrasing)))
        caption = str(rng.choice(image.captions))
        others = image.rephrasings.get(caption, ())
        return str(rng.choice(others)) if others and rng.random() < 0.5 else caption

    def prompts(self) -> list[str]:
        """Every prompt that can be drawn, the dropped one ("") first."""
        strategy = self.config.rephrasing
        texts = (text for image in self.images for text in texts_of(image, strategy))
        return list(dict.fromkeys(["", *texts]))


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


Sample = tuple[int, str, dict[str, torch.Tensor]]


class CentreViews(Dataset):
    """Sample n for an autoencoder: n, no prompt, {"pixels": (3, size, size)}."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __getitem__(self, n: int) -> Sample:
        image = self.plan.images[self.plan.draw(n).index]
        return n, "", {"pixels": centre_view(image, self.plan.config)}


class AugmentedViews(Dataset):
    """Sample n: n, its prompt, {"pixels": (3, size, size)}."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __getitem__(self, n: int) -> Sample:
        draw = self.plan.draw(n)
        image = self.plan.images[draw.index]
        view = augmented_view(image, self.plan.config, view=draw.view, flip=draw.flip)
        return n, draw.prompt, {"pixels": view}


class CachedViews(Dataset):
    """Sample n: n, its prompt, what was encoded of the view that AugmentedViews would show.

    The cache is keyed by sample id, so that no order of images can pair an encoding with another
    image's prompt.
    """

    def __init__(self, plan: Plan, cache: TensorCache) -> None:
        self.plan, self.cache = plan, cache

    def __getitem__(self, n: int) -> Sample:
        draw = self.plan.draw(n)
        key = view_key(self.plan.images[draw.index], view=draw.view, flip=draw.flip)
        return n, draw.prompt, self.cache[key]


def view_key(image: TrainingImage, *, view: int, flip: bool) -> str:
    return f"{image.id} view {view}{' mirrored' if flip else ''}"
