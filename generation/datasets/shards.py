"""Finding the parquet and Arrow files of a data set, and which split each belongs to."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from generation.datasets import DatasetError
from generation.datasets.records import split_of
from generation.datasets.shard import ArrowShard, ParquetShard, Shard

_OF = re.compile(r"-(\d{5})-of-(\d{5})")


def find_shards(path: Path) -> list[Shard]:
    """The shards of a folder: as `datasets.save_to_disk` wrote it, or of parquet files.

    The split is the one that `save_to_disk` noted, else that which a part of the parquet file's
    path names ("data/train-00000-of-00002.parquet").

    Raises:
        DatasetError: there are none, some of a series are missing, or one can't be opened.
    """
    if not path.is_dir():
        raise DatasetError([f"{path} is not a folder."])
    try:
        found = list(_saved(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            [f"The JSON files of datasets.save_to_disk in {path} can't be read ({error!r})."]
        ) from error
    found = found or [
        (file, _split_in(file.relative_to(path))) for file in sorted(path.rglob("*.parquet"))
    ]
    if not found:
        raise DatasetError(
            [f"{path} holds neither a data set of datasets.save_to_disk nor parquet files."]
        )
    problems = [f"{file} is missing." for file, _ in found if not file.is_file()]
    problems += _gaps([file for file, _ in found if file.suffix == ".parquet"])
    shards: list[Shard] = []
    for file, split in found:
        if file.is_file():
            kind = ParquetShard if file.suffix == ".parquet" else ArrowShard
            try:
                shards.append(kind(file, split))
            except (OSError, pa.ArrowException) as error:
                problems.append(f"{file} can't be read ({error}): fetch it again.")
    if problems:
        raise DatasetError(problems)
    return shards


def require_columns(shards: list[Shard], columns: list[str]) -> None:
    """Raises DatasetError naming the shards that lack one of these columns."""
    problems = [
        f"{shard.file.name} has no column {', '.join(missing)}; "
        f"its columns are: {', '.join(shard.schema.names)}."
        for shard in shards
        if (missing := [column for column in columns if column not in shard.schema.names])
    ]
    if problems:
        raise DatasetError(problems)


def _saved(path: Path) -> Iterator[tuple[Path, str]]:
    if (path / "dataset_dict.json").is_file():
        for split in json.loads((path / "dataset_dict.json").read_text())["splits"]:
            for file, _ in _saved(path / split):
                yield file, split_of(split)
    elif (path / "state.json").is_file():
        state = json.loads((path / "state.json").read_text())
        for data_file in state["_data_files"]:
            yield path / data_file["filename"], split_of(state.get("_split") or "")


def _split_in(file: Path) -> str:
    words = re.split(r"[^A-Za-z]+", str(file.with_suffix("")))
    return next(filter(None, map(split_of, words)), "")


def _gaps(files: list[Path]) -> Iterator[str]:
    """What a series such as train-00000-of-00003.parquet lacks."""
    series: dict[tuple[Path, str, int], set[int]] = defaultdict(set)
    for file in files:
        if found := _OF.search(file.name):
            series[file.parent, file.name[: found.start()], int(found[2])].add(int(found[1]))
    for (folder, start, total), there in series.items():
        for number in sorted(set(range(total)) - there):
            yield f"{folder / start}-{number:05d}-of-{total:05d} is missing: fetch it too."
