"""CSV files with clear complaints: encoding, columns, empty cells."""

import csv
from collections.abc import Iterator
from pathlib import Path

from generation.datasets import DatasetError


def read_rows(file: Path, *, required: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a UTF-8 CSV file with a header; cells are stripped.

    Raises DatasetError when the file is missing, not UTF-8, or lacks a required column.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetError([f"{file} can't be read: {error.strerror}."]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DatasetError(
            [
                f"{file.name}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8. "
                "Save the file as UTF-8 (in Excel: “CSV UTF-8”)."
            ]
        ) from error
    reader = csv.DictReader(text.splitlines(keepends=True))
    columns = [name.strip() for name in reader.fieldnames or []]
    if missing := sorted(required - set(columns)):
        raise DatasetError(
            [
                f"{file.name} has no column {', '.join(missing)}; "
                f"its columns are: {', '.join(columns) or 'none'}."
            ]
        )
    reader.fieldnames = columns
    for row in reader:
        yield reader.line_num, {key: (row[key] or "").strip() for key in columns}
