"""CSV files with clear complaints: encoding, columns, cells."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from generation.datasets import DatasetError


class File(Protocol):
    """What is asked of a file: a `Path` can it."""

    @property
    def name(self) -> str: ...

    def read_bytes(self) -> bytes: ...


def read_rows(
    file: File, *, required: set[str], hints: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a UTF-8 CSV file with a header; cells are stripped.

    Args:
        hints: what to do where a column is missing, by its name.

    Rows of empty cells alone are left out.

    Raises DatasetError when the file is missing, not UTF-8, lacks a required column, has one twice,
    or has rows with more cells than the header.
    """
    text = _text(file)
    if not text.strip():
        raise DatasetError([f"{file.name} is empty."])
    columns = _header(text, ",")
    if twice := sorted({name for name in columns if name and columns.count(name) > 1}):
        raise DatasetError([f"{file.name} has the column {', '.join(twice)} more than once."])
    if missing := sorted(required - set(columns)):
        advice = [hint for name, hint in (hints or {}).items() if name in missing]
        advice += [
            f"Its cells are divided by {mark}: save it with commas between them."
            for delimiter, mark in ((";", "semicolons"), ("\t", "tabs"))
            if required <= set(_header(text, delimiter))
        ]
        raise _lacks(file, ", ".join(missing), columns, *advice)
    yield from _rows(file, text, ",", columns)


def read_named(
    file: File, *, names: Mapping[str, Iterable[str]]
) -> Iterator[tuple[int, dict[str, str]]]:
    """As `read_rows`, for published files whose separator and column names vary.

    Args:
        names: the key wanted for each column, with the names it goes by, in any case. The
            separator is that of , ; and tab whose header has them all.
    """
    text = _text(file)
    for delimiter in ",;\t":
        columns = _header(text, delimiter)
        lower = {column.lower(): column for column in columns}
        keys = {key: next((n for n in known if n in lower), "") for key, known in names.items()}
        if all(keys.values()):
            for line, row in _rows(file, text, delimiter, columns):
                yield line, {key: row[lower[name]] for key, name in keys.items()}
            return
    missing = " and ".join("/".join(known) for known in names.values())
    raise _lacks(file, missing, max((_header(text, d) for d in ",;\t"), key=len))


def _text(file: File) -> str:
    try:
        return decoded(file.read_bytes(), file.name)
    except OSError as error:
        raise DatasetError([f"{file} can't be read: {error.strerror}."]) from error


def decoded(content: bytes, name: str) -> str:
    """Raises DatasetError, naming the line, when it is not UTF-8 text."""
    if (nul := content.find(b"\0")) >= 0 and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        line = content[:nul].count(b"\n") + 1
        raise DatasetError(
            [
                f"{name}, line {line}: holds a NUL byte, which no text has. Save the file as UTF-8 "
                "text (in Excel: “CSV UTF-8”)."
            ]
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DatasetError(
            [
                f"{name}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8. "
                "Save the file as UTF-8 (in Excel: “CSV UTF-8”)."
            ]
        ) from error


def _header(text: str, delimiter: str) -> list[str]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return [name.strip() for name in next(reader, [])]


def _lacks(file: File, missing: str, columns: list[str], *advice: str) -> DatasetError:
    found = ", ".join(filter(None, columns)) or "none"
    sentences = [f"{file.name} has no column {missing}; its columns are: {found}.", *advice]
    return DatasetError([" ".join(sentences)])


def _rows(
    file: File, text: str, delimiter: str, columns: list[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    # Not str.splitlines: it breaks lines at characters that captions hold (U+2028, form feed).
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, problems = [], []
    try:
        next(reader, None)
        for cells in reader:
            if len(cells) > len(columns):
                problems.append(
                    f"{file.name}, line {reader.line_num}: {len(cells)} cells, but the header has "
                    f"{len(columns)}: put quotes around a text with “{delimiter}” in it."
                )
            elif any(cell.strip() for cell in cells):  # spreadsheets leave empty rows at the end
                padded = cells + [""] * (len(columns) - len(cells))
                row = dict(zip(columns, (cell.strip() for cell in padded), strict=True))
                rows.append((reader.line_num, row))
    except csv.Error as error:
        problems.append(f"{file.name}, line {reader.line_num}: {error}.")
    if problems:
        raise DatasetError(problems)
    yield from rows
