"""Fetch what a study's readers can get, and look for anything that tells the arms."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.audits import audit_blinding
from annotation.manifest import still_as_sealed
from annotation.models import Study
from generation.management.lookup import one


class Command(BaseCommand):
    help = (
        "Fetch every page and image that the readers of a sealed or running study can get, and "
        "look for names, digests, seeds and file names. Leaves no trace; fails on a finding."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument("--readings", type=int, help="the first N of each reader (all)")

    def handle(self, **options) -> None:
        study = one(Study, options["study"])
        if study.state not in (Study.State.SEALED, Study.State.RUNNING):
            raise CommandError(f"“{study}” is {study.state}; audit it when sealed or running.")
        audit = audit_blinding(study=study, readings_per_reader=options["readings"])
        findings = audit.findings
        if not still_as_sealed(study):
            findings = ["prompts, images or generators have changed since sealing", *findings]
        for name in audit.not_sought:
            self.stdout.write(f"Too short to look for: “{name}”")
        for finding in findings:
            self.stdout.write(finding)
        if findings:
            raise CommandError(f"{len(findings)} findings in {audit.responses} responses.")
        self.stdout.write(f"Nothing found in {audit.responses} responses.")
