"""Access tokens: made for a researcher, shown once, good for some time."""

from collections.abc import Collection
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from generation.models import AccessToken
from generation.permissions import is_researcher

MOST = 20  # of one person
LONGEST = 365  # days


class TokenError(ValueError):
    """The token can't be made; the message says why and how to mend it."""


def create_token(
    *, user: User, name: str, scopes: Collection[str], days: int
) -> tuple[AccessToken, str]:
    """The token's row, and the token itself, which nobody can read again.

    Raises:
        TokenError: the user is no researcher or has too many tokens, or a value can't be.
    """
    known = AccessToken.Scope.values
    unknown = sorted(set(scopes) - set(known))
    if not is_researcher(user):
        raise TokenError(f"{user} is no researcher, and the API is for researchers.")
    if not 1 <= len(name.strip()) <= 80:
        raise TokenError("Give the token a name of 1 to 80 characters: what it is for.")
    if unknown or not scopes:
        said = f"There is no scope {', '.join(unknown)}" if unknown else "No scope was chosen"
        raise TokenError(f"{said}; there are: {', '.join(known)}.")
    if not 1 <= days <= LONGEST:
        raise TokenError(f"A token is good for 1 to {LONGEST} days, not {days}.")
    if AccessToken.objects.filter(user=user, expiry__gt=timezone.now()).count() >= MOST:
        raise TokenError(f"{user} has {MOST} access tokens: revoke one of them first.")
    return AccessToken.objects.create(
        user=user,
        name=name.strip(),
        scopes=[scope for scope in known if scope in scopes],
        expiry=timedelta(days=days),
    )
