"""Register a checkpoint as a generator."""

from dataclasses import fields

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.engine.loading import CheckpointError
from generation.engine.registry import FAMILIES
from generation.engine.spec import SCHEDULERS, Base, Settings
from generation.imports import ImportRefused, add_generator
from generation.management.lookup import one
from generation.management.output import add_json, say
from generation.models import Dataset

_KINDS = {"int": int, "float": float, "str": str}


class Command(BaseCommand):
    help = (
        "Register a checkpoint (a directory or a hub id) as a generator. Its card says what it is; "
        "of a published model, or a LoRA of another trainer, say the family and the base."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True)
        parser.add_argument("--checkpoint", required=True, metavar="DIR or OWNER/NAME")
        parser.add_argument("--revision", default="", help="of a hub repository")
        parser.add_argument("--trained-on", metavar="DATASET", help="short name of a data set")
        parser.add_argument("--family", default="", choices=FAMILIES)
        parser.add_argument(
            "--base",
            action="append",
            default=[],
            metavar="[PART=]DIR or OWNER/NAME[@REVISION]",
            help="what a LoRA was trained on; of Kandinsky prior=… and decoder=…",
        )
        parser.add_argument("--licence", default="")
        parser.add_argument("--token-length", type=int)
        for field in fields(Settings):
            kind = str(field.type).removesuffix(" | None")
            parser.add_argument(
                f"--{field.name}",
                type=_KINDS[kind],
                choices=list(SCHEDULERS) if field.name == "scheduler" else None,
                help="how it is sampled, in place of what its card says",
            )
        add_json(parser)

    def handle(self, **options) -> None:
        settings = {field.name: options[field.name] for field in fields(Settings)}
        try:
            generator = add_generator(
                name=options["name"],
                checkpoint=options["checkpoint"],
                revision=options["revision"],
                trained_on=options["trained_on"] and one(Dataset, options["trained_on"]),
                family=options["family"],
                base=dict(_base(text) for text in options["base"]),
                settings={name: v for name, v in settings.items() if v is not None},
                token_length=options["token_length"],
                licence=options["licence"],
            )
        except (CheckpointError, ImportRefused) as error:
            raise CommandError(str(error)) from error
        said = {"generator": generator.slug, "family": generator.family, "digest": generator.digest}
        words = f"Added the generator “{generator}”: {generator.slug}"
        say(self, words, said, json=options["json"])


def _base(text: str) -> tuple[str, Base]:
    part, sign, named = text.partition("=")
    source, _, revision = (named if sign else text).partition("@")
    return (part if sign else "pipeline"), Base(source, revision)
