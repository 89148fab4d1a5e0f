"""Files of an encoder: from a folder, through the hub's cache, or from an address."""

from __future__ import annotations

import hashlib
import shutil
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LOCAL, HUB, ADDRESS = "local-dir:", "hf-hub:", "https://"


class EmbedderError(Exception):
    """An embedder is unknown or can't be loaded; the message says how to mend it."""


def find_file(source: str, names: Sequence[str]) -> Path:
    """The first of these files that the source has.

    Args:
        source: ``local-dir:/path``, ``hf-hub:owner/name`` (``@revision`` behind it pins it), or an
            ``https://`` address of the file itself, in whose name eight digits of its SHA-256 stand
            before the suffix, as is the custom with torch's files.

    Raises:
        EmbedderError: out of reach, not there, or not what the name says.
    """
    if source.startswith(LOCAL):
        folder = Path(source.removeprefix(LOCAL))
        for name in names:
            if (folder / name).is_file():
                return folder / name
        raise EmbedderError(f"{folder} needs {' or '.join(names)}.")
    if source.startswith(HUB):
        return _from_hub(source.removeprefix(HUB), names)
    if source.startswith(ADDRESS):
        return _from_address(source)
    raise EmbedderError(
        f"“{source}” is no source of weights; write hf-hub:owner/name or local-dir:/path."
    )


def _from_hub(repository: str, names: Sequence[str]) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

    repository, _, revision = repository.partition("@")
    for name in names[:-1]:
        try:
            return Path(hf_hub_download(repository, name, revision=revision or None))
        except (RemoteEntryNotFoundError, LocalEntryNotFoundError):
            continue
    return Path(hf_hub_download(repository, names[-1], revision=revision or None))


def resolved_revision(source: str) -> str:
    """The commit of the hub's repository that the files came from; "" for other sources."""
    if not source.startswith(HUB):
        return ""
    from huggingface_hub import constants

    repository, _, revision = source.removeprefix(HUB).partition("@")
    folder = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    ref = folder / "refs" / (revision or "main")
    return ref.read_text().strip() if ref.is_file() else revision


def _from_address(address: str) -> Path:
    import torch

    name = address.rpartition("/")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with urllib.request.urlopen(address, timeout=60) as answer, partial.open("wb") as file:
            shutil.copyfileobj(answer, file)
        partial.replace(path)
    wanted = path.stem.rpartition("-")[2]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(wanted):
        raise EmbedderError(f"{path} is damaged (SHA-256 {found[:8]}…, not {wanted}…): delete it.")
    return path


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name, from safetensors or from what torch saves; runs no code.

    What lies under ``model`` or ``state_dict``, as trainings save it, is taken out.
    """
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    # weights_only unpickles tensors and nothing else.
    state = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("model", "state_dict"):
        if isinstance(state.get(key), dict):
            return state[key]
    return state


def load_into(model: torch.nn.Module, state: dict[str, torch.Tensor], *, what: str) -> None:
    """Fill the model; tensors that it has no place for are left. Raises EmbedderError."""
    wanted = model.state_dict()
    try:
        model.load_state_dict({name: state[name] for name in wanted})
    except KeyError as error:
        raise EmbedderError(f"{what} lacks the tensor {error}.") from error
    except RuntimeError as error:
        raise EmbedderError(f"{what} doesn't fit: {error}") from error


def digest_of(model: torch.nn.Module) -> str:
    """SHA-256 over names and values of all tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
