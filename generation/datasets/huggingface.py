"""A Hugging Face data set on disk: `save_to_disk`'s Arrow files, or a folder of parquet shards.

A row is an (image, caption) pair or an image with a list of captions; rows whose images have the
same bytes are one image, so that the split is by image whatever the rows are.
"""

from pathlib import Path

from generation.datasets.records import Listing, Record
from generation.datasets.shard import Shard
from generation.datasets.shards import find_shards, require_columns


def list_huggingface(
    path: Path, *, image_column: str = "image", caption_column: str = "caption"
) -> Listing:
    """List a record for each row. A data set whose only split is called "train" has no split.

    Raises DatasetError when there are no shards, or they lack a column; an empty caption is a
    problem of the listing.
    """
    shards = find_shards(path)
    require_columns(shards, [image_column, caption_column])
    unsplit = {shard.split for shard in shards} == {"train"}
    listing = Listing(rows_are_pairs=True)
    for shard in shards:
        _list_shard(listing, shard, image_column, caption_column, "" if unsplit else shard.split)
    return listing


def _list_shard(
    listing: Listing, shard: Shard, image_column: str, caption_column: str, split: str
) -> None:
    names = shard.image_names(image_column)
    for row, (cells, file) in enumerate(zip(shard.rows([caption_column]), names, strict=True)):
        name = file or f"{shard.file.stem}-{row + 1}"
        if name in listing.records:
            name = f"{shard.file.stem}-{row + 1}-{file}"
        record = Record(name, shard.image_reader(image_column, row), split)
        listing.records[name] = record
        texts = cells[caption_column]
        for text in texts if isinstance(texts, list) and texts else [texts]:
            if isinstance(text, str | None):
                where = f"{shard.file.name}, row {row + 1}"
                listing.add_caption(record, (text or "").strip(), where=where)
            else:
                listing.refuse(
                    f"{shard.file.name}, row {row + 1}: the caption is {type(text).__name__}, "
                    "not text: name the column of captions.",
                    image=name,
                )
