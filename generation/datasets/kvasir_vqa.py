"""Kvasir-VQA and Kvasir-VQA-test: parquet with image, source, question, answer, img_id.

A row for each question about an image (58,849 rows, 6,500 images). The questions come from the
same annotations as the MEDVQA-GI prompts, so a question with its answer is put back into the
words of these prompts (`generation.datasets.kvasir_captions`). Source: Gautam et al. 2024,
doi 10.1145/3689096.3689458.
"""

from pathlib import Path

from generation.datasets.kvasir_captions import is_known, prompts_for
from generation.datasets.records import Listing, Record
from generation.datasets.shards import find_shards, require_columns

_COLUMNS = ["img_id", "question", "answer"]


def list_kvasir_vqa(path: Path) -> Listing:
    """List all images with their prompts. The split "raw" of Kvasir-VQA is none.

    Raises DatasetError when there are no shards, or they lack a column; an unknown question (the
    free ones of Kvasir-VQA-x1), a row without img_id and an image without prompt are problems of
    the listing.
    """
    shards = find_shards(path)
    require_columns(shards, ["image", *_COLUMNS])
    listing = Listing()
    unknown: set[str] = set()
    for shard in shards:
        for number, row in enumerate(shard.rows(_COLUMNS)):
            name, question = str(row["img_id"] or ""), row["question"] or ""
            if not name:
                listing.refuse(f"{shard.file.name}, row {number + 1}: there is no img_id.")
                continue
            reader = shard.image_reader("image", number)
            record = listing.records.setdefault(name, Record(name, reader, shard.split))
            if record.split != shard.split:
                listing.refuse(
                    f"{name} stands in the split {record.split} and in {shard.split}.", image=name
                )
            if is_known(question):
                record.captions += [
                    prompt
                    for prompt in prompts_for(question, row["answer"] or "")
                    if prompt not in record.captions
                ]
            elif question not in unknown:
                unknown.add(question)
                listing.refuse(
                    f"{shard.file.name}, row {number + 1}: “{question}” is not a question of "
                    "Kvasir-VQA; data sets of free questions have no prompts to train on."
                )
    for name, record in listing.records.items():
        if not record.captions:
            listing.refuse(f"No question about {name} gives a prompt: leave it out.", image=name)
    return listing
