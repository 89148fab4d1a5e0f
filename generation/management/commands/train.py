"""Train a generator on the images of a data set."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.engine.loading import CheckpointError
from generation.imports import ImportRefused, add_generator
from generation.management.lookup import one
from generation.management.progress import progress_bar
from generation.models import Dataset
from generation.training.config import PRESETS, TrainingConfig, TrainingConfigError

# Settings of a preset that can be changed on the command line, by diffusers' names.
_KINDS = {"int": int, "float": float, "str": str, "str | None": str}
_SETTINGS = {
    field.name: _KINDS[str(field.type)] for field in fields(TrainingConfig) if field.type in _KINDS
}


class Command(BaseCommand):
    help = (
        "Train an MSDM on a data set and register it as a generator. Stopped, the same command "
        "goes on where it was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("family", choices=["msdm"])
        parser.add_argument("--dataset", required=True, metavar="SLUG")
        parser.add_argument("--split", default="train")
        parser.add_argument("--preset", default="small", choices=sorted(PRESETS))
        parser.add_argument("--name", required=True, help="the generator's name")
        parser.add_argument("--output", type=Path, required=True, metavar="DIR")
        parser.add_argument("--restart", action="store_true", help="drop an unfinished training")
        for name, kind in _SETTINGS.items():
            parser.add_argument(f"--{name}", type=kind)

    def handle(self, **options) -> None:
        from generation.training.data import TrainingDataError, TrainingImage
        from generation.training.loop import Progress, TrainingDiverged
        from generation.training.msdm import train_msdm

        dataset = one(Dataset, options["dataset"])
        rows = dataset.images.filter(split=options["split"]).prefetch_related("prompts")
        if not rows:
            has = ", ".join(dataset.splits()) or "no images"
            raise CommandError(f"“{dataset}” has no split “{options['split']}”; it has: {has}.")
        images: Sequence[TrainingImage] = [
            TrainingImage(
                id=image.sha256,
                path=Path(default_storage.path(str(image.file.name))),
                captions=tuple(prompt.text for prompt in image.prompts.all()),
            )
            for image in rows
        ]
        changes = {name: options[name] for name in _SETTINGS if options[name] is not None}
        try:
            config = replace(PRESETS[options["preset"]], **changes)
            with progress_bar("Preparing") as show:

                def report(now: Progress) -> None:
                    show(now.step, now.total, f"{now.stage} · loss {now.loss:.4f}")

                train_msdm(
                    images,
                    config=config,
                    output=options["output"],
                    resume=not options["restart"],
                    progress=report,
                    licence=dataset.licence or "unknown",
                    phantom=dataset.phantom,
                )
            generator = add_generator(
                name=options["name"], checkpoint=str(options["output"]), trained_on=dataset
            )
        except (
            TrainingConfigError,
            TrainingDataError,
            TrainingDiverged,
            CheckpointError,
            ImportRefused,
            ValueError,
        ) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. The same command goes on where it was.") from None
        self.stdout.write(f"Trained and added the generator “{generator}”: {generator.slug}")
