"""Tables as CSV and Parquet, and back from CSV: what stands in a cell, and what it means."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from analysis.cells import harmless, original
from analysis.takeout import TakeoutError

if TYPE_CHECKING:
    from analysis.takeout.arriving import Arriving
    from analysis.takeout.leaving import Leaving

csv.field_size_limit(2**26)  # a model's card may be long
Row = dict[str, Any]


class Kind(StrEnum):
    """What a column holds; where it is empty, nothing is known or it does not apply."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    YES_NO = "true or false"
    TIME = "time (UTC)"
    JSON = "JSON"


@dataclass(frozen=True)
class Column:
    """A column and its line in the codebook."""

    name: str
    kind: Kind
    says: str


@dataclass(frozen=True)
class Table:
    """One kind of rows.

    Attributes:
        says: what one row is.
        rows: those of a study, in an order that depends on nothing but what they say.
        restore: makes database rows of them; None where they follow from other tables.
    """

    name: str
    says: str
    columns: Sequence[Column]
    rows: Callable[[Leaving], Iterable[Row]]
    restore: Callable[[Arriving, list[Row]], None] | None = field(default=None)


def text(name: str, says: str) -> Column:
    return Column(name, Kind.TEXT, says)


def whole(name: str, says: str) -> Column:
    return Column(name, Kind.WHOLE, says)


def number(name: str, says: str) -> Column:
    return Column(name, Kind.NUMBER, says)


def yes_no(name: str, says: str) -> Column:
    return Column(name, Kind.YES_NO, says)


def time(name: str, says: str) -> Column:
    return Column(name, Kind.TIME, says)


def data(name: str, says: str) -> Column:
    return Column(name, Kind.JSON, says)


def as_json(value: Any, *, indent: int | None = None) -> str:
    """JSON that is the same whichever database the value comes from: PostgreSQL sorts keys anew,
    and knows neither −0.0 nor exponents."""
    separators = (",", ":") if indent is None else None
    return json.dumps(
        _plain(value), sort_keys=True, ensure_ascii=False, indent=indent, separators=separators
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value == 0:
        return 0.0
    return int(value) if isinstance(value, float) and 1e16 <= abs(value) < float("inf") else value


def csv_bytes(columns: Sequence[Column], rows: Iterable[Row]) -> bytes:
    """UTF-8, a head, lines ended by CR LF."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column.name for column in columns])
    writer.writerows([_cell(row[c.name], c.kind) for c in columns] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    match kind:
        case Kind.TEXT:
            return harmless(value)
        case Kind.YES_NO:
            return "true" if value else "false"
        case Kind.TIME:
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        case Kind.JSON:
            return as_json(value)
        case Kind.NUMBER:
            return repr(float(value))
    return str(value)


def read_csv(name: str, content: bytes, columns: Sequence[Column]) -> list[Row]:
    """The rows that `csv_bytes` wrote; raises `TakeoutError` where it is not such a table."""
    try:
        lines = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise TakeoutError(f"{name} can't be read ({error}).") from error
    head = [column.name for column in columns]
    if not lines or lines[0] != head:
        raise TakeoutError(f"{name} has other columns than {', '.join(head)}.")
    rows = []
    for place, cells in enumerate(lines[1:], 2):
        try:
            pairs = zip(columns, cells, strict=True)
            rows.append({c.name: _value(cell, c.kind) for c, cell in pairs})
        except ValueError as error:
            raise TakeoutError(f"{name}, row {place}, can't be read: {error}.") from error
    return rows


def _value(cell: str, kind: Kind) -> Any:
    if kind == Kind.TEXT:
        return original(cell)
    if not cell:
        return None
    match kind:
        case Kind.YES_NO:
            return {"true": True, "false": False}[cell] if cell in ("true", "false") else _odd(cell)
        case Kind.TIME:
            return datetime.strptime(cell, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        case Kind.JSON:
            return json.loads(cell)
        case Kind.NUMBER:
            return float(cell)
    return int(cell)


def _odd(cell: str) -> bool:
    raise ValueError(f"“{cell}” is neither true nor false")


def parquet_bytes(columns: Sequence[Column], rows: Iterable[Row]) -> bytes:
    """The same rows with their types; texts as they are, JSON as text."""
    import pyarrow as pa
    from pyarrow import parquet

    types = {
        Kind.WHOLE: pa.int64(),
        Kind.NUMBER: pa.float64(),
        Kind.YES_NO: pa.bool_(),
        Kind.TIME: pa.timestamp("us", tz="UTC"),
    }
    rows = list(rows)
    table = pa.table(
        {
            c.name: pa.array(
                [_typed(row[c.name], c.kind) for row in rows], types.get(c.kind, pa.string())
            )
            for c in columns
        }
    )
    out = io.BytesIO()
    parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


def _typed(value: Any, kind: Kind) -> Any:
    return as_json(value) if kind == Kind.JSON and value is not None else value
