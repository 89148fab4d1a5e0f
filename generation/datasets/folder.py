"""A folder of images and a captions file: one row for each caption of an image."""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from generation.datasets import DatasetError
from generation.datasets.tables import read_rows

SPLITS = ("train", "validation", "test")
MAX_PIXELS = 50_000_000
MAX_CAPTION = 1000  # characters


@dataclass
class Record:
    """One image: its file, split, captions, SHA-256 of its bytes and size in pixels."""

    name: str
    path: Path
    split: str
    captions: list[str] = field(default_factory=list)
    sha256: str = ""
    width: int = 0
    height: int = 0


def read_folder(
    images: Path,
    captions: Path,
    *,
    image_column: str = "image",
    caption_column: str = "caption",
    split_column: str = "split",
    progress: Callable[[int, int], None] | None = None,
) -> list[Record]:
    """Read and check everything; images of the folder that no row names are left out.

    Args:
        progress: called with (images checked, images in all).

    Raises:
        DatasetError: with every problem found: missing, unreadable, huge (over `MAX_PIXELS`) or
            duplicate images, names outside the folder, empty captions, unknown splits, an image
            in two splits, a wrong encoding, missing columns.
    """
    if not images.is_dir():
        raise DatasetError([f"{images} is not a folder."])
    problems: list[str] = []
    records: dict[str, Record] = {}
    for line, row in read_rows(captions, required={image_column, caption_column, split_column}):
        name, caption, split = row[image_column], row[caption_column], row[split_column]
        where = f"{captions.name}, line {line}"
        if problem := _row_problem(images, name, caption, split, records.get(name)):
            problems.append(f"{where}: {problem}")
            continue
        record = records.setdefault(name, Record(name, images / name, split))
        if caption in record.captions:
            problems.append(f"{where}: {name} has the caption “{caption}” twice.")
        record.captions.append(caption)
    if not records and not problems:
        problems.append(f"{captions.name} has no rows.")
    problems += _inspect_all(list(records.values()), progress)
    if problems:
        raise DatasetError(problems)
    return list(records.values())


def _row_problem(
    images: Path, name: str, caption: str, split: str, earlier: Record | None
) -> str | None:
    if not name:
        return "no image is named."
    if not (images / name).resolve().is_relative_to(images.resolve()):
        return f"“{name}” lies outside the folder of images."
    if not (images / name).is_file():
        return f"there is no image “{name}” in {images}."
    if not caption:
        return f"the caption of {name} is empty."
    if len(caption) > MAX_CAPTION:
        return f"the caption of {name} has {len(caption)} characters; {MAX_CAPTION} are the most."
    if split not in SPLITS:
        return f"there is no split “{split}”; it must be one of: {', '.join(SPLITS)}."
    if earlier and earlier.split != split:
        return f"{name} stands in the split {earlier.split} and in {split}."
    return None


def _inspect_all(
    records: list[Record], progress: Callable[[int, int], None] | None
) -> Iterator[str]:
    first: dict[str, str] = {}
    for done, record in enumerate(records, 1):
        if problem := _inspect(record):
            yield problem
        elif (twin := first.setdefault(record.sha256, record.name)) != record.name:
            yield f"{record.name} and {twin} are the same image: keep one."
        if progress:
            progress(done, len(records))


def _inspect(record: Record) -> str | None:
    """Fill in digest and size; the problem if the image is not usable."""
    data = record.path.read_bytes()
    record.sha256 = hashlib.sha256(data).hexdigest()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(record.path) as image:
                record.width, record.height = image.size
                if record.width * record.height > MAX_PIXELS:
                    return (
                        f"{record.name} has {record.width}×{record.height} pixels; "
                        f"{MAX_PIXELS // 1_000_000} million are the most: scale it down."
                    )
                image.load()
    except Image.DecompressionBombError:
        return f"{record.name} is far too large to decode: scale it down."
    except (OSError, SyntaxError, ValueError) as error:
        return f"{record.name} can't be decoded as an image ({error}): replace it."
    return None
