"""How an image becomes a network's input."""

import hashlib
from dataclasses import astuple, dataclass
from functools import cached_property

import numpy as np
from PIL import Image

BICUBIC, BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
HALF = (0.5, 0.5, 0.5)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Preprocessing:
    """RGB, resized, 0 to 1, then (v − mean) / std.

    ``squash`` resizes to the square whatever the aspect; ``crop`` resizes the shortest side to
    ``size / kept`` and takes the centre.
    """

    name: str
    fit: str
    resample: Image.Resampling
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int = 224
    kept: float = 1.0

    @classmethod
    def of_model(
        cls, *, fit: str, resample: str, mean: tuple[float, ...], std: tuple[float, ...],
        size: int, kept: float = 1.0,
    ) -> "Preprocessing":  # fmt: skip
        """What a model's own configuration asks for, named by its digest."""
        named = cls(
            "", fit, Image.Resampling[resample.upper()], tuple(mean), tuple(std), size, kept
        )
        digest = hashlib.sha256(repr(astuple(named)).encode()).hexdigest()
        return cls(f"own-{digest[:6]}", *astuple(named)[1:])

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Float32 array of shape (3, size, size)."""
        if image.mode != "RGB":  # else it would be copied
            image = image.convert("RGB")
        if self.fit == "squash":
            image = image.resize((self.size, self.size), self.resample)
        else:
            scale = self.size / self.kept / min(image.size)
            width, height = (max(self.size, round(side * scale)) for side in image.size)
            image = image.resize((width, height), self.resample)
            left, top = (width - self.size) // 2, (height - self.size) // 2
            image = image.crop((left, top, left + self.size, top + self.size))
        pixels = np.asarray(image).transpose(2, 0, 1)
        return np.stack(
            [table[channel] for table, channel in zip(self._tables, pixels, strict=True)]
        )

    @cached_property
    def _tables(self) -> np.ndarray:
        """What each of 256 levels becomes in each channel: a look-up costs less than arithmetic."""
        levels = np.arange(256, dtype=np.float32) / 255
        mean, std = np.array([self.mean, self.std], dtype=np.float32)[:, :, None]
        return (levels - mean) / std
