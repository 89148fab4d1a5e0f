"""Kvasir-VQA and Kvasir-VQA-test: a row for each question about an image.

Published as parquet (image, source, question, answer, img_id; 58,849 rows, 6,500 images); its page
also tells how to write it out as ``metadata.csv`` and ``images/<img_id>.jpg``. Both are read. The
questions come from the same annotations as the MEDVQA-GI prompts, so a question with its answer is
put back into the words of these prompts (`generation.datasets.kvasir_captions`). Source: Gautam
et al. 2024, doi 10.1145/3689096.3689458.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from generation.datasets.files import ImageFolder
from generation.datasets.kvasir_captions import is_known, prompts_for
from generation.datasets.records import Listing, Record
from generation.datasets.shards import find_shards, require_columns
from generation.datasets.tables import read_named

TABLE = "metadata.csv"
_COLUMNS = ["img_id", "question", "answer"]


@dataclass(frozen=True)
class _Row:
    where: str
    name: str
    question: str
    answer: str
    read: Callable[[], bytes] | None  # None: there is no such image
    split: str = ""


def list_kvasir_vqa(path: Path) -> Listing:
    """List all images with their prompts. The split "raw" of Kvasir-VQA is none.

    Raises DatasetError when there are no shards and no table, or they lack a column; an unknown
    question (the free ones of Kvasir-VQA-x1), a row without image or img_id, and an image without
    prompt are problems of the listing.
    """
    listing = Listing()
    unknown: set[str] = set()
    rows = _table_rows(path) if (path / TABLE).is_file() else _shard_rows(path)
    for row in rows:
        record = _record(listing, row)
        if is_known(row.question):
            prompts = prompts_for(row.question, row.answer) if record else []
            for prompt in prompts:
                if record and prompt not in record.captions:
                    record.captions.append(prompt)
        elif row.question not in unknown:
            unknown.add(row.question)
            listing.refuse(
                f"{row.where}: “{row.question}” is not a question of Kvasir-VQA; data sets of "
                "free questions have no prompts to train on."
            )
    for name, record in listing.records.items():
        if not record.captions:
            listing.refuse(f"No question about {name} gives a prompt: leave it out.", image=name)
    return listing


def _record(listing: Listing, row: _Row) -> Record | None:
    if not row.name:
        listing.refuse(f"{row.where}: there is no img_id.")
        return None
    if row.read is None:
        listing.refuse(f"{row.where}: there is no image “{row.name}”.", image=row.name)
        return None
    record = listing.records.setdefault(row.name, Record(row.name, row.read, row.split))
    if record.split != row.split:
        listing.refuse(
            f"{row.name} stands in the split {record.split} and in {row.split}.", image=row.name
        )
    return record


def _shard_rows(path: Path) -> Iterator[_Row]:
    shards = find_shards(path)
    require_columns(shards, ["image", *_COLUMNS])
    for shard in shards:
        for number, cells in enumerate(shard.rows(_COLUMNS)):
            where = f"{shard.file.name}, row {number + 1}"
            name, question, answer = (str(cells[column] or "") for column in _COLUMNS)
            read = shard.image_reader("image", number)
            yield _Row(where, name, question, answer, read, shard.split)


def _table_rows(path: Path) -> Iterator[_Row]:
    folder = ImageFolder(path / "images")
    for line, cells in read_named(path / TABLE, names={column: [column] for column in _COLUMNS}):
        file = folder.find(cells["img_id"])
        where = f"{TABLE}, line {line}"
        read = file.read_bytes if file else None
        yield _Row(where, cells["img_id"], cells["question"], cells["answer"], read)
