"""Erase who a reader of a study is."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.erasure import erase_reader
from annotation.errors import StudyError
from annotation.models import Reader, Study
from generation.management.lookup import one
from generation.management.output import add_json, say


class Command(BaseCommand):
    help = (
        "Erase a reader's name, account and addresses from a study, for good; what they answered "
        "stays, under their pseudonym, and the record of acts stays whole. See docs/taking-home.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument("reader", help="the pseudonym, such as R2")
        add_json(parser)

    def handle(self, **options) -> None:
        study = one(Study, options["study"])
        reader = _reader(study, options["reader"])
        try:
            deleted = erase_reader(study=study, reader=reader, by=study.owner)
        except StudyError as error:
            raise CommandError(str(error)) from error
        rest = "the account is deleted" if deleted else "the account has other parts here"
        said = {"study": study.slug, "reader": str(reader), "account_deleted": deleted}
        say(self, f"It is erased who {reader} of “{study}” is; {rest}.", said, json=options["json"])


def _reader(study: Study, pseudonym: str) -> Reader:
    readers = {reader.pseudonym: reader for reader in study.readers.all()}
    if pseudonym not in readers:
        known = ", ".join(readers) or "none yet"
        raise CommandError(f"No reader “{pseudonym}” in “{study}”; there are: {known}.")
    return readers[pseudonym]
