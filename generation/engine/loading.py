"""From a checkpoint's name to a local directory that is safe to load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from generation.engine.spec import Card

CARD_NAME = "blindread.json"
PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
HUB_PATTERNS = ["*.safetensors", "*.json", "*.txt", "*.model"]


class CheckpointError(Exception):
    """A checkpoint that is missing, unreachable, unsafe or malformed; the message says which."""


def checkpoint_directory(source: str | Path, revision: str | None = None) -> Path:
    """The local directory of ``source``, a directory or a hub repository ("owner/name").

    Hub repositories are downloaded (safetensors and configuration only) and cached. Raises
    CheckpointError when there is no such directory, the hub cannot provide it, or it holds
    pickled weights, which can run code when they are loaded.
    """
    directory = Path(source)
    if not directory.is_dir():
        directory = _download(str(source), revision)
    pickles = [path for path in _files(directory) if path.suffix.lower() in PICKLES]
    if pickles:
        raise CheckpointError(
            f"{pickles[0].relative_to(directory)} in {directory} may be a pickle, which can run "
            "code when it is loaded. Convert the weights to safetensors and remove the file."
        )
    return directory


def _download(repository: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    if repository.count("/") != 1 or repository.startswith((".", "/", "~")):
        raise CheckpointError(
            f"There is no directory {repository}, and it is no hub repository (owner/name) either."
        )
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=HUB_PATTERNS))
    except Exception as error:  # the hub's client lets its transport's own errors through
        at = f" at revision {revision}" if revision else ""
        raise CheckpointError(
            f"{repository}{at} is no local directory and could not be fetched from the hub "
            f"({type(error).__name__}: {error}). Check the name and the connection, or copy the "
            "repository's safetensors and json files to a directory and give that path."
        ) from error


def _files(directory: Path) -> Iterator[Path]:
    """All files in a stable order, save hidden ones (caches, version control)."""
    for path in sorted(directory.rglob("*"), key=lambda path: path.relative_to(directory).parts):
        parts = path.relative_to(directory).parts
        if path.is_file() and not any(part.startswith(".") for part in parts):
            yield path


def checkpoint_digest(directory: Path) -> str:
    """SHA-256 (hex) over the names and contents of every file of the checkpoint."""
    digest = hashlib.sha256()
    for path in _files(directory):
        name = path.relative_to(directory).as_posix()
        with path.open("rb") as file:
            digest.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def read_card(directory: Path) -> Card:
    """The checkpoint's card. Raises CheckpointError when it is missing or malformed."""
    path = directory / CARD_NAME
    try:
        return Card.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise CheckpointError(f"{directory} has no {CARD_NAME}; is it a checkpoint?") from error
    except ValueError as error:  # JSON and encoding errors are ValueErrors too
        raise CheckpointError(f"{path} is malformed: {error}.") from error
