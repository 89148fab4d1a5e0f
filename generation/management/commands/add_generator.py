"""Register a checkpoint as a generator."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.engine.loading import CheckpointError
from generation.imports import ImportRefused, add_generator
from generation.management.lookup import one
from generation.models import Dataset


class Command(BaseCommand):
    help = "Register a checkpoint (a directory or a hub id) as a generator; reads its card."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True)
        parser.add_argument("--checkpoint", required=True, metavar="DIR or OWNER/NAME")
        parser.add_argument("--revision", default="", help="of a hub repository")
        parser.add_argument("--trained-on", metavar="DATASET", help="short name of a data set")

    def handle(self, **options) -> None:
        try:
            generator = add_generator(
                name=options["name"],
                checkpoint=options["checkpoint"],
                revision=options["revision"],
                trained_on=options["trained_on"] and one(Dataset, options["trained_on"]),
            )
        except (CheckpointError, ImportRefused) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Added the generator “{generator}”: {generator.slug}")
