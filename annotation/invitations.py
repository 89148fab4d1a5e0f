"""Invitations: links that make whoever opens one a reader of a study, once each.

A link is a random name and its signature by the site's secret key. The database holds the name
alone, so that neither a copy of it nor the admin opens anything; and a guess is refused before
the database is asked.
"""

import secrets
from collections.abc import Callable

from django.contrib.auth.models import User
from django.core import signing
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import StudyError
from annotation.models import Invitation, Reader, Study
from annotation.readers import TAKES_READERS, add_reader, check_may_read
from annotation.steps import check_state, record

MOST_OPEN = 50  # invitations of a study at once, so that nobody sends mail without end
_signer = signing.Signer(salt="annotation.invitation", sep=".")


class InvitationError(ValueError):
    """The invitation can't be accepted; the message says why, in words for whoever opened it."""


def invite(*, study: Study, by: User, email: str = "") -> Invitation:
    """Make a link to a study; `send` sends it where there is an address.

    Raises:
        StudyError: the study takes no readers now, the address has an open invitation already, or
            too many invitations are open.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        check_state(study, act="invite readers to", when=TAKES_READERS)
        waiting = study.invitations.filter(accepted_at=None, revoked_at=None)
        if waiting.count() >= MOST_OPEN:
            raise StudyError(f"{MOST_OPEN} invitations are open: revoke some of them first.")
        if email and waiting.filter(email__iexact=email).exists():
            raise StudyError(f"{email} has been invited already: copy that link, or revoke it.")
        record(study, "invite", by, whom=email or "somebody by a link")
        return Invitation.objects.create(
            study=study, email=email, token=secrets.token_urlsafe(24), invited_by=by
        )


def revoke_invitation(*, invitation: Invitation, by: User) -> None:
    """End an invitation that nobody has accepted; raises `StudyError` where it is too late."""
    with transaction.atomic():
        rows = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)
        if not rows.update(revoked_at=timezone.now()):
            raise StudyError("This invitation has been accepted or revoked already.")
        record(invitation.study, "revoke invitation", by, whom=str(invitation))


def link_of(invitation: Invitation) -> str:
    """What the invitation's address ends in."""
    return _signer.sign(invitation.token)


def address_of(invitation: Invitation, request: HttpRequest) -> str:
    """The whole address, as a person copies it."""
    path = reverse("annotation:invitation-open", args=[link_of(invitation)])
    return request.build_absolute_uri(path)


def find_invitation(link: str) -> Invitation:
    """The invitation behind a link, whatever became of it; raises `InvitationError`."""
    try:
        token = _signer.unsign(link)
        return Invitation.objects.select_related("study", "invited_by").get(token=token)
    except (signing.BadSignature, Invitation.DoesNotExist):
        raise InvitationError(
            _("This link is not complete. Copy all of it from the message, or ask for a new one.")
        ) from None


def check_open(invitation: Invitation) -> None:
    """Raises `InvitationError` where nobody can accept the invitation any more."""
    if invitation.revoked_at:
        raise InvitationError(_("This invitation has been withdrawn. Ask for a new one."))
    if invitation.accepted_at:
        raise InvitationError(
            _("This invitation has been accepted already. If that was you, sign in and go on.")
        )
    if invitation.study.state not in TAKES_READERS:
        raise InvitationError(_("This study is closed and takes no more readers."))


def check_invited(invitation: Invitation, user: User) -> None:
    """Raises `InvitationError` where this person can't become a reader of the study."""
    reader = invitation.study.readers.filter(user_id=user.pk).first()
    if reader and reader.state == Reader.State.REVOKED:
        raise InvitationError(_("Your part in this study has ended. Ask whoever invited you."))
    if reader:
        raise InvitationError(_("You read this study already. The link stays good for another."))
    try:
        check_may_read(invitation.study, user)
    except StudyError as error:
        raise InvitationError(str(error)) from error


def accept(*, invitation: Invitation, account: Callable[[], User]) -> Reader:
    """Spend the invitation on this person, whose account may be made only now; or do nothing.

    Raises:
        InvitationError: the invitation isn't open any more, or this person can't read the study.
    """
    with transaction.atomic():
        # Whoever comes second waits here, and then finds the invitation accepted.
        invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
        check_open(invitation)
        user = account()
        check_invited(invitation, user)
        study = invitation.study
        reader = add_reader(study=study, user=user, by=invitation.invited_by or study.owner)
        invitation.reader, invitation.accepted_at = reader, timezone.now()
        invitation.save(update_fields=["reader", "accepted_at"])
        record(study, "accept invitation", user, whom=str(invitation), reader=str(reader))
    return reader


def send(*, invitation: Invitation, address: str) -> None:
    """Send the link by e-mail; raises OSError, as all errors of SMTP are, where that fails."""
    study, inviter = invitation.study, invitation.invited_by
    context = {"study": study, "address": address, "inviter": inviter}
    EmailMessage(
        subject=_("Invitation to read: {study}").format(study=" ".join(str(study).split())),
        body=render_to_string("annotation/invitation_email.txt", context),
        to=[invitation.email],
        reply_to=[inviter.email] if inviter and inviter.email else None,
    ).send()
