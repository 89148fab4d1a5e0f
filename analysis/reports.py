"""Reports: asked for by the study's owner, computed by a worker, replaced as a whole."""

from __future__ import annotations

import hashlib
import logging
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from analysis.images import StudyImages
from analysis.metrics.embedders import (
    EmbedderError,
    LoadedEmbedder,
    embedder_row,
    load_embedder,
)
from analysis.models import Figure, MetricValue, Report
from annotation.models import Study
from annotation.protocols.plan import LEAST_RESAMPLES, MOST_RESAMPLES
from annotation.steps import hold_study
from generation.jobs import enqueue
from generation.models import Job
from generation.runs import MAX_SEED

if TYPE_CHECKING:
    import pandas as pd

    from analysis.measures import Measured
    from analysis.results.data import StudyData

logger = logging.getLogger(__name__)

PACKAGES = ("django", "matplotlib", "numpy", "pandas", "pillow", "scipy", "timm", "torch")
RESAMPLES = 2000


class ReportError(Exception):
    """A report can't be made; the message says why and what to do."""


def create_report(
    *,
    study: Study,
    by: User | None,
    embedder: str | None = None,
    resamples: int | None = None,
    seed: int | None = None,
) -> Report:
    """A queued report on a study whose results may be seen; one that is under way is returned.

    What isn't given is as the study's plan of analysis says, or the site's default without one.

    Args:
        embedder: As `load_embedder` takes it.
        resamples: Bootstrap draws and permutations, 1000 to 100,000.
        seed: Of both, 0 to 2**63 − 1.

    Raises:
        ReportError: results are hidden, there is nothing to analyse, or an option is wrong.
    """
    plan = study.protocol.plan
    embedder = embedder or (plan and plan.embedder) or settings.EMBEDDER
    if resamples is None:
        resamples = plan.resamples if plan else RESAMPLES
    if seed is None:
        seed = plan.seed if plan else 0
    check_draws(resamples=resamples, seed=seed)
    if not study.results_visible:
        raise ReportError(
            "Results by arm stay hidden until the study is closed or unblinded; do that first."
        )
    try:
        embedder_row(embedder)
    except EmbedderError as error:
        raise ReportError(str(error)) from error
    with transaction.atomic():
        hold_study(study.pk)  # a double click waits here
        options = {"embedder": embedder, "resamples": resamples, "seed": seed}
        underway = Report.objects.unfinished().filter(study=study, **options).first()
        if underway:
            return underway
        images = StudyImages.of(study).all()
        if not images:
            raise ReportError("The study has no images yet: generate its image sets first.")
        report = Report.objects.create(study=study, created_by=by, total=len(images), **options)
        enqueue(report)
    return report


def check_draws(*, resamples: int, seed: int) -> None:
    """Raises ReportError where they are too few for an interval, too many, or no seed."""
    if not LEAST_RESAMPLES <= resamples <= MOST_RESAMPLES:
        raise ReportError(
            f"{resamples} resamples: choose {LEAST_RESAMPLES:,} to {MOST_RESAMPLES:,}; fewer give "
            "no interval."
        )
    if not 0 <= seed < MAX_SEED:
        raise ReportError(f"The seed is {seed}: choose a whole number from 0 to 2⁶³ - 1.")


def perform_report(report: Report) -> None:
    """Compute the report and make its PDF; without one it is done too.

    Raises:
        ReportError, Job.Cancelled, Job.Lost: see `compute_report`.
    """
    from analysis.pdf import keep_pdf  # WeasyPrint

    compute_report(report)
    try:
        keep_pdf(report)
    except (Job.Cancelled, Job.Lost):
        raise
    except Exception:  # of WeasyPrint or a font, too
        logger.exception("%s is done, but for its PDF; the first request tries again", report)


