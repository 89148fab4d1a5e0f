"""Compute a study's report here and now, without a worker, and write its numbers as files."""

import json
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
            "--output", type=Path, metavar="DIR", help="for CSV, SVG and results.json"
        )

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
        from analysis.export import REPORT_TABLES, STUDY_TABLES, csv_text

        files = {f"{name}.csv": csv_text(make(report.study)) for name, make in STUDY_TABLES.items()}
        files |= {f"{name}.csv": csv_text(make(report)) for name, make in REPORT_TABLES.items()}
        files |= {f"{figure.name}.svg": figure.svg for figure in report.figures.all()}
        files["results.json"] = json.dumps(report.results, indent=2, ensure_ascii=False)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
        self.stdout.write(f"{len(files)} files in {folder}")
