"""Bring in a data set in a published layout, or a folder of images with a captions file."""

from argparse import ArgumentTypeError
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.datasets import DatasetError
from generation.datasets.duplicates import DISTANCE
from generation.datasets.layouts import LAYOUTS, read_dataset
from generation.imports import ImportRefused, check_free, import_dataset
from generation.management.output import add_json, say
from generation.management.progress import progress_bar

# The options that only some layouts have; the rest read a path alone.
_OPTIONS = {
    "folder": ("images", "captions", "image_column", "caption_column", "split_column"),
    "huggingface": ("image_column", "caption_column"),
}


class Command(BaseCommand):
    help = (
        "Import a data set as it was published, or a folder with images/ and captions.csv "
        "(UTF-8; a row for each caption of an image: image, caption, split). "
        "All of it, or nothing: problems are listed. See docs/datasets.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="short name used by other commands")
        parser.add_argument("path", type=Path, nargs="?", help="folder that the data set is in")
        parser.add_argument("--layout", choices=LAYOUTS, default="folder")
        parser.add_argument("--name", help="name on the pages (default: the short name)")
        parser.add_argument("--licence", default="")
        parser.add_argument("--source", default="", help="where it came from, for example a DOI")
        parser.add_argument("--images", type=Path, metavar="DIR", help="folder: the images")
        parser.add_argument("--captions", type=Path, metavar="FILE", help="folder: the CSV file")
        parser.add_argument("--image_column", help="folder, huggingface (default: image)")
        parser.add_argument("--caption_column", help="folder, huggingface (default: caption)")
        parser.add_argument("--split_column", help="folder (default: split)")
        parser.add_argument(
            "--holdout",
            type=_share,
            metavar="SHARE",
            help="split anew: this share of the images is for testing "
            "(default: the data set's own splits, or 0.1 where it has none)",
        )
        parser.add_argument("--split_seed", type=int, default=0)
        parser.add_argument(
            "--duplicate_distance",
            type=_bits,
            default=DISTANCE,
            metavar="BITS",
            help="of 256 in which near duplicates may differ (default: %(default)s)",
        )
        parser.add_argument(
            "--leave_out", type=Path, metavar="FILE", help="names of images, one a line"
        )
        parser.add_argument(
            "--problems", type=Path, metavar="FILE", help="write every problem into this file"
        )
        add_json(parser)

    def handle(self, **options: Any) -> None:
        slug, name = options["slug"], options["name"] or options["slug"]
        try:
            check_free(slug, name)
            with progress_bar("Checking images") as show:
                records = read_dataset(
                    options["layout"],
                    options["path"],
                    holdout=options["holdout"],
                    split_seed=options["split_seed"],
                    duplicate_distance=options["duplicate_distance"],
                    leave_out=_names(options["leave_out"]),
                    progress=show,
                    **_layout_options(options),
                )
            with progress_bar("Importing images") as show:
                dataset = import_dataset(
                    slug=slug,
                    name=name,
                    source=options["source"],
                    licence=options["licence"],
                    records=records,
                    progress=show,
                )
        except (DatasetError, ImportRefused) as error:
            if options["problems"] and isinstance(error, DatasetError):
                options["problems"].write_text("\n".join(error.problems) + "\n", encoding="utf-8")
            raise CommandError(f"Nothing was imported.\n{error}") from error
        splits = ", ".join(f"{n} {split}" for split, n in dataset.splits().items())
        captions = dataset.prompts.count()
        said = {"dataset": dataset.slug, "images": dataset.splits(), "captions": captions}
        words = f"Imported “{dataset}”: {splits} images, {captions} captions."
        say(self, words, said, json=options["json"])


def _layout_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options of the chosen layout that were given; refuses those of other layouts."""
    layout = options["layout"]
    own = _OPTIONS.get(layout, ())
    given = {
        option: options[option] for option in _OPTIONS["folder"] if options[option] is not None
    }
    problems = [
        f"--{option} is not for --layout {layout}." for option in given if option not in own
    ]
    if options["path"] is None and layout != "folder":
        problems.append(f"Name the data set’s folder after “{options['slug']}”.")
    if problems:
        raise DatasetError(problems)
    if layout == "folder" and options["holdout"] is not None:
        given.setdefault("split_column", "")
    return given


def _names(file: Path | None) -> frozenset[str]:
    if file is None:
        return frozenset()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError([f"{file} can't be read: {error}."]) from error
    return frozenset(filter(None, map(str.strip, lines)))


def _share(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (share := float(text)) < 1:
            return share
    raise ArgumentTypeError(f"{text} is not a share from 0 to below 1")


def _bits(text: str) -> int:
    with suppress(ValueError):
        if 0 <= (bits := int(text)) <= 256:
            return bits
    raise ArgumentTypeError(f"{text} is not a number of bits from 0 to 256")
