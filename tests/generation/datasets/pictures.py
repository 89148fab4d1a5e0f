"""Pictures and published layouts for the readers' tests: real files, small."""

import csv
import io

import numpy as np
from PIL import Image


def picture(seed, *, size=96):
    """A smooth coloured picture, different for each seed as photographs are."""
    cells = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((size, size), Image.Resampling.BICUBIC)


def encode(image, kind="JPEG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(seed, *, quality=90):
    return encode(picture(seed), quality=quality)


def write_table(file, rows, *, delimiter=","):
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, delimiter=delimiter).writerows(rows)
