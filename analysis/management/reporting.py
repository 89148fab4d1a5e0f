"""What commands that compute a report share: where it goes, progress, files."""

import json
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analysis.models import Report
from generation.jobs import perform
from generation.management.progress import progress_bar

UNDERWAY = (Report.Status.QUEUED, Report.Status.RUNNING)


class ReportCommand(BaseCommand):
    """Computes a report here and now, without a worker, and writes it."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--output", type=Path, metavar="DIR", help="for PDF, CSV, SVG, PNG and results.json"
        )
        parser.add_argument("--zip", type=Path, metavar="FILE", help="for the same as one archive")
        parser.add_argument("--pdf", type=Path, metavar="FILE", help="for the report as PDF")
        parser.add_argument("--json", type=Path, metavar="FILE", help="for results.json alone")

    def finish(self, report: Report, options: dict[str, Any]) -> None:
        """Perform it, say what was found, write what was asked for."""
        self._perform(report)
        for sentence in report.results["sentences"]:
            self.stdout.write(f"• {sentence}")
        if options["output"]:
            self._write(report, options["output"])
        if options["zip"]:
            from analysis.export import zip_of

            self._save(zip_of(report), options["zip"])
        if options["pdf"]:
            from analysis.pdf import PdfError, kept_pdf

            try:
                self._save(kept_pdf(report), options["pdf"])
            except PdfError as error:
                raise CommandError(str(error)) from error
        if options["json"]:
            text = json.dumps(report.results, indent=2, ensure_ascii=False)
            self._save(text.encode(), options["json"])

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

    def _save(self, content: bytes, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self.stdout.write(f"The report as {file}")
