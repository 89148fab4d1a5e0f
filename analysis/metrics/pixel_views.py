"""Images as numbers without a model: small pixels in tiles, and bits of a perceptual hash.

Each is fed and cached as an embedder is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from analysis.metrics.features import squared_distances

SIDE, TILES = 32, 4  # pixels a side, and tiles a side
HASH_SIDE = 16


@dataclass(frozen=True)
class PixelView:
    """What stands for an image, by `fingerprint` in the cache of features."""

    fingerprint: str
    vector: Callable[[Image.Image], np.ndarray]
    batch: int = 64

    def prepare(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Float32 of shape (images, dimensions)."""
        return np.stack([self.vector(image) for image in images]).astype(np.float32)

    def forward(self, batch: np.ndarray) -> np.ndarray:
        """As it is: there is no model."""
        return batch


def tile_vector(image: Image.Image) -> np.ndarray:
    """RGB from 0 to 1 at 32×32, tile after tile: shape (3072,)."""
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    side = SIDE // TILES
    values = np.asarray(small, dtype=np.float32).reshape(TILES, side, TILES, side, 3) / 255
    return values.transpose(0, 2, 1, 3, 4).ravel()


def hash_vector(image: Image.Image) -> np.ndarray:
    """The 256 bits of ImageHash's phash as 0 and 1."""
    import imagehash  # with its wavelets, which pages don't need

    return imagehash.phash(image.convert("RGB"), hash_size=HASH_SIDE).hash.ravel()


def tile_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Root mean square difference in the tile where two images differ most, 0 to 1, (n, m).

    After Carlini et al. 2023 (arXiv 2301.13188): equal backgrounds don't make images near.
    """
    size = x.shape[1] // TILES**2
    farthest = np.zeros((len(x), len(y)))
    for start in range(0, x.shape[1], size):
        tile = slice(start, start + size)
        np.maximum(farthest, squared_distances(x[:, tile], y[:, tile]), out=farthest)
    return np.sqrt(farthest / size)


def hash_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Number of bits that differ, 0 to 256, shape (n, m)."""
    return np.rint(squared_distances(x, y))


PIXEL_VIEWS = {
    "tiles": PixelView("pixel-tiles:1", tile_vector),
    "hashes": PixelView("perceptual-hash:1", hash_vector),
}
