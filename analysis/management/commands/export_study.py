"""Take a study home as one ZIP."""

import hashlib
import os
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analysis.takeout import TakeoutError
from annotation.models import Study
from generation.management.lookup import one
from generation.management.output import add_json, say
from generation.management.progress import progress_bar


class Command(BaseCommand):
    help = (
        "Write a study whose results may be seen as one ZIP: every table as CSV and Parquet, a "
        "codebook, images, reports, checksums; readers by pseudonym. The same study gives the same "
        "bytes, and import_study restores it from them. See docs/taking-home.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument("--output", type=Path, metavar="ZIP", help="default: SLUG.zip")
        parser.add_argument(
            "--without-images", action="store_true", help="for sharing; it can't be imported"
        )
        add_json(parser)

    def handle(self, **options) -> None:
        study = one(Study, options["study"])
        output = options["output"] or Path(f"{study.slug}.zip")
        if output.exists():
            raise CommandError(f"{output} is there already: choose another --output.")
        draft = output.with_name(f"{output.name}.partial")
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            self._write(study, draft, images=not options["without_images"])
            os.replace(draft, output)
        except (TakeoutError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; nothing was written.") from None
        finally:
            draft.unlink(missing_ok=True)
        with output.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = output.stat().st_size
        said = {"study": study.slug, "file": str(output), "bytes": size, "sha256": digest}
        words = f"Wrote “{study}” to {output}: {size / 2**20:.1f} MiB, SHA-256 {digest}"
        say(self, words, said, json=options["json"])

    def _write(self, study: Study, draft: Path, *, images: bool) -> None:
        from analysis.takeout.writing import write_study  # pandas, pyarrow

        with progress_bar(f"Exporting “{study}”") as show:
            write_study(study, draft, images=images, progress=show)
