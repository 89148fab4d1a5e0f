"""Bring in a folder of images with a captions file."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.datasets import DatasetError
from generation.datasets.folder import read_folder
from generation.imports import ImportRefused, import_folder
from generation.management.progress import progress_bar


class Command(BaseCommand):
    help = (
        "Import a folder of images and a captions file (UTF-8 CSV; a row for each caption of an "
        "image, with columns image, caption, split). All of it, or nothing: problems are listed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="short name used by other commands")
        parser.add_argument("--images", type=Path, required=True, metavar="DIR")
        parser.add_argument("--captions", type=Path, required=True, metavar="FILE")
        parser.add_argument("--name", help="name on the pages (default: the short name)")
        parser.add_argument("--licence", default="")
        parser.add_argument("--source", default="", help="where it came from, for example a DOI")
        parser.add_argument("--image-column", default="image")
        parser.add_argument("--caption-column", default="caption")
        parser.add_argument("--split-column", default="split")

    def handle(self, **options) -> None:
        try:
            with progress_bar("Checking images") as show:
                records = read_folder(
                    options["images"],
                    options["captions"],
                    image_column=options["image_column"],
                    caption_column=options["caption_column"],
                    split_column=options["split_column"],
                    progress=show,
                )
            with progress_bar("Importing images") as show:
                dataset = import_folder(
                    slug=options["slug"],
                    name=options["name"] or options["slug"],
                    source=options["source"],
                    licence=options["licence"],
                    records=records,
                    progress=show,
                )
        except (DatasetError, ImportRefused) as error:
            raise CommandError(f"Nothing was imported.\n{error}") from error
        splits = ", ".join(f"{n} {split}" for split, n in dataset.splits().items())
        self.stdout.write(
            f"Imported “{dataset}”: {splits} images, {dataset.prompts.count()} captions."
        )
