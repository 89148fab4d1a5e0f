"""ImageCLEF MEDVQA-GI 2024, development set: ``images/`` and ``prompt-gt.csv``.

The published table is separated by semicolons: ``Prompt;Filename``, a row for each prompt of an
image, 2,000 images. Versions with commas, other column orders and names without suffix go round.
"""

from pathlib import Path

from generation.datasets.files import ImageFolder
from generation.datasets.records import Listing, Record
from generation.datasets.tables import read_named

TABLE = "prompt-gt.csv"
_COLUMNS = {
    "prompt": ("prompt", "caption", "text"),
    "image": ("filename", "file", "image", "id", "img_id"),
}


def list_medvqa_gi(path: Path) -> Listing:
    """List all images with their prompts; without splits.

    Raises DatasetError when the folder or the table can't be read; a prompt without image and an
    image without prompt are problems of the listing.
    """
    folder = ImageFolder(path / "images")
    listing = Listing()
    for line, row in read_named(path / TABLE, names=_COLUMNS):
        where = f"{TABLE}, line {line}"
        file = folder.find(row["image"])
        if file is None:
            listing.refuse(
                f"{where}: there is no image “{row['image']}” in {folder.folder}.",
                image=row["image"],
            )
            continue
        record = listing.records.setdefault(file.name, Record(file.name, file.read_bytes))
        listing.add_caption(record, row["prompt"], where=where)
    for name in folder.names():
        if name not in listing.records:
            listing.refuse(f"{name} has no prompt in {TABLE}: add one or leave it out.", image=name)
    return listing
