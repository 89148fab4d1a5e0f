"""The code with which the first account is made from another machine."""

from django.core.management.base import BaseCommand, CommandError

from annotation.accounts import has_accounts, setup_code


class Command(BaseCommand):
    help = (
        "Print the set-up code, which the page of the first account asks for unless it is opened "
        "on this machine itself. It opens nothing once there is an account."
    )

    def handle(self, **options) -> None:
        if has_accounts():
            raise CommandError("There is an account already: sign in with it.")
        self.stdout.write(setup_code())
