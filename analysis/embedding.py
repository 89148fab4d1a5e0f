"""From images and texts to features: embedded once, kept by content."""

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
from PIL import Image as PillowImage

from analysis.metrics.embedders import LoadedEmbedder
from analysis.models import Embedding
from generation.models import Image

MOST_VARIABLES = 500  # in one SQL statement
READERS = 2  # threads that read and resize while the network computes
AHEAD = 2  # batches ready before they are wanted


class MeasureError(Exception):
    """An image can't be measured; the message says which and what to do."""


class Encodes(Protocol):
    """What makes numbers of images: a `LoadedEmbedder` or a `PixelView`."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def batch(self) -> int: ...
    def prepare(self, images: Sequence[PillowImage.Image]) -> np.ndarray: ...
    def forward(self, batch: np.ndarray) -> np.ndarray: ...


def embed_images(
    images: Iterable[Image],
    *,
    embedder: Encodes,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, np.ndarray]:
    """Features by SHA-256; those known for this embedder are read, the others computed and kept.

    Args:
        progress: Called with the number of images done, before the first and after each batch.

    Raises:
        MeasureError: a file is missing, unreadable, or not what was stored.
    """
    once = list({image.sha256: image for image in images}.values())
    features = known_vectors([image.sha256 for image in once], embedder.fingerprint)
    progress(len(features))
    for batch, prepared in _prepared([i for i in once if i.sha256 not in features], embedder):
        vectors = embedder.forward(prepared).astype("<f4")
        found = {image.sha256: v for image, v in zip(batch, vectors, strict=True)}
        keep_vectors(found, embedder.fingerprint)
        features |= found
        progress(len(features))
    return features


def embed_texts(texts: Iterable[str], *, embedder: LoadedEmbedder) -> dict[str, np.ndarray]:
    """Texts in the space that they share with images, by text; kept as images' features are.

    Raises:
        EmbedderError: the embedder has no text tower, or it can't be had.
    """
    digests = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    fingerprint = f"text:{embedder.fingerprint}"[-80:]
    known = known_vectors(list(digests), fingerprint)
    if missing := [digest for digest in digests if digest not in known]:
        vectors = embedder.embed_texts([digests[digest] for digest in missing])
        found = dict(zip(missing, vectors.astype("<f4"), strict=True))
        keep_vectors(found, fingerprint)
        known |= found
    return {digests[digest]: vector for digest, vector in known.items()}


def known_vectors(digests: Sequence[str], fingerprint: str) -> dict[str, np.ndarray]:
    """What is kept of these contents, by SHA-256."""
    found: dict[str, np.ndarray] = {}
    for start in range(0, len(digests), MOST_VARIABLES):
        part = digests[start : start + MOST_VARIABLES]
        rows = Embedding.objects.filter(embedder=fingerprint, sha256__in=part)
        found |= {
            sha256: np.frombuffer(vector, dtype="<f4")
            for sha256, vector in rows.values_list("sha256", "vector")
        }
    return found


def keep_vectors(vectors: Mapping[str, np.ndarray], fingerprint: str) -> None:
    """Keep these by SHA-256; another report may have kept them meanwhile."""
    Embedding.objects.bulk_create(
        [
            Embedding(embedder=fingerprint, sha256=sha256, vector=v.astype("<f4").tobytes())
            for sha256, v in vectors.items()
        ],
        ignore_conflicts=True,
    )


def _prepared(
    images: Sequence[Image], embedder: Encodes
) -> Iterator[tuple[Sequence[Image], np.ndarray]]:
    """Batches with what they are fed as, in order, made in threads while others are computed."""

    def prepare(batch: Sequence[Image]) -> np.ndarray:
        return embedder.prepare([read_pixels(image) for image in batch])

    waiting: deque[tuple[Sequence[Image], Future[np.ndarray]]] = deque()
    pool = ThreadPoolExecutor(READERS)
    try:
        for start in range(0, len(images), embedder.batch):
            batch = images[start : start + embedder.batch]
            waiting.append((batch, pool.submit(prepare, batch)))
            if len(waiting) > AHEAD:
                first, made = waiting.popleft()
                yield first, made.result()
        for first, made in waiting:
            yield first, made.result()
    finally:
        pool.shutdown(cancel_futures=True)


def read_pixels(image: Image) -> PillowImage.Image:
    """The stored image as RGB, checked by its digest. Raises MeasureError."""
    try:
        with image.file.open("rb") as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != image.sha256:
            raise MeasureError(
                f"The file of image {image.pk} ({image}) is not the one stored with the study: "
                "restore it from a backup."
            )
        return PillowImage.open(io.BytesIO(data)).convert("RGB")
    except OSError as error:
        raise MeasureError(
            f"The file of image {image.pk} ({image}) can't be read ({error}): "
            "restore it from a backup."
        ) from error
