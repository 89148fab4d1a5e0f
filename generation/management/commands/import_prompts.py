"""Bring in prompts with their rephrasings."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.datasets import DatasetError
from generation.datasets.prompts import read_prompts
from generation.imports import ImportRefused, import_prompts
from generation.management.output import add_json, say


class Command(BaseCommand):
    help = (
        "Import a prompts file (UTF-8 CSV): column prompt; if wanted rephrasing, and "
        "reference_caption, the caption of real images that show what the prompt asks for."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="short name used by other commands")
        parser.add_argument("--file", type=Path, required=True)
        parser.add_argument("--name", help="name on the pages (default: the short name)")
        parser.add_argument("--source", default="", help="where it came from, for example a DOI")
        add_json(parser)

    def handle(self, **options) -> None:
        try:
            dataset = import_prompts(
                slug=options["slug"],
                name=options["name"] or options["slug"],
                source=options["source"],
                rows=read_prompts(options["file"]),
            )
        except (DatasetError, ImportRefused) as error:
            raise CommandError(f"Nothing was imported.\n{error}") from error
        rephrased = dataset.prompts.exclude(rephrasing_of=None).count()
        originals = dataset.prompts.count() - rephrased
        said = {"dataset": dataset.slug, "prompts": originals, "rephrasings": rephrased}
        words = f"Imported “{dataset}”: {originals} prompts, {rephrased} rephrasings."
        say(self, words, said, json=options["json"])
