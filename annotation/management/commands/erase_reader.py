"""Erase who a reader of a study is."""

from dataclasses import asdict

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.erasure import Passage, erase_reader
from annotation.errors import StudyError
from annotation.models import Reader, Study
from generation.management.lookup import one
from generation.management.output import add_json, say


class Command(BaseCommand):
    help = (
        "Erase a reader's name, account and addresses from a study, for good; what they answered "
        "stays, under their pseudonym, and the record of acts stays whole. Says where the name was "
        "masked, and what a person should read. See docs/taking-home.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument("reader", help="the pseudonym, such as R2")
        add_json(parser)

    def handle(self, **options) -> None:
        study = one(Study, options["study"])
        reader = _reader(study, options["reader"])
        try:
            done = erase_reader(study=study, reader=reader, by=study.owner)
        except StudyError as error:
            raise CommandError(str(error)) from error
        rest = (
            "the account is deleted" if done.account_deleted else "the account has other parts here"
        )
        words = [
            f"It is erased who {reader} of “{study}” is; {rest}.",
            *_told("Masked, or erased, where the name stood", done.masked),
            *_told("Read these yourself, a name may still stand there", done.to_read),
        ]
        said = {"study": study.slug, "reader": str(reader), **asdict(done)}
        say(self, "\n".join(words), said, json=options["json"])


def _told(words: str, passages: list[Passage]) -> list[str]:
    return [f"{words}:", *(f"  {passage}" for passage in passages)] if passages else []


def _reader(study: Study, pseudonym: str) -> Reader:
    readers = {reader.pseudonym: reader for reader in study.readers.all()}
    if pseudonym not in readers:
        known = ", ".join(readers) or "none yet"
        raise CommandError(f"No reader “{pseudonym}” in “{study}”; there are: {known}.")
    return readers[pseudonym]
