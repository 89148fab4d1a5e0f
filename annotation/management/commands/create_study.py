"""Make a draft study from prompts, reference images and generators that are in the database."""

from dataclasses import replace

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.drafts import create_study
from annotation.errors import StudyError
from annotation.protocols import Protocol, ProtocolError, presets
from annotation.real_images import BY_CAPTION, BY_FINDING
from annotation.saved_protocols import find_protocol
from annotation.setting_up import choose_prompts, choose_real_images
from generation.management.lookup import one
from generation.management.output import add_json, say
from generation.models import Dataset, Generator


class Command(BaseCommand):
    help = (
        "Make a draft study. Its cases are the prompts of a data set that have a rephrasing, each "
        "followed by its rephrasing; its references are real images captioned by those prompts."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--title", required=True)
        parser.add_argument(
            "--protocol",
            default="prompt-to-polyp",
            metavar="KEY",
            help=f"{', '.join(presets())}, or one of the owner's own (default: %(default)s)",
        )
        parser.add_argument("--prompts-dataset", required=True, metavar="SLUG")
        parser.add_argument("--pairs", type=int, help="the first N pairs (default: all)")
        parser.add_argument("--references-dataset", required=True, metavar="SLUG")
        parser.add_argument("--references-split", default="test")
        parser.add_argument(
            "--references-match",
            choices=[BY_CAPTION, BY_FINDING],
            default=BY_CAPTION,
            help="finding: images that show the same make up for those that carry no such caption",
        )
        parser.add_argument("--generators", required=True, metavar="SLUG,SLUG,...")
        parser.add_argument("--seed", type=int, required=True)
        parser.add_argument("--owner", required=True, metavar="USERNAME")
        parser.add_argument("--images-per-set", type=int, help="instead of the protocol's")
        parser.add_argument("--references-per-case", type=int, help="instead of the protocol's")
        parser.add_argument(
            "--practice", type=int, help="practice cases, instead of the protocol's"
        )
        add_json(parser)

    def handle(self, **options) -> None:
        try:
            owner = one(get_user_model(), options["owner"], field="username")
            protocol = _protocol(options, owner)
            prompts, practice = choose_prompts(
                one(Dataset, options["prompts_dataset"]),
                pairs=options["pairs"],
                practice=protocol.practice,
                insist=options["practice"] is not None,
            )
            protocol = replace(protocol, practice=len(practice))
            generators = [one(Generator, slug.strip()) for slug in options["generators"].split(",")]
            references, hidden = choose_real_images(
                protocol,
                [*prompts, *practice],
                dataset=one(Dataset, options["references_dataset"]),
                split=options["references_split"],
                seed=options["seed"],
                match=options["references_match"],
                generators=generators,
            )
            study = create_study(
                title=options["title"],
                protocol=protocol,
                prompts=prompts,
                practice=practice,
                references=references,
                hidden=hidden,
                generators=generators,
                seed=options["seed"],
                owner=owner,
            )
        except (StudyError, ProtocolError) as error:
            raise CommandError(str(error)) from error
        beside = f" and {len(practice)} for practice" if practice else ", none for practice"
        cases = f"{len(prompts)} cases{beside}"
        said = {"study": study.slug, "cases": len(prompts), "practice_cases": len(practice)}
        words = f"Made the draft “{study}” with {cases}: {study.slug}"
        say(self, words, said, json=options["json"])


def _protocol(options, owner: User) -> Protocol:
    wanted = {key: options[key] for key in ("images_per_set", "references_per_case", "practice")}
    changes = {key: value for key, value in wanted.items() if value is not None}
    return replace(find_protocol(options["protocol"], owner=owner), **changes)
