"""Parquet and Arrow files with images inside: rows are streamed, an image's bytes fetched alone.

Only columns that are asked for are read. Of a parquet file one row group is in memory at a time;
an Arrow file is memory-mapped.
"""

import json
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from generation.datasets import DatasetError
from generation.datasets.records import split_of

_OF = re.compile(r"-(\d{5})-of-(\d{5})")


class Shard:
    """One file of a data set: its split ("" where its name tells none) and its rows."""

    def __init__(self, file: Path, split: str) -> None:
        self.file, self.split = file, split
        self.columns: list[str] = _schema(file).names

    def rows(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        """The rows as dicts of these columns, a batch at a time."""
        batches = _parquet_batches if self.file.suffix == ".parquet" else _arrow_batches
        for batch in batches(self.file, columns):
            yield from batch.to_pylist()

    def image(self, column: str, row: int) -> bytes:
        """The bytes of the image in a cell: binary, or Hugging Face's {bytes, path}.

        Raises ValueError when the cell holds none.
        """
        cell = self._cell(column, row)
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if data is None and isinstance(cell, dict) and cell.get("path"):
            return self._beside(cell["path"]).read_bytes()
        if not isinstance(data, bytes):
            raise ValueError(f"row {row + 1} of {self.file.name} holds no image")
        return data

    def image_reader(self, column: str, row: int) -> "partial[bytes]":
        return partial(self.image, column, row)

    def image_names(self, column: str) -> Iterator[str]:
        """The file name that each image came with, "" for none; no image is read."""
        kind = _schema(self.file).field(column).type
        if not (pa.types.is_struct(kind) and kind.get_field_index("path") >= 0):
            yield from ("" for _ in range(self.count()))
            return
        for path in self._paths(column):
            yield Path(path or "").name

    def _paths(self, column: str) -> Iterator[str | None]:
        if self.file.suffix == ".parquet":
            for batch in _parquet_batches(self.file, [f"{column}.path"]):
                yield from batch.column(0).field("path").to_pylist()
        else:
            for chunk in _arrow(self.file)[column].chunks:
                yield from chunk.field("path").to_pylist()

    def count(self) -> int:
        if self.file.suffix == ".parquet":
            return pq.read_metadata(self.file).num_rows
        return _arrow(self.file).num_rows

    def _cell(self, column: str, row: int) -> Any:
        if self.file.suffix == ".arrow":
            return _arrow(self.file)[column][row].as_py()
        ends = _row_group_ends(self.file)
        group = bisect_right(ends, row)
        return _row_group(self.file, group, column)[row - (ends[group - 1] if group else 0)].as_py()

    def _beside(self, path: str) -> Path:
        file = (self.file.parent / path).resolve()
        if not file.is_relative_to(self.file.parent.resolve()) or not file.is_file():
            raise ValueError(f"the image file “{path}” is not beside {self.file.name}")
        return file


def find_shards(path: Path) -> list[Shard]:
    """The shards of a folder: as `datasets.save_to_disk` wrote it, or of parquet files.

    The split is the one that `save_to_disk` noted, else that which a part of the parquet file's
    path names ("data/train-00000-of-00002.parquet").

    Raises:
        DatasetError: there are none, some of a series are missing, or one can't be opened.
    """
    if not path.is_dir():
        raise DatasetError([f"{path} is not a folder."])
    found = list(_saved(path)) or [
        (file, _split_in(file.relative_to(path))) for file in sorted(path.rglob("*.parquet"))
    ]
    if not found:
        raise DatasetError(
            [f"{path} holds neither a data set of datasets.save_to_disk nor parquet files."]
        )
    problems = [f"{file} is missing." for file, _ in found if not file.is_file()]
    problems += _gaps([file for file, _ in found])
    shards = []
    for file, split in found:
        if file.is_file():
            try:
                shards.append(Shard(file, split))
            except (OSError, pa.ArrowException) as error:
                problems.append(f"{file} can't be read ({error}): fetch it again.")
    if problems:
        raise DatasetError(problems)
    return shards


def require_columns(shards: list[Shard], columns: list[str]) -> None:
    """Raises DatasetError naming the shards that lack one of these columns."""
    problems = [
        f"{shard.file.name} has no column {', '.join(missing)}; "
        f"its columns are: {', '.join(shard.columns)}."
        for shard in shards
        if (missing := [column for column in columns if column not in shard.columns])
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


def _schema(file: Path) -> pa.Schema:
    return pq.read_schema(file) if file.suffix == ".parquet" else _arrow(file).schema


def _parquet_batches(file: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file) as parquet:
        yield from parquet.iter_batches(batch_size=1024, columns=columns)


def _arrow_batches(file: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    yield from _arrow(file).select(columns).to_batches(max_chunksize=1024)


@lru_cache(maxsize=64)
def _arrow(file: Path) -> pa.Table:
    """The file's table, memory-mapped: pages are read when touched and dropped when needed."""
    source = pa.memory_map(str(file))
    try:
        return pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid:
        return pa.ipc.open_file(source).read_all()


@lru_cache(maxsize=64)
def _row_group_ends(file: Path) -> list[int]:
    metadata = pq.read_metadata(file)
    return list(accumulate(metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)))


@lru_cache(maxsize=1)  # records stand in the order of the file, so that each is read once a pass
def _row_group(file: Path, group: int, column: str) -> pa.ChunkedArray:
    with pq.ParquetFile(file) as parquet:
        return parquet.read_row_group(group, columns=[column])[column]
