"""Looking into an image's bytes: can it be decoded, is it 8-bit grey or colour, how large is it."""

import hashlib
import io
import warnings

import imagehash
import numpy as np
from PIL import Image, UnidentifiedImageError

from generation.datasets.records import Record

MAX_PIXELS = 50_000_000
HASH_SIZE = 16  # 16 × 16 = 256 bits; 64 bits can't tell endoscopy frames apart (docs/datasets.md)

# What every browser shows.
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "BMP": ".bmp"}
_PIXELS = "accepted is 8-bit grey or RGB: convert it, choosing the range of values."
_MODES = {"1", "L", "P", "RGB", "LA", "PA", "RGBA"}
_PNG_BIT_DEPTH = 24  # offset of the byte


def inspect(record: Record, data: bytes) -> str | None:
    """Fill in size, suffix and fingerprint; the problem if the image is not usable.

    Accepted are PNG, JPEG, WebP and BMP files of one frame with 8-bit grey or RGB pixels (also
    palettes, and an alpha channel that is opaque everywhere), up to `MAX_PIXELS`.
    """
    name = record.name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                record.width, record.height = image.size
                record.suffix = _SUFFIXES.get(image.format or "", "")
                if problem := _shape_problem(image, data):
                    return f"{name} {problem}"
                image.load()
                if _is_transparent(image):
                    return f"{name} is transparent in places: flatten it onto a background."
                record.fingerprint = fingerprint(image)
    except Image.DecompressionBombError:
        return f"{name} is far too large to decode: scale it down."
    except UnidentifiedImageError:
        return f"{name} can't be decoded as an image: replace it."
    except (OSError, SyntaxError, ValueError) as error:
        return f"{name} can't be decoded as an image ({error}): replace it."
    return None


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fingerprint(image: Image.Image) -> bytes:
    """The image's 256-bit perceptual hash (ImageHash's phash, by the DCT of its grey values)."""
    bits = imagehash.phash(image, hash_size=HASH_SIZE).hash
    return np.packbits(bits.ravel()).tobytes()


def _shape_problem(image: Image.Image, data: bytes) -> str | None:
    if image.format not in _SUFFIXES:
        return f"is {image.format}; accepted are {', '.join(_SUFFIXES)}: convert it."
    if image.width * image.height > MAX_PIXELS:
        return (
            f"has {image.width}×{image.height} pixels; "
            f"{MAX_PIXELS // 1_000_000} million are the most: scale it down."
        )
    if image.mode not in _MODES:
        return f"has pixels of mode {image.mode}; {_PIXELS}"
    # Pillow cuts 16-bit colour down to 8 bits without a word.
    if image.format == "PNG" and data[_PNG_BIT_DEPTH] > 8:
        return f"has {data[_PNG_BIT_DEPTH]} bits a channel; {_PIXELS}"
    if (frames := getattr(image, "n_frames", 1)) > 1:
        return f"has {frames} frames: save each that you want as an image of its own."
    return None


def _is_transparent(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    return bool((np.asarray(image.convert("RGBA"))[..., 3] < 255).any())
