"""A folder or a ZIP as files by name. Nothing is unpacked; what can't be trusted is refused."""

import re
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EIO
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

from generation.datasets import DatasetError

MAX_FILE = 200 * 2**20  # bytes; more than the largest image that is decoded
MAX_TOTAL = 50 * 2**30  # bytes that a ZIP may hold
MAX_FILES = 200_000
MAX_EXPANSION = 200  # times; images hardly shrink in a ZIP, tables and texts tenfold
_SMALL = 10 * 2**20  # bytes; whatever expands to no more can do no harm
_ENCRYPTED = 0x1
# What computers put beside people's files.
_BESIDE = {"__macosx", "thumbs.db", "desktop.ini"}


class RefusedFile(OSError):
    """Raised on reading a file whose entry in the ZIP can't be trusted."""


@dataclass(frozen=True)
class Archive:
    """Files by their names, whose folders are separated by “/”; hidden files are left out.

    ``read[name]()`` gives a file's bytes; it raises OSError where they are damaged.
    """

    name: str
    read: Mapping[str, Callable[[], bytes]]


@contextmanager
def open_archive(
    path: Path | IO[bytes], *, name: str = "", refused: list[str] | None = None
) -> Iterator[Archive]:
    """A folder, or a ZIP as a path or an open file, for as long as the ``with`` lasts.

    Args:
        name: of the archive in messages; by default the path's.
        refused: where given, what is wrong with single files of a ZIP goes here, so that
            the others can be looked at too; reading those files raises `RefusedFile`.

    Raises:
        DatasetError: there is no such folder, it is no whole ZIP, or there are names that lead
            out of it, encrypted files, links, or more bytes than such images can have.
    """
    name = name or (path.name if isinstance(path, Path) else "The file")
    if isinstance(path, Path) and path.is_dir():
        yield Archive(name, _folder(path))
        return
    try:
        archive = ZipFile(path)
    except FileNotFoundError as error:
        raise DatasetError([f"{path} is neither a folder nor a file."]) from error
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        problem = f"{name} is no ZIP, or only a part of one: make or send it again ({error})."
        raise DatasetError([problem]) from error
    with archive:
        problems: list[str] = []
        files = _zip(archive, name, problems)
        if refused is None and problems:
            raise DatasetError(problems)
        if refused is not None:
            refused += problems
        yield Archive(name, files)


def _folder(folder: Path) -> dict[str, Callable[[], bytes]]:
    root = folder.resolve()
    files, problems = {}, []
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if _beside(name) or file.is_dir():
            continue
        if not file.resolve().is_relative_to(root):
            problems.append(f"{name} is a link out of the folder: put the file itself there.")
        elif not file.is_file():
            problems.append(f"{name} is no file: remove it.")
        elif file.stat().st_size > MAX_FILE:
            problems.append(_too_large(name))
        else:
            files[name] = file.read_bytes
    if problems:
        raise DatasetError(problems)
    return files


def _zip(archive: ZipFile, name: str, problems: list[str]) -> dict[str, Callable[[], bytes]]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_FILES or total > MAX_TOTAL:
        raise DatasetError(
            [
                f"{name} holds {len(entries)} files of {total / 2**30:.1f} GiB; {MAX_FILES} files "
                f"of {MAX_TOTAL >> 30} GiB are the most: leave out what is no image."
            ]
        )
    files: dict[str, Callable[[], bytes]] = {}
    for entry in entries:
        inside = entry.filename.replace("\\", "/")  # as some programs on Windows write it
        if problem := _entry_problem(entry, inside):
            problems.append(problem)
            files.setdefault(inside, partial(_refuse, problem))
        elif _beside(inside):
            continue
        elif inside in files:
            problems.append(f"{inside} stands twice in {name}: keep one.")
        else:
            files[inside] = _reader(archive, entry)
    return files


def _refuse(problem: str) -> bytes:
    raise RefusedFile(problem)


def _entry_problem(entry: ZipInfo, name: str) -> str | None:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or re.match("[A-Za-z]:/", name):
        return f"{name} names a place outside the ZIP: pack the folder itself."
    if entry.flag_bits & _ENCRYPTED:
        return f"{name} is encrypted: pack it without a password."
    if stat.S_ISLNK(entry.external_attr >> 16):
        return f"{name} is a link: pack the file itself."
    if entry.file_size > MAX_FILE:
        return _too_large(name)
    if entry.file_size > max(_SMALL, MAX_EXPANSION * entry.compress_size):
        return f"{name} expands more than {MAX_EXPANSION}-fold, as no image does: leave it out."
    return None


def _reader(archive: ZipFile, entry: ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return archive.read(entry)  # no more than the size that was looked at
        except (BadZipFile, EOFError, LZMAError, RuntimeError, zlib.error) as error:
            raise OSError(EIO, f"damaged in the ZIP: {error}") from error

    return read


def _beside(name: str) -> bool:
    return any(part.startswith(".") or part.lower() in _BESIDE for part in name.split("/"))


def _too_large(name: str) -> str:
    return f"{name} has more than {MAX_FILE >> 20} MiB: no image is that large."