def compute_report(report: Report) -> None:
    """Measure, analyse, draw; then replace the report's numbers and figures at once.

    Doing it again changes nothing: known images aren't embedded anew, and seeds are the report's.

    Raises:
        ReportError: the embedder or an image is out of reach.
        Job.Cancelled, Job.Lost: see `Job.beat`.
    """
    # Not at the top: the page that queues a report needs neither pandas nor matplotlib.
    from analysis import charts
    from analysis.own.reports import own_parts
    from analysis.results import results_of

    if not report.results_visible:
        raise ReportError("Results by arm are hidden: the study is open again.")
    measured: list[Measured] = []
    if report.own:
        data, provenance = own_parts(report, report.own)
    else:
        assert report.study  # by the constraint
        data, measured, provenance = _study_parts(report, report.study)
    results = results_of(data, progress=lambda name: report.beat(message=f"Analysing: {name}"))
    results["provenance"] = provenance | _settings(report, data.scores)
    report.beat(message="Drawing")
    figures = {name: charts.draw(name, results) for name in charts.names(results)}
    report.beat(message="Saving, and making the PDF")
    with transaction.atomic():
        report.metric_values.all().delete()
        report.figures.all().delete()
        Report.objects.filter(pk=report.pk).drop_pdfs()
        MetricValue.objects.bulk_create(
            MetricValue(
                report=report, metric=v.metric, arm=v.arm, case=v.case, value=v.value, n=v.n
            )
            for v in measured
        )
        Figure.objects.bulk_create(
            Figure(report=report, name=name, svg=svg.decode()) for name, svg in figures.items()
        )
        Report.objects.filter(pk=report.pk).update(results=results)
    report.results = results


def _study_parts(report: Report, study: Study) -> tuple[StudyData, list[Measured], dict[str, Any]]:
    """Embed the images, measure them: what a report on a study starts from."""
    from analysis.embedding import MeasureError, embed_images
    from analysis.measures import Measurements
    from analysis.results.studies import study_data
    from analysis.sources import gather_sources, training_images

    report.beat(done=0, message="Loading the embedder")
    images = StudyImages.of(study)
    training = training_images(images.arms)
    everything = images.and_training(training)
    Report.objects.filter(pk=report.pk).update(total=len(everything))
    try:
        embedder = load_embedder(
            report.embedder, sources=settings.EMBEDDER_SOURCES, device=_device(settings.DEVICE)
        )
        features = embed_images(
            everything,
            embedder=embedder,
            progress=lambda done: report.beat(done=done, message="Embedding images"),
        )
        report.beat(message="Measuring")
        sources = gather_sources(
            images, training, embedder=embedder, features=features, progress=report.beat
        )
        measurements = Measurements(images, features, sources, progress=report.beat)
    except (EmbedderError, MeasureError, ValueError) as error:
        raise ReportError(str(error)) from error
    data = study_data(
        study,
        measurements,
        embedder=report.embedder,
        resamples=report.resamples,
        seed=report.seed,
    )
    return data, measurements.values, _origins(study, embedder)


def _device(name: str) -> Any:
    from generation.engine.device import choose_device  # torch

    return choose_device(name)[0]


def _origins(study: Study, embedder: LoadedEmbedder) -> dict[str, Any]:
    """What the images were measured by, and which they were."""
    return {
        "embedder": embedder.row.name,
        "embedder_title": embedder.row.title,
        "embedder_feature": embedder.row.feature,
        "embedder_dimensions": embedder.row.dimensions,
        "embedder_licence": embedder.row.licence,
        "fingerprint": embedder.fingerprint,
        "weights_sha256": embedder.weights,
        "embedder_source": embedder.row.source,
        "embedder_revision": embedder.revision,
        "device": str(embedder.device),
        "manifest_sha256": study.manifest_digest,
        "generators": {
            str(arm): arm.generator.digest
            for arm in study.arms.select_related("generator")
            if arm.generator
        },
    }


def _settings(report: Report, scores: pd.DataFrame) -> dict[str, Any]:
    """What else it takes to get the same numbers again."""
    from analysis.export import csv_text

    return {
        "scores_sha256": hashlib.sha256(csv_text(scores).encode()).hexdigest(),
        "resamples": report.resamples,
        "seed": report.seed,
        "software": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
