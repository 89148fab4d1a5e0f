"""What metrics look at beside the images of a study: training images, pixels, texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.embedding import embed_images, embed_texts
from analysis.images import StudyImages
from analysis.metrics.embedders import EmbedderError, LoadedEmbedder
from analysis.metrics.pixel_views import PIXEL_VIEWS
from annotation.models import Arm
from generation.models import Image


@dataclass(frozen=True)
class Sources:
    """By SHA-256 of images and by text; what is empty is not there.

    Attributes:
        embedder: Its name.
        training: Of each arm (by primary key) the real images that its generator was trained on.
        training_labels: Of each training image the pair that its captions name, -1 for none or
            several.
        features: Of the training images.
        views: Of training, real and generated images, by name of the view.
        texts: Prompts in the space that `project` takes features to.
        no_texts: Why there are none.
    """

    embedder: str = ""
    training: Mapping[int, Sequence[Image]] = field(default_factory=dict)
    training_labels: Mapping[str, int] = field(default_factory=dict)
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    views: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    texts: Mapping[str, np.ndarray] = field(default_factory=dict)
    project: Callable[[np.ndarray], np.ndarray] | None = None
    no_texts: str = "The embedder embeds no texts."


def training_images(arms: Sequence[Arm]) -> dict[int, list[Image]]:
    """Of each arm, by primary key, the real images that its generator was trained on.

    Those of its training's split, or of the split ``train`` of the data set named as trained on;
    none where neither is known.
    """
    found: dict[int, list[Image]] = {}
    known: dict[tuple[int, str], list[Image]] = {}
    for arm in arms:
        generator = arm.generator
        training = getattr(generator, "training", None)
        dataset = training.dataset if training else generator.trained_on if generator else None
        if dataset is None:
            continue
        key = dataset.pk, training.split if training else Image.Split.TRAIN
        if key not in known:
            images = Image.objects.filter(dataset=dataset, split=key[1]).order_by("pk")
            known[key] = list(images.prefetch_related("prompts"))
        found[arm.pk] = known[key]
    return found


def gather_sources(
    images: StudyImages,
    training: Mapping[int, Sequence[Image]],
    *,
    embedder: LoadedEmbedder,
    features: Mapping[str, np.ndarray],
    progress: Callable[[], None] = lambda: None,
) -> Sources:
    """Compute and keep what is not known yet.

    Args:
        features: By SHA-256, of the training images among others.
        progress: Called now and then.

    Raises:
        MeasureError: an image's file is missing, unreadable, or not what was stored.
    """
    trained = {i.sha256: i for group in training.values() for i in group}
    texts: Mapping[str, np.ndarray] = {}
    no_texts = ""
    try:
        texts = embed_texts({case.prompt.text for case in images.cases}, embedder=embedder)
    except EmbedderError as error:
        no_texts = str(error)
    views = {
        name: embed_images(
            [*images.all(), *trained.values()], embedder=view, progress=lambda done: progress()
        )
        for name, view in PIXEL_VIEWS.items()
        if trained
    }
    return Sources(
        embedder=embedder.row.name,
        training=training,
        training_labels=_labels(images, list(trained.values())),
        features={sha256: features[sha256] for sha256 in trained},
        views=views,
        texts=texts,
        project=embedder.project,
        no_texts=no_texts,
    )


def _labels(images: StudyImages, training: Sequence[Image]) -> dict[str, int]:
    """The pair of each training image, where its captions name just one."""
    pairs: dict[str, int] = {}
    for pair, cases in images.pairs.items():
        original = cases[0].prompt.original
        pairs[original.reference_caption or original.text] = pair
    found = {}
    for image in training:
        own = {pairs[prompt.text] for prompt in image.prompts.all() if prompt.text in pairs}
        found[image.sha256] = own.pop() if len(own) == 1 else -1
    return found
