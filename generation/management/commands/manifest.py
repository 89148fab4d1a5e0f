"""Write a run's images with their provenance, and the manifest of them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.management.lookup import one
from generation.management.progress import progress_bar
from generation.manifest import ManifestError, run_files, run_zip
from generation.models import Image, Run

T = TypeVar("T")
BESIDE = 2  # files that are no images: the manifest and the digests


class Command(BaseCommand):
    help = (
        "Write a run's images as PNGs that say how they were made, manifest.jsonl with a line for "
        "each, and SHA256SUMS. The same run gives the same bytes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=int, metavar="RUN", help="the run's number")
        parser.add_argument(
            "--output",
            type=Path,
            required=True,
            metavar="DIR|ZIP",
            help="a new or empty directory, or a file that ends in .zip",
        )

    def handle(self, *, run: int, output: Path, **options) -> None:
        found = one(Run, str(run), field="pk")
        images = Image.objects.filter(image_set__run=found).count()
        if not images:
            raise CommandError(f"Run {found.pk} has no images yet.")
        packed = output.suffix.lower() == ".zip"
        if output.exists() and (packed or not output.is_dir() or any(output.iterdir())):
            raise CommandError(f"{output} is there already: choose another --output.")
        try:
            with progress_bar(f"Run {found.pk}: {found.generator}") as show:
                write = _write_zip if packed else _write_folder
                write(found, output, lambda files: _counted(files, images + BESIDE, show))
        except (ManifestError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; nothing was written that would pass for a run.") from None
        rest = found.total - images
        lacking = f" {rest} are not there yet." if rest > 0 else ""
        self.stdout.write(f"Wrote {images} images of run {found.pk} to {output}.{lacking}")


def _write_zip(run: Run, output: Path, counted) -> None:
    """Under another name until it is whole."""
    draft = output.with_name(f"{output.name}.partial")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with draft.open("wb") as file:
            for piece in counted(run_zip(run)):
                file.write(piece)
        os.replace(draft, output)
    finally:
        draft.unlink(missing_ok=True)


def _write_folder(run: Run, output: Path, counted) -> None:
    """The manifest and the digests come last: without them a folder is not whole."""
    for name, data in counted(run_files(run)):
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _counted(files: Iterable[T], total: int, show) -> Iterator[T]:
    for done, file in enumerate(files, 1):
        yield file
        show(min(done, total), total)
