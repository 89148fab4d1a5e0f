"""Give a person a place among a study's readers."""

import secrets

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from annotation.errors import StudyError
from annotation.models import Study
from annotation.readers import add_reader
from generation.management.lookup import one
from generation.management.output import add_json, say


class Command(BaseCommand):
    help = "Give a person a place among a study's readers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="the study's slug")
        parser.add_argument("username")
        parser.add_argument("--create", action="store_true", help="make the account, too")
        parser.add_argument("--email", default="", help="of the new account")
        add_json(parser)

    def handle(self, **options) -> None:
        study = one(Study, options["study"])
        users = get_user_model().objects
        username = options["username"]
        user = users.filter(username=username).first()
        if options["create"] and user:
            raise CommandError(f"There is an account “{username}” already: leave out --create.")
        if not options["create"] and not user:
            raise CommandError(f"No account “{username}”: check the name, or add --create.")
        password = secrets.token_urlsafe(12)
        try:
            with transaction.atomic():
                user = user or users.create_user(username, options["email"], password)
                reader = add_reader(study=study, user=user, by=study.owner)
        except StudyError as error:
            raise CommandError(str(error)) from error
        words = f"{username} reads “{study}” as {reader}."
        said = {"study": study.slug, "reader": str(reader), "username": username}
        if options["create"]:
            words += f"\nPassword, shown only now: {password}"
            said["password"] = password
        say(self, words, said, json=options["json"])
