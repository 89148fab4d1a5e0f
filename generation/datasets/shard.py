"""One parquet or Arrow file with images inside: rows are streamed, an image's bytes fetched alone.

Only columns that are asked for are read. Of all parquet files together one row group is in memory
at a time; an Arrow file is memory-mapped.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq


class Shard(ABC):
    """One file of a data set: its split ("" where nothing tells it) and its rows.

    Raises pyarrow's errors or OSError when it can't be opened.
    """

    schema: pa.Schema

    def __init__(self, file: Path, split: str) -> None:
        self.file, self.split = file, split

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

    def image_reader(self, column: str, row: int) -> Callable[[], bytes]:
        return partial(self.image, column, row)

    def image_names(self, column: str) -> Iterator[str]:
        """The file name that each image came with, "" for none; no image is read."""
        kind = self.schema.field(column).type
        if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0:
            for path in self._paths(column):
                yield Path(path or "").name
        else:
            yield from ("" for _ in range(self.count()))

    @abstractmethod
    def count(self) -> int:
        """Number of rows."""

    @abstractmethod
    def rows(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        """The rows as dicts of these columns, a batch at a time."""

    @abstractmethod
    def _paths(self, column: str) -> Iterator[str | None]: ...

    @abstractmethod
    def _cell(self, column: str, row: int) -> Any: ...

    def _beside(self, path: str) -> Path:
        file = (self.file.parent / path).resolve()
        if not file.is_relative_to(self.file.parent.resolve()) or not file.is_file():
            raise ValueError(f"the image file “{path}” is not beside {self.file.name}")
        return file


class ParquetShard(Shard):
    # Records stand in the order of their files, so that each row group is read once a pass.
    _held: ClassVar[tuple[object, pa.ChunkedArray] | None] = None

    def __init__(self, file: Path, split: str) -> None:
        super().__init__(file, split)
        metadata = pq.read_metadata(file)
        self.schema = metadata.schema.to_arrow_schema()
        sizes = (metadata.row_group(n).num_rows for n in range(metadata.num_row_groups))
        self._ends = list(accumulate(sizes))

    def count(self) -> int:
        return self._ends[-1] if self._ends else 0

    def rows(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        for batch in self._batches(columns):
            yield from batch.to_pylist()

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.file) as parquet:
            yield from parquet.iter_batches(batch_size=1024, columns=columns)

    def _paths(self, column: str) -> Iterator[str | None]:
        for batch in self._batches([f"{column}.path"]):
            yield from batch.column(0).field("path").to_pylist()

    def _cell(self, column: str, row: int) -> Any:
        group = bisect_right(self._ends, row)
        start = self._ends[group - 1] if group else 0
        return self._row_group(group, column)[row - start].as_py()

    def _row_group(self, group: int, column: str) -> pa.ChunkedArray:
        key = (self, group, column)
        if ParquetShard._held is None or ParquetShard._held[0] != key:
            ParquetShard._held = None  # let go before the next is read
            with pq.ParquetFile(self.file) as parquet:
                table = parquet.read_row_group(group, columns=[column])
            ParquetShard._held = (key, table[column])
            return table[column]
        return ParquetShard._held[1]


class ArrowShard(Shard):
    def __init__(self, file: Path, split: str) -> None:
        super().__init__(file, split)
        source = pa.memory_map(str(file))
        try:
            self._table = pa.ipc.open_stream(source).read_all()
        except pa.ArrowInvalid:
            self._table = pa.ipc.open_file(source).read_all()
        self.schema = self._table.schema

    def count(self) -> int:
        return self._table.num_rows

    def rows(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        for batch in self._table.select(columns).to_batches(max_chunksize=1024):
            yield from batch.to_pylist()

    def _paths(self, column: str) -> Iterator[str | None]:
        for chunk in self._table[column].chunks:
            yield from chunk.field("path").to_pylist()

    def _cell(self, column: str, row: int) -> Any:
        return self._table[column][row].as_py()
