"""Reports on ratings that were made elsewhere: asked for, and what they start from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db import transaction

from analysis.models import OwnRatings, Report
from analysis.models.own import LONGEST_TITLE
from analysis.own.tables import OwnTables, Table, read_tables
from analysis.reports import RESAMPLES, ReportError, check_draws
from generation.jobs import enqueue

if TYPE_CHECKING:
    from analysis.results.data import StudyData


def create_own_report(
    *,
    title: str,
    by: User | None,
    ratings: Table,
    rankings: Table | None = None,
    metrics: Table | None = None,
    better: str = "",
    claims: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Report:
    """Keep the tables as they came, with a queued report on them.

    Args:
        title: What the report is called; at most 160 characters.
        better, claims: As of `read_tables`.
        resamples: Bootstrap draws and permutations, 1000 to 100,000.
        seed: Of both, 0 to 2**63 − 1.

    Raises:
        DatasetError: with every problem of the tables.
        ReportError: an option is wrong.
    """
    check_draws(resamples=resamples, seed=seed)
    if len(title) > LONGEST_TITLE:
        raise ReportError(f"The title has {len(title)} characters; {LONGEST_TITLE} are the most.")
    given = {"ratings": ratings, "rankings": rankings, "metrics": metrics}
    tables = read_tables(
        ratings=ratings, rankings=rankings, metrics=metrics, better=better, claims=claims
    )
    with transaction.atomic():
        own = OwnRatings.objects.create(
            title=title,
            owner=by,
            better=better,
            claims=[list(claim) for claim in tables.claims],
            **{kind: table.text for kind, table in given.items() if table},
        )
        report = Report.objects.create(own=own, created_by=by, resamples=resamples, seed=seed)
        enqueue(report)
    return report


def kept_tables(own: OwnRatings) -> dict[str, Table]:
    """The tables as they came, by kind."""
    texts = {"ratings": own.ratings, "rankings": own.rankings, "metrics": own.metrics}
    return {kind: Table(f"{kind}.csv", text) for kind, text in texts.items() if text}


def own_tables(own: OwnRatings) -> OwnTables:
    claims = [f"{metric}:{criterion}" for metric, criterion in own.claims]
    return read_tables(**kept_tables(own), better=own.better, claims=claims)


def own_parts(report: Report, own: OwnRatings) -> tuple[StudyData, dict[str, Any]]:
    """What a report on them starts from, and what it takes to get the same numbers again."""
    from analysis.own.data import own_data  # pandas

    data = own_data(own_tables(own), resamples=report.resamples, seed=report.seed)
    digests = {f"{kind}_sha256": table.sha256 for kind, table in kept_tables(own).items()}
    return data, digests
