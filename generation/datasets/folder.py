"""A folder of images and a captions file: one row for each caption of an image."""

from pathlib import Path

from generation.datasets import DatasetError
from generation.datasets.records import SPLITS, Listing, Record, caption_problem
from generation.datasets.tables import read_rows


def list_folder(
    path: Path | None = None,
    *,
    images: Path | None = None,
    captions: Path | None = None,
    image_column: str = "image",
    caption_column: str = "caption",
    split_column: str = "split",
) -> Listing:
    """List the images that the captions file names; others in the folder are left alone.

    Args:
        path: a folder with ``images/`` and ``captions.csv``, where these are not given.
        split_column: "" where the file has none.

    Raises:
        DatasetError: no folder, or no readable captions file with these columns. Every bad row
            (no such image, a name outside the folder, an empty caption, an unknown split, an
            image in two splits) is a problem of the listing.
    """
    images = images or (path and path / "images")
    captions = captions or (path and path / "captions.csv")
    if not images or not captions:
        raise DatasetError(["Name a folder with images/ and captions.csv, or both by themselves."])
    if not images.is_dir():
        raise DatasetError([f"{images} is not a folder."])
    listing = Listing()
    required = {image_column, caption_column, *filter(None, [split_column])}
    hints = {split_column: "Where there are no splits, hold images out with --holdout 0.1."}
    empty = True
    for line, row in read_rows(captions, required=required, hints=hints):
        empty = False
        where = f"{captions.name}, line {line}"
        name, caption = row[image_column], row[caption_column]
        split = row[split_column] if split_column else ""
        if problem := _row_problem(images, name, caption) or (
            _split_problem(name, split, listing.records.get(name)) if split_column else None
        ):
            listing.refuse(f"{where}: {problem}", image=name)
            continue
        record = listing.records.setdefault(name, Record(name, (images / name).read_bytes, split))
        listing.add_caption(record, caption, where=where)
    if empty:
        listing.refuse(f"{captions.name} has no rows.")
    return listing


def _row_problem(images: Path, name: str, caption: str) -> str | None:
    if not name:
        return "no image is named."
    if not (images / name).resolve().is_relative_to(images.resolve()):
        return f"“{name}” lies outside the folder of images."
    if not (images / name).is_file():
        return f"there is no image “{name}” in {images}."
    return caption_problem(name, caption)


def _split_problem(name: str, split: str, earlier: Record | None) -> str | None:
    if split not in SPLITS:
        return f"there is no split “{split}”; it must be one of: {', '.join(SPLITS)}."
    if earlier and earlier.split != split:
        return f"{name} stands in the split {earlier.split} and in {split}."
    return None
