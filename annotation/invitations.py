"""Invitations: links that make whoever opens one a reader of a study, once each."""

from collections.abc import Callable

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import StudyError
from annotation.links import (
    InvitationError,
    check_link,
    in_language_of,
    new_token,
    renew_link,
    revoke_link,
    send_link,
)
from annotation.models import Invitation, Reader, Study
from annotation.readers import TAKES_READERS, add_reader, check_may_read, slot_is_free
from annotation.steps import check_state, hold_in_state, hold_study, record

MOST_OPEN = 50  # invitations of a study at once, so that nobody sends mail without end


def invite(
    *, study: Study, by: User, email: str = "", language: str = "", slot: int | None = None
) -> Invitation:
    """Make a link to a study; `send` sends it where there is an address.

    Args:
        language: of the message; the first of the site's by default.
        slot: of somebody whose part has ended, to be kept for whoever accepts.

    Raises:
        StudyError: the study takes no readers now, the address has an open invitation already, too
            many invitations are open, or the slot isn't free.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        check_state(study, act="invite readers to", when=TAKES_READERS)
        waiting = study.invitations.waiting()
        if waiting.count() >= MOST_OPEN:
            raise StudyError(f"{MOST_OPEN} invitations are open: revoke some of them first.")
        if email and waiting.filter(email__iexact=email).exists():
            raise StudyError(
                f"{email} has been invited already: copy that link, renew "
                "it where it has expired, or revoke it."
            )
        if slot and not slot_is_free(study, slot):
            raise StudyError(
                f"Place {slot} of the plan is not free: somebody has it, or an open invitation "
                "keeps it."
            )
        kept = {"slot": slot} if slot else {}
        record(study, "invite", by, whom=email or "somebody by a link", **kept)
        return Invitation.objects.create(
            study=study,
            email=email,
            language=language,
            slot=slot,
            token=new_token(),
            invited_by=by,
        )


def revoke_invitation(*, invitation: Invitation, by: User) -> None:
    """End an invitation that nobody has accepted; raises `StudyError` where it is too late."""
    with transaction.atomic():
        hold_study(invitation.study_id)
        if not revoke_link(invitation):
            raise StudyError("This invitation has been accepted or revoked already.")
        record(invitation.study, "revoke invitation", by, whom=str(invitation))


def renew_invitation(*, invitation: Invitation, by: User) -> None:
    """Let an invitation stand for thirty days from now; raises `StudyError` as above."""
    with transaction.atomic():
        hold_in_state(invitation.study, act="invite readers to", when=TAKES_READERS)
        if not renew_link(invitation):
            raise StudyError("This invitation has been accepted or revoked already.")
        record(invitation.study, "renew invitation", by, whom=str(invitation))
    invitation.refresh_from_db()


def check_open(invitation: Invitation) -> None:
    """Raises `InvitationError` where nobody can accept the invitation any more."""
    check_link(invitation)
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
        hold_study(invitation.study_id)
        invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
        check_open(invitation)
        user = account()
        check_invited(invitation, user)
        study = invitation.study
        by = invitation.invited_by or study.owner
        reader = add_reader(study=study, user=user, by=by, invitation=invitation)
        invitation.reader, invitation.accepted_at = reader, timezone.now()
        invitation.save(update_fields=["reader", "accepted_at"])
        record(study, "accept invitation", user, whom=str(invitation), reader=str(reader))
    return reader


def send(*, invitation: Invitation, address: str) -> None:
    """Send the link by e-mail; raises OSError, as all errors of SMTP are, where that fails."""
    with in_language_of(invitation):
        send_link(
            invitation,
            subject=_("Invitation to read: {study}").format(study=invitation.study),
            template="annotation/invitation_email.txt",
            study=invitation.study,
            address=address,
        )
