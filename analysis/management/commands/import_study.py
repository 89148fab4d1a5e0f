"""Restore a study from the ZIP in which it was taken home."""

from pathlib import Path

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from analysis.takeout import TakeoutError
from generation.management.lookup import one
from generation.management.output import add_json, say
from generation.management.progress import progress_bar


class Command(BaseCommand):
    help = (
        "Restore a study from a ZIP that export_study or the study's page made, or from a folder "
        "into which it was unpacked. All of it, or nothing. See docs/taking-home.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("archive", type=Path, help="the ZIP or the folder")
        parser.add_argument(
            "--owner", required=True, metavar="ACCOUNT", help="the researcher who is to own it"
        )
        add_json(parser)

    def handle(self, **options) -> None:
        from analysis.takeout.reading import read_study  # pandas

        owner = one(User, options["owner"], field="username")
        try:
            with progress_bar("Checking files") as show:
                study = read_study(options["archive"], by=owner, progress=show)
        except (TakeoutError, OSError) as error:
            raise CommandError(f"Nothing was imported.\n{error}") from error
        said = {"study": study.slug, "title": study.title, "state": study.state}
        readers, cases = study.readers.count(), study.cases.count()
        words = (
            f"Imported “{study}”: {study.slug} ({cases} cases, {readers} readers, {study.state})."
        )
        say(self, words, said | {"cases": cases, "readers": readers}, json=options["json"])
