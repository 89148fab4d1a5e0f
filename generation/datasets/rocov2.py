"""ROCOv2: ``{train,valid,test}_images/`` and ``{train,valid,test}_captions.csv`` (ID, Caption).

The archives unpack to ``train_images/`` or ``train/``; both are read. Source: Rückert et al.,
"ROCOv2: Radiology Objects in COntext version 2", Scientific Data 11:688 (2024).
"""

from pathlib import Path

from generation.datasets import DatasetError
from generation.datasets.files import ImageFolder
from generation.datasets.records import Listing, Record, split_of
from generation.datasets.tables import read_named

_SPLITS = ("train", "valid", "test")
_COLUMNS = {"image": ("id", "image", "name"), "caption": ("caption",)}


def list_rocov2(path: Path) -> Listing:
    """List the images of the splits that are there, each with its caption and split.

    Raises DatasetError when there is no split's table, or a table without its images; a caption
    without image and an image without caption are problems of the listing.
    """
    listing = Listing()
    tables = [(split, path / f"{split}_captions.csv") for split in _SPLITS]
    there = [(split, table) for split, table in tables if table.is_file()]
    if not there:
        names = ", ".join(table.name for _, table in tables)
        raise DatasetError([f"{path} has none of {names}: name the folder that ROCOv2 is in."])
    for split, table in there:
        _list_split(listing, path, split, table)
    return listing


def _list_split(listing: Listing, path: Path, split: str, table: Path) -> None:
    images = path / f"{split}_images"
    folder = ImageFolder(images if images.is_dir() else path / split)
    for line, row in read_named(table, names=_COLUMNS):
        where = f"{table.name}, line {line}"
        name = row["image"]
        file = folder.find(name)
        if file is None:
            listing.refuse(f"{where}: there is no image “{name}” in {folder.folder}.", image=name)
            continue
        record = listing.records.setdefault(
            file.name, Record(file.name, file.read_bytes, split_of(split))
        )
        if record.split != split_of(split):
            listing.refuse(
                f"{where}: {file.name} stands in the split {record.split} and in {split}.",
                image=file.name,
            )
            continue
        listing.add_caption(record, row["caption"], where=where)
    for name in folder.names():
        if name not in listing.records:
            listing.refuse(
                f"{name} has no caption in {table.name}: add one or leave it out.", image=name
            )
