"""Links that people are sent: signed, spent once, revocable, expiring.

A link is a random name and its signature by the site's secret key. The database holds the name
alone, so that neither a copy of it nor the admin opens anything; and a guess is refused before
the database is asked.
"""

import secrets
from typing import TypeVar, cast

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _

from annotation.models.invitations import Link, in_thirty_days

Found = TypeVar("Found", bound=Link)
PRINTING = [f"django.core.mail.backends.{name}.EmailBackend" for name in ("console", "dummy")]


class InvitationError(ValueError):
    """The invitation can't be accepted; the message says why, in words for whoever opened it."""


def new_token() -> str:
    return secrets.token_urlsafe(24)


def mail_is_set_up() -> bool:
    """Whether messages reach people, and are not only printed where the server runs."""
    return settings.EMAIL_BACKEND not in PRINTING


def link_of(invitation: Link) -> str:
    """What the invitation's address ends in."""
    return _signer(type(invitation)).sign(invitation.token)


def address_of(invitation: Link, request: HttpRequest) -> str:
    """The whole address, as a person copies it."""
    return request.build_absolute_uri(reverse(invitation.opened_at, args=[link_of(invitation)]))


def find_link(model: type[Found], link: str) -> Found:
    """The invitation behind a link, whatever became of it; raises `InvitationError`."""
    try:
        return cast(Found, model._default_manager.get(token=_signer(model).unsign(link)))
    except (signing.BadSignature, model.DoesNotExist):
        raise InvitationError(
            _("This link is not complete. Copy all of it from the message, or ask for a new one.")
        ) from None


def check_link(invitation: Link) -> None:
    """Raises `InvitationError` where nobody can accept the invitation any more."""
    if invitation.revoked_at:
        raise InvitationError(_("This invitation has been withdrawn. Ask for a new one."))
    if invitation.accepted_at:
        raise InvitationError(
            _("This invitation has been accepted already. If that was you, sign in and go on.")
        )
    if invitation.expired:
        raise InvitationError(_("This invitation has expired. Ask for a new one."))


def revoke_link(invitation: Link) -> bool:
    """End an invitation; False where it has been accepted or revoked already."""
    rows = type(invitation)._default_manager.filter(pk=invitation.pk).waiting()
    return bool(rows.update(revoked_at=timezone.now()))


def renew_link(invitation: Link) -> bool:
    """Let an invitation stand for thirty days from now; False as in `revoke_link`."""
    rows = type(invitation)._default_manager.filter(pk=invitation.pk).waiting()
    return bool(rows.update(expires_at=in_thirty_days()))


def send_link(invitation: Link, *, subject: str, template: str, **context: object) -> None:
    """Send it by e-mail, in its language; raises OSError, as all errors of SMTP are."""
    inviter = invitation.invited_by
    EmailMessage(
        subject=" ".join(subject.split()),
        body=render_to_string(template, {"inviter": inviter, "link": invitation, **context}),
        to=[invitation.email],
        reply_to=[inviter.email] if inviter and inviter.email else None,
    ).send()


def message_languages() -> list[tuple[str, str]]:
    """What messages can be written in: codes, and names in English for the researcher."""
    return [(code, get_language_info(code)["name"]) for code, _name in settings.LANGUAGES]


def in_language_of(invitation: Link) -> translation.override:
    return translation.override(invitation.language or settings.LANGUAGE_CODE)


def _signer(model: type[Link]) -> signing.Signer:
    return signing.Signer(salt=f"annotation.{model._meta.model_name}", sep=".")
