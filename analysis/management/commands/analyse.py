"""Analyse ratings and metrics that were made elsewhere, here and now, and write the report.

docs/own-ratings.md says what the tables hold. Without --owner nothing of it stays in the database.
"""

from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from analysis.management.reporting import ReportCommand
from analysis.metrics.registry import DIRECTIONS
from analysis.own.reports import create_own_report
from analysis.own.tables import Table, listed
from analysis.reports import RESAMPLES, ReportError
from generation.datasets import DatasetError
from generation.management.lookup import one

TABLES = {
    "ratings": "CSV: case, arm, reader, criterion, score",
    "rankings": "CSV: case, arm, reader, rank",
    "metrics": "CSV: case, arm, metric, value",
}


class Command(ReportCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        for kind, columns in TABLES.items():
            parser.add_argument(
                f"--{kind}", type=Path, required=kind == "ratings", metavar="FILE", help=columns
            )
        parser.add_argument(
            "--better", choices=DIRECTIONS, default="", help="of metrics that don't say it"
        )
        parser.add_argument(
            "--claim",
            action="append",
            default=[],
            metavar="METRIC:CRITERION",
            help="named in advance, before anyone looked; may be given again",
        )
        parser.add_argument("--title", default="", help="by default the name of the ratings' file")
        parser.add_argument("--owner", metavar="USERNAME", help="on whose page it then stands")
        parser.add_argument("--resamples", type=int, default=RESAMPLES)
        parser.add_argument("--seed", type=int, default=0)
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        owner = one(User, options["owner"], field="username") if options["owner"] else None
        try:
            report = create_own_report(
                title=options["title"] or options["ratings"].stem,
                by=owner,
                **{kind: _table(options[kind]) for kind in TABLES if options[kind]},
                better=options["better"],
                claims=options["claim"],
                resamples=options["resamples"],
                seed=options["seed"],
            )
        except DatasetError as error:
            raise CommandError("\n".join(listed(error.problems))) from error
        except ReportError as error:
            raise CommandError(str(error)) from error
        try:
            self.finish(report, options)
        finally:
            if owner is None:
                report.subject.delete()


def _table(file: Path) -> Table:
    try:
        return Table.of(file.name, file.read_bytes())
    except OSError as error:
        raise CommandError(f"{file} can't be read: {error.strerror}.") from error
