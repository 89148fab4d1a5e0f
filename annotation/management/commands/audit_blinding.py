"""Fetch what a study's readers can get, and look for anything that tells the arms."""

from collections.abc import Iterator

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.audits import Audit, record_audit
from annotation.models import Study
from generation.management.lookup import one
from generation.management.output import add_json, say


class Command(BaseCommand):
    help = (
        "Fetch every page and image that the readers of a sealed or running study can get, and "
        "look for names, digests, seeds and file names, and for anything else by which sets could "
        "be linked to arms. The result is kept with the study's record; fails on a finding."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument("--readings", type=int, help="the first N of each reader (all)")
        add_json(parser)

    def handle(self, **options) -> None:
        study = one(Study, options["study"])
        if study.state not in (Study.State.SEALED, Study.State.RUNNING):
            raise CommandError(f"“{study}” is {study.state}; audit it when sealed or running.")
        audit = record_audit(study=study, by=study.owner, readings_per_reader=options["readings"])
        say(self, "\n".join(_words(audit)), audit.to_dict(), json=options["json"])
        if audit.findings:
            raise CommandError(f"{audit.verdict.capitalize()}.")


def _words(audit: Audit) -> Iterator[str]:
    fetched = ", ".join(f"{count} {kind}" for kind, count in audit.fetched.items())
    yield (
        f"Fetched in {audit.seconds} s, of {audit.readings} of {audit.planned} readings by "
        f"{audit.readers} readers: {fetched}."
    )
    yield from (f"Sought: {count} {kind}." for kind, count in audit.sought.items())
    yield from (f"Too short to look for: “{name}”" for name in audit.not_sought)
    for link in audit.links:
        yield (
            f"Sets linked to arms by {link.trace}: {link.accuracy:.0%} "
            f"({link.low:.0%} to {link.high:.0%}; chance {link.chance:.0%}, p {link.p:.3f})"
        )
    if not audit.links:
        yield "Too few arms or cases to try linking sets to arms."
    yield from audit.findings
    if not audit.findings:
        yield f"{audit.verdict.capitalize()}."
