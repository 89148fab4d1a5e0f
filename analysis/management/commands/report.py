"""Compute a study's report here and now, without a worker, and write its numbers as files."""

from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from analysis.metrics.embedders import EMBEDDER_NAMES
from analysis.models import Report
from analysis.reports import ReportError, create_report
from annotation.models import Study
from generation.jobs import perform
from generation.management.lookup import one
from generation.management.progress import progress_bar

UNDERWAY = (Report.Status.QUEUED, Report.Status.RUNNING)


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY", help="the study's slug")
        parser.add_argument(
            "--embedder", default=settings.EMBEDDER, metavar="NAME", help=EMBEDDER_NAMES
        )
        parser.add_argument("--resamples", type=int, default=2000)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--output", type=Path, metavar="DIR", help="for CSV, SVG, PNG and results.json"
        )
        parser.add_argument("--zip", type=Path, metavar="FILE", help="for the same as one archive")

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
        self._perform(report)
        for sentence in report.results["sentences"]:
            self.stdout.write(f"• {sentence}")
        if options["output"]:
            self._write(report, options["output"])
        if options["zip"]:
            from analysis.export import zip_of

            options["zip"].parent.mkdir(parents=True, exist_ok=True)
            options["zip"].write_bytes(zip_of(report))
            self.stdout.write(f"The report as {options['zip']}")

    def _perform(self, report: Report) -> None:
        # Does nothing when a worker was faster; then the bar follows the worker.
        Thread(target=perform, args=[Report, report.pk], daemon=True).start()
        with progress_bar(str(report)) as show:
            while report.status in UNDERWAY:
                sleep(0.2)
                report.refresh_from_db()
                show(report.done, report.total, report.message or None)
        if report.status != Report.Status.DONE:
            raise CommandError(f"Report {report.pk} is {report.status}. {report.error}")

    def _write(self, report: Report, folder: Path) -> None:
        from analysis.export import files_of

        files = files_of(report)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        self.stdout.write(f"{len(files)} files in {folder}")
