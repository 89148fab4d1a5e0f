"""Studies that were rated, and reports on them, on top of tests.builders."""

import hashlib

import numpy as np
from django.utils import timezone

from analysis.images import StudyImages
from analysis.models import Embedding, Report
from analysis.reports import compute_report, create_report
from annotation.models import Ranking, Reading, Score, Study
from tests import builders

FINGERPRINT = "efficientnet-lite0:0e6eac3920806d21:squash"


def a_rated_study(*, readers=("bob", "carol"), score=None, seed=0, closed=True, **fields) -> Study:
    """A study whose readers have finished; later arms get higher scores, with noise.

    `score` is a function of (reading set, criterion key, random generator) to a value, or None
    for a score left out.
    """
    rng = np.random.default_rng(seed)
    score = score or (
        lambda shown, key, rng: round(3 + 2 * shown.case_set.arm.position + rng.normal())
    )
    study = builders.a_study(readers=readers, **({"pairs": 5} | fields))
    readings = Reading.objects.filter(reader__study=study).prefetch_related("sets__case_set__arm")
    # The plan is drawn from a new secret each time; scores of a seed are the same all the same.
    shown_sets = sorted(
        (shown for reading in readings for shown in reading.sets.all()),
        key=lambda shown: (
            shown.reading.reader_id,
            shown.case_set_id,
            shown.reading.kind,
            shown.reading.position,
        ),
    )
    Score.objects.bulk_create(
        Score(
            reading_set=shown,
            criterion=criterion.key,
            value=int(np.clip(value, 0, 10)),
            sequence=1000,
        )
        for shown in shown_sets
        for criterion in study.protocol.criteria
        if (value := score(shown, criterion.key, rng)) is not None
    )
    Ranking.objects.bulk_create(
        Ranking(reading=reading, tiers=[[s.letter] for s in reading.sets.all()], sequence=1000)
        for reading in readings
    )
    readings.update(submitted_at=timezone.now())
    if closed:
        close(study)
    return study


def close(study):
    Study.objects.filter(pk=study.pk).update(state=Study.State.CLOSED)
    study.refresh_from_db()


def know_features(study, *, feature=None, dimensions=8):
    """Put features of all images into the cache, so that nothing need be embedded.

    `feature` is a function of (image, random generator) to a vector.
    """
    feature = feature or (lambda image, rng: rng.normal(size=dimensions))
    for image in StudyImages.of(study).all():
        seed = int(hashlib.sha256(image.sha256.encode()).hexdigest()[:8], 16)
        vector = np.asarray(feature(image, np.random.default_rng(seed)), dtype="<f4")
        Embedding.objects.create(embedder=FINGERPRINT, sha256=image.sha256, vector=vector.tobytes())


def a_claimed_report(study, **options) -> Report:
    """A report as a worker holds it."""
    report = create_report(study=study, by=study.owner, **{"resamples": 1000, **options})
    assert Report.objects.claim(report.pk, holder="test")
    report.refresh_from_db()
    return report


def a_report(study, **options) -> Report:
    """A report that is done; its PDF is made when asked for."""
    report = a_claimed_report(study, **options)
    compute_report(report)
    report.end(Report.Status.DONE)
    report.refresh_from_db()
    return report
