"""Compute a study's report here and now, without a worker, and write it as files.

Embedder, resamples and seed are those of the study's plan of analysis unless others are asked for,
which the report says.
"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from analysis.management.reporting import ReportCommand
from analysis.metrics.embedders import EMBEDDER_NAMES
from analysis.reports import ReportError, create_report
from annotation.models import Study
from generation.management.lookup import one


class Command(ReportCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY", help="the study's slug")
        parser.add_argument(
            "--embedder", metavar="NAME", help=f"instead of the plan's: {EMBEDDER_NAMES}"
        )
        parser.add_argument("--resamples", type=int, help="instead of the plan's")
        parser.add_argument("--seed", type=int, help="instead of the plan's")
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = create_report(
                study=one(Study, options["study"]),
                by=None,
                embedder=options["embedder"],
                resamples=options["resamples"],
                seed=options["seed"],
            )
        except ReportError as error:
            raise CommandError(str(error)) from error
        self.finish(report, options)
