"""Inspections: what a person should look at among a study's images, found by a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from analysis.metrics.embedders import EmbedderError, load_embedder
from analysis.models import ImageFlag, Inspection, Neighbour
from annotation.models import CaseReference, CaseSet, Study
from generation.jobs import enqueue
from generation.models import Image

if TYPE_CHECKING:
    import numpy as np

    from analysis.metrics.quality import Flag

_BATCH = 500
BEFORE_SEALING = (Study.State.IMAGES, Study.State.CHECKED)


class InspectionError(Exception):
    """The images can't be inspected; the message says why and what to do."""


@transaction.atomic
def create_inspection(*, study: Study, by: User | None) -> Inspection:
    """A queued inspection of the images that are there; one that is under way is returned.

    Raises:
        InspectionError: there are no images yet, or the study is sealed.
    """
    study = Study.objects.select_for_update().get(pk=study.pk)  # a double click waits here
    if study.state not in BEFORE_SEALING:
        raise InspectionError(
            "Images are inspected between their making and sealing, while something can be done "
            f"about them; the study is {Study.State(study.state).label.lower()}."
        )
    underway = Inspection.objects.unfinished().filter(study=study).first()
    if underway:
        return underway
    total = sum(len(images) for _, images in _shown(study))
    if not total:
        raise InspectionError("The study has no images yet: wait for the first ones.")
    inspection = Inspection.objects.create(
        study=study, embedder=settings.EMBEDDER, created_by=by, total=total
    )
    enqueue(inspection)
    return inspection


def perform_inspection(inspection: Inspection) -> None:
    """Look at every image, and for its nearest training image; then keep what was found, at once.

    What was measured of an image is kept by its content, so that a second time is quick.

    Raises:
        InspectionError: the embedder or an image is out of reach.
        Job.Cancelled, Job.Lost: see `Job.beat`.
    """
    # Not at the top: the page that queues an inspection needs no numpy.
    from analysis.sources import training_images

    study = inspection.study
    shown = _shown(study)
    arms = list(study.arms.select_related("generator"))
    training = {arm: images for arm, images in training_images(arms).items() if images}
    real = _held_out(study)
    known = _measured(
        inspection,
        [image for _, images in shown for image in images],
        [*real, *(image for group in training.values() for image in group)] if training else [],
    )
    inspection.beat(message="Saving")
    flags: list[ImageFlag] = []
    neighbours: list[Neighbour] = []
    told = {}
    for arm in arms:
        of_arm = [(one, images) for one, images in shown if one.arm_id == arm.pk]
        flags += _flags(inspection, of_arm, known)
        if arm.pk in training:
            trained = {image.sha256 for image in training[arm.pk]}
            held_out = [image for image in real if image.sha256 not in trained]
            near, copies = _neighbours(inspection, of_arm, training[arm.pk], held_out, known)
            neighbours += near
            flags += copies
            told[str(arm.position)] = {"training": len(trained), "held_out": len(held_out)}
    with transaction.atomic():
        inspection.flags.all().delete()
        inspection.neighbours.all().delete()
        ImageFlag.objects.bulk_create(flags, batch_size=_BATCH)
        Neighbour.objects.bulk_create(neighbours, batch_size=_BATCH)
        Inspection.objects.filter(pk=inspection.pk).update(results={"arms": told})


@dataclass(frozen=True)
class Measured:
    """What is known of images, each by SHA-256."""

    looked: dict[str, np.ndarray]
    hashes: dict[str, np.ndarray]
    features: dict[str, np.ndarray]


