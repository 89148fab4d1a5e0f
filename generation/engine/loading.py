"""From a checkpoint's name to a local directory that is safe to load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from generation.engine.spec import Card

CARD_NAME = "blindread.json"
INDEX_NAME = "model_index.json"
PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
HUB_SUFFIXES = ("safetensors", "json", "txt", "model")
COPIES = ("*.fp16.*", "*.bf16.*", "*.non_ema.*")  # of weights that are there in full precision


class CheckpointError(Exception):
    """A checkpoint that is missing, unreachable, unsafe or malformed; the message says which."""


def checkpoint_directory(source: str | Path, revision: str | None = None) -> Path:
    """The local directory of ``source``, a directory or a hub repository ("owner/name").

    Hub repositories are downloaded (safetensors and configuration only) and cached. Raises
    CheckpointError when there is no such directory, the hub cannot provide it, or some of its
    weights are there as pickles only, which can run code when they are loaded.
    """
    directory = Path(source)
    if not directory.is_dir():
        directory = _download(str(source), revision)
    for path in sorted(directory.rglob("*")):
        pickled = path.suffix.lower() in PICKLES and not _hidden(path, directory)
        if pickled and not any(path.parent.glob("*.safetensors")):
            raise CheckpointError(
                f"{path.relative_to(directory)} in {directory} may be a pickle, which can run "
                "code when it is loaded. Convert the weights to safetensors and remove the file."
            )
    return directory


def part_directory(directory: Path, card: Card, part: str) -> Path:
    """Where the pipeline of ``part`` lies: the card's base, a folder of its own, or the whole.

    Raises CheckpointError when it cannot be had, or is not the base that the card names.
    """
    if part not in card.base:
        own = directory / part
        return own if (own / INDEX_NAME).is_file() else directory
    base = card.base[part]
    try:
        found = checkpoint_directory(base.source, base.revision or None)
    except CheckpointError as error:
        raise CheckpointError(f"The base of {directory.name} ({part}): {error}") from error
    if base.digest and (digest := checkpoint_digest(found)) != base.digest:
        raise CheckpointError(
            f"{directory.name} was trained on another base: {base.source} has the digest "
            f"{digest[:12]}…, its card names {base.digest[:12]}…. Provide the base that it was "
            "trained on, or train again on this one."
        )
    return found


def _download(repository: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError

    if repository.count("/") != 1 or repository.startswith((".", "/", "~")):
        raise CheckpointError(
            f"There is no directory {repository}, and it is no hub repository (owner/name) either."
        )
    at = f" at revision {revision}" if revision else ""
    try:
        try:
            hf_hub_download(repository, INDEX_NAME, revision=revision)
            # A pipeline's weights lie in folders; copies of them in one file beside.
            patterns = [INDEX_NAME, CARD_NAME, *(f"*/*.{suffix}" for suffix in HUB_SUFFIXES)]
        except EntryNotFoundError:
            patterns = [f"*.{suffix}" for suffix in HUB_SUFFIXES]
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=patterns,
                ignore_patterns=list(COPIES),
            )
        )
    except Exception as error:  # the hub's client lets its transport's own errors through
        said = " ".join(str(error).split()).rstrip(".")
        raise CheckpointError(
            f"{repository}{at} is no local directory, and the hub did not give its files, of which "
            f"the first is {INDEX_NAME} (of a single model config.json). {type(error).__name__}: "
            f"{said}. Check the name and the connection; a gated model also wants its licence "
            "accepted on the hub and HF_TOKEN set. Or copy the repository's safetensors, json, txt "
            "and model files, in their folders, to a directory and give that path instead."
        ) from error


def is_copy(path: Path) -> bool:
    """Whether a file holds weights that another holds in full precision."""
    return any(path.match(pattern) for pattern in COPIES)


def _hidden(path: Path, directory: Path) -> bool:
    """Caches and version control."""
    return any(part.startswith(".") for part in path.relative_to(directory).parts)


def _files(directory: Path) -> Iterator[Path]:
    """The files that a download from the hub has, in a stable order; a clone may have others."""
    whole = (directory / INDEX_NAME).is_file()
    for path in sorted(directory.rglob("*"), key=lambda path: path.relative_to(directory).parts):
        known = path.suffix.removeprefix(".") in HUB_SUFFIXES
        if not path.is_file() or _hidden(path, directory) or is_copy(path) or not known:
            continue
        if whole and path.parent == directory and path.name not in (INDEX_NAME, CARD_NAME):
            continue  # a pipeline's copy in one file, as FLUX's repository has it
        yield path


def checkpoint_digest(directory: Path) -> str:
    """SHA-256 (hex) over the names and contents of every file that is loaded."""
    digest = hashlib.sha256()
    for path in _files(directory):
        name = path.relative_to(directory).as_posix()
        status = path.stat()
        digest.update(f"{name} {_file_digest(path, status.st_size, status.st_mtime_ns)}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _file_digest(path: Path, _size: int, _mtime_ns: int) -> str:
    """Of a large base, minutes of reading: once a process, unless the file changes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(directory: Path) -> Card:
    """The checkpoint's card. Raises CheckpointError when it is missing or malformed."""
    path = directory / CARD_NAME
    try:
        return Card.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise CheckpointError(f"{directory} has no {CARD_NAME}; is it a checkpoint?") from error
    except ValueError as error:  # JSON and encoding errors are ValueErrors too
        raise CheckpointError(f"{path} is malformed: {error}.") from error
