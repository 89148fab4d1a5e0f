"""Make an access token for a researcher's programs."""

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.management.lookup import one
from generation.models import AccessToken
from generation.tokens import LONGEST, TokenError, create_token


class Command(BaseCommand):
    help = "Make an access token for the API and print it; it can't be read again (docs/api.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        scopes = ",".join(AccessToken.Scope.values)
        parser.add_argument("username")
        parser.add_argument("--name", required=True, help="what it is for")
        parser.add_argument(
            "--scopes", default=scopes, metavar="SCOPE,SCOPE,...", help="(default: %(default)s)"
        )
        parser.add_argument(
            "--days", type=int, default=30, help=f"1 to {LONGEST} (default: %(default)s)"
        )

    def handle(self, **options) -> None:
        user = one(get_user_model(), options["username"], field="username")
        try:
            made, token = create_token(
                user=user,
                name=options["name"],
                scopes=[scope.strip() for scope in options["scopes"].split(",")],
                days=options["days"],
            )
        except TokenError as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"“{made.name}” of {user}, good until {made.expiry:%Y-%m-%d %H:%M} UTC:")
        self.stdout.write(token)