def _measured(inspection: Inspection, images: Sequence[Image], real: Sequence[Image]) -> Measured:
    """Of all images what the rules ask for, and, where there are real ones to compare them with,
    the features of both."""
    from analysis.embedding import MeasureError, embed_images
    from analysis.metrics.pixel_views import PIXEL_VIEWS
    from analysis.metrics.quality import QUALITY
    from generation.engine.device import choose_device  # torch

    once = len({image.sha256 for image in images})
    both = len({image.sha256 for image in [*images, *real]}) if real else 0
    Inspection.objects.filter(pk=inspection.pk).update(total=2 * once + both)

    def progress(message: str, before: int) -> Callable[[int], None]:
        return lambda done: inspection.beat(done=before + done, message=message)

    try:
        looked = embed_images(images, embedder=QUALITY, progress=progress("Looking at images", 0))
        hashes = embed_images(
            images,
            embedder=PIXEL_VIEWS["hashes"],
            progress=progress("Comparing images of a set", once),
        )
        if not real:
            return Measured(looked, hashes, {})
        embedder = load_embedder(
            inspection.embedder,
            sources=settings.EMBEDDER_SOURCES,
            device=choose_device(settings.DEVICE)[0],
        )
        features = embed_images(
            [*images, *real],
            embedder=embedder,
            progress=progress("Looking for near training images", 2 * once),
        )
    except (EmbedderError, MeasureError, ValueError) as error:
        raise InspectionError(str(error)) from error
    return Measured(looked, hashes, features)


def _shown(study: Study) -> list[tuple[CaseSet, list[Image]]]:
    """Every set with its images."""
    sets = CaseSet.objects.filter(case__study=study).select_related("arm", "image_set")
    sets = sets.prefetch_related("links", "image_set__images")
    return [(shown, shown.images()) for shown in sets]


def _held_out(study: Study) -> Sequence[Image]:
    """The real images that readers see, each once: those that no generator should have seen."""
    references = CaseReference.objects.filter(case__study=study).select_related("image")
    hidden = CaseSet.objects.filter(case__study=study, arm__generator=None)
    images = [link.image for link in references]
    images += [image for shown in hidden.prefetch_related("links") for image in shown.images()]
    return list({image.sha256: image for image in images}.values())


def _flags(
    inspection: Inspection,
    of_arm: Sequence[tuple[CaseSet, list[Image]]],
    known: Measured,
) -> list[ImageFlag]:
    """What the rules say of one arm's images."""
    import numpy as np

    from analysis.metrics.quality import Looked, flag_arm, flag_set

    placed = [(shown, image) for shown, images in of_arm for image in images]
    seen = [
        Looked.of((image.width, image.height), known.looked[image.sha256]) for _, image in placed
    ]
    found = [_row(inspection, *placed[flag.place], flag) for flag in flag_arm(seen)]
    for shown, images in of_arm:
        if len(images) > 1:
            rows = np.stack([known.hashes[image.sha256] for image in images])
            found += [_row(inspection, shown, images[flag.place], flag) for flag in flag_set(rows)]
    return found


def _neighbours(
    inspection: Inspection,
    of_arm: Sequence[tuple[CaseSet, list[Image]]],
    training: Sequence[Image],
    held_out: Sequence[Image],
    known: Measured,
) -> tuple[list[Neighbour], list[ImageFlag]]:
    """The nearest training image of each generated one, and those that look like copies."""
    import numpy as np

    from analysis.metrics.copying import nearest
    from analysis.metrics.features import euclidean
    from analysis.metrics.quality import flag_copy

    def rows(images: Sequence[Image]) -> np.ndarray:
        return np.stack([known.features[image.sha256] for image in images]).astype(np.float64)

    placed = [(shown, image) for shown, images in of_arm for image in images]
    if not placed:
        return [], []
    trained = rows(training)
    free = np.sort(nearest(rows(held_out), trained, euclidean)[0]) if held_out else np.empty(0)
    distances, index = nearest(rows([image for _, image in placed]), trained, euclidean)
    near: dict[int, Neighbour] = {}
    copies = []
    for place, (shown, image) in enumerate(placed):
        distance = float(distances[place])
        near[image.pk] = Neighbour(
            inspection=inspection,
            image=image,
            training=training[int(index[place])],
            distance=distance,
            as_near=float((free <= distance).mean()) if len(free) else None,
        )
        if flag := flag_copy(place, distance, free):
            copies.append(_row(inspection, shown, image, flag))
    return list(near.values()), copies


def _row(inspection: Inspection, shown: CaseSet, image: Image, flag: Flag) -> ImageFlag:
    return ImageFlag(
        inspection=inspection, case_set=shown, image=image, kind=flag.kind, detail=flag.detail
    )
