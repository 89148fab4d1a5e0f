"""Accounts: the first one, researchers' ones, and what a person chose about their own."""

from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from annotation.links import (
    check_link,
    in_language_of,
    new_token,
    send_link,
)
from annotation.models import Preference, ResearcherInvitation
from generation.permissions import RESEARCHERS

_FORWARDED = (
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "forwarded",
    "via",
)


class AccountError(ValueError):
    """Something about accounts can't be done; the message says why."""


# The first account


def has_accounts() -> bool:
    return User.objects.exists()


def setup_code() -> str:
    """What makes the first account from afar. It follows from the secret key, so that all web
    processes have the same; and opens nothing once there is an account."""
    digest = salted_hmac("annotation.setup", "first account", algorithm="sha256").hexdigest()
    return "-".join(digest[i : i + 5] for i in range(0, 20, 5))


def is_at_home(request: HttpRequest) -> bool:
    """Whether the request surely comes from this very machine: straight from a loopback address,
    on a site that answers under no other names."""
    names = [*settings.ALLOWED_HOSTS, split_domain_port(request.get_host())[0]]
    return (
        not settings.HTTPS
        and all(map(_is_loopback, names))
        and _is_loopback(request.META.get("REMOTE_ADDR", ""))
        and not any(name in request.headers for name in _FORWARDED)
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def make_first_account(account: Callable[[], User]) -> User:
    """The administrator, who is a researcher too; raises `AccountError` where accounts exist."""
    with transaction.atomic():
        # Whoever comes second waits here, and then finds an account.
        group = _researchers(lock=True)
        if has_accounts():
            raise AccountError("There is an account already: sign in with it.")
        user = account()
        user.is_staff = user.is_superuser = True
        user.save(update_fields=["is_staff", "is_superuser"])
        user.groups.add(group)
    return user


# Researchers


def researchers() -> QuerySet[User]:
    """Who may make studies."""
    members = Q(groups__name=RESEARCHERS) | Q(is_superuser=True)
    return User.objects.filter(members).distinct().order_by("username")


def make_researcher(user: User) -> None:
    user.groups.add(_researchers())


def end_researcher(user: User) -> None:
    """Take the right to make studies; raises `AccountError` for who administers the site."""
    if user.is_superuser:
        raise AccountError(f"{user} administers this site, and so may do everything.")
    user.groups.remove(_researchers())


def _researchers(*, lock: bool = False) -> Group:
    group = Group.objects.get_or_create(name=RESEARCHERS)[0]
    return Group.objects.select_for_update().get(pk=group.pk) if lock else group


def invite_researcher(*, by: User, email: str = "", language: str = "") -> ResearcherInvitation:
    """Make a link to an account that may make studies; raises `AccountError`."""
    waiting = ResearcherInvitation.objects.waiting()
    if email and waiting.filter(email__iexact=email).exists():
        raise AccountError(
            f"{email} has been invited already: copy that link, renew "
            "it where it has expired, or revoke it."
        )
    return ResearcherInvitation.objects.create(
        email=email, language=language, token=new_token(), invited_by=by
    )


def accept_researcher(*, invitation: ResearcherInvitation, account: Callable[[], User]) -> User:
    """Spend the invitation on this person, whose account may be made only now, or do nothing;
    raises `InvitationError` where it isn't open any more."""
    with transaction.atomic():
        invitation = ResearcherInvitation.objects.select_for_update().get(pk=invitation.pk)
        check_link(invitation)
        user = account()
        make_researcher(user)
        invitation.user, invitation.accepted_at = user, timezone.now()
        invitation.save(update_fields=["user", "accepted_at"])
    return user


def send_to_researcher(*, invitation: ResearcherInvitation, address: str) -> None:
    """Send the link by e-mail; raises OSError, as all errors of SMTP are, where that fails."""
    with in_language_of(invitation):
        send_link(
            invitation,
            subject=_("Invitation to run reader studies"),
            template="accounts/researcher_email.txt",
            address=address,
        )


# One's own account


def language_of(user: User) -> str:
    """The language that a person chose; empty where none."""
    chosen = Preference.objects.filter(user_id=user.pk).values_list("language", flat=True).first()
    return chosen or ""


def set_language(user: User, language: str) -> None:
    Preference.objects.update_or_create(user=user, defaults={"language": language})


def sign_out_everywhere(user: User) -> int:
    """End all of a person's visits, on all devices, this one too; how many there were."""
    ended = 0
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()
            ended += 1
    return ended
