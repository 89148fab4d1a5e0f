"""Check that studies' records of acts are whole, and their answers those that were recorded."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.models import Study
from annotation.record import answer_faults, answers_of, faults
from generation.management.lookup import one
from generation.management.output import add_json, say


class Command(BaseCommand):
    help = (
        "Check the hash chain of the acts recorded in a study, or in all of them: fails on an "
        "event that was changed, removed or put in outside the application, and on a score or "
        "ranking that is not as it was when its reader finished or the study was closed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", nargs="?", help="the study's slug (all)")
        add_json(parser)

    def handle(self, **options) -> None:
        slug = options["study"]
        studies = [one(Study, slug)] if slug else list(Study.objects.order_by("pk"))
        said = [_checked(study) for study in studies]
        broken = sum(bool(row["faults"]) for row in said)
        say(self, "\n".join(map(_words, said)), said, json=options["json"])
        if broken:
            raise CommandError(f"{broken} of {len(studies)} records are not as they were written.")


def _checked(study: Study) -> dict[str, Any]:
    answered = answer_faults(study)
    return {
        "study": study.slug,
        "events": study.events.count(),
        "record_digest": study.record_digest,
        "answers": answers_of(study, answered),
        "faults": [*faults(study), *answered],
    }


def _words(row: dict[str, Any]) -> str:
    found = "; ".join(row["faults"]) or f"whole, digest {row['record_digest'][:12]}…"
    return f"{row['study']}: {row['events']} events, {found}; answers {row['answers']}"
