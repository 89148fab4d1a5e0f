"""Bring in image sets that were made elsewhere."""

from pathlib import Path

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.datasets import DatasetError
from generation.imported_sets import import_sets
from generation.imports import ImportRefused
from generation.management.lookup import one
from generation.management.output import add_json, say
from generation.management.progress import progress_bar
from generation.models import Dataset


class Command(BaseCommand):
    help = (
        "Import images that another program made, as a generator of their own: from a folder or "
        "ZIP with mapping.csv (prompt, image) or a folder for each prompt. All of it, or nothing: "
        "problems are listed. See docs/imported-sets.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the folder or ZIP")
        parser.add_argument("--name", required=True, help="of the generator that made them")
        parser.add_argument(
            "--prompts-dataset", required=True, metavar="SLUG", help="whose prompts they answer"
        )
        parser.add_argument(
            "--owner",
            required=True,
            metavar="ACCOUNT",
            help="the researcher who sees them and studies them",
        )
        parser.add_argument(
            "--source", required=True, help="where they came from, for example a DOI or a person"
        )
        parser.add_argument("--licence", default="")
        parser.add_argument(
            "--some-prompts", action="store_true", help="other prompts have no images"
        )
        parser.add_argument(
            "--problems", type=Path, metavar="FILE", help="write every problem into this file"
        )
        add_json(parser)

    def handle(self, **options) -> None:
        path: Path = options["path"]
        try:
            with progress_bar("Checking images") as show:
                imported = import_sets(
                    name=options["name"],
                    source=options["source"],
                    licence=options["licence"],
                    dataset=one(Dataset, options["prompts_dataset"]),
                    archive=path,
                    archive_name=str(path.resolve()),
                    by=one(User, options["owner"], field="username"),
                    some=options["some_prompts"],
                    progress=show,
                )
        except (DatasetError, ImportRefused, OSError) as error:
            if options["problems"] and isinstance(error, DatasetError):
                options["problems"].write_text("\n".join(error.problems) + "\n", encoding="utf-8")
            raise CommandError(f"Nothing was imported.\n{error}") from error
        run = imported.run
        said = {
            "generator": run.generator.slug,
            "run": run.pk,
            "images": run.total,
            "left_alone": imported.left_alone,
        }
        where = f"Generator: {run.generator.slug}. Its images: {run.get_absolute_url()}"
        say(self, f"{imported.summary}\n{where}", said, json=options["json"])
