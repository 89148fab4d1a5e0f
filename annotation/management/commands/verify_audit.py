"""Check that studies' records of acts are whole."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.models import Study
from annotation.record import faults
from generation.management.lookup import one


class Command(BaseCommand):
    help = (
        "Check the hash chain of the acts recorded in a study, or in all of them: fails on an "
        "event that was changed, removed or put in outside the application."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", nargs="?", help="the study's slug (all)")

    def handle(self, **options) -> None:
        slug = options["study"]
        studies = [one(Study, slug)] if slug else list(Study.objects.order_by("pk"))
        broken = 0
        for study in studies:
            found = faults(study)
            broken += bool(found)
            words = "; ".join(found) if found else f"whole, digest {study.record_digest[:12]}…"
            self.stdout.write(f"{study.slug}: {study.events.count()} events, {words}")
        if broken:
            raise CommandError(f"{broken} of {len(studies)} records are not as they were written.")
