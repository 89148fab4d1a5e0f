"""Erasing who a reader is. What they answered stays, under their pseudonym."""

import re
from collections.abc import Iterable

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone

from annotation.errors import StudyError
from annotation.models import AuditEvent, Invitation, Reader, Study
from annotation.placeholders import placeholder
from annotation.steps import record
from generation.models import Run
from generation.permissions import is_researcher


@transaction.atomic
def erase_reader(*, study: Study, reader: Reader, by: User) -> bool:
    """Erase a reader's name, account and addresses from a study; whether the account went, too.

    Their place goes to an account that nobody can sign in to, so that their part ends here if it
    had not; all that they answered stays and counts as before. Names and reasons in the record of
    acts are erased with their salts, and the record stays whole. An account that is nothing else
    here (a reader elsewhere, a researcher) is deleted.

    Raises:
        StudyError: it was erased before, or nobody here knows who this reader is.
    """
    study = Study.objects.select_for_update().get(pk=study.pk)
    reader = study.readers.select_for_update(of=("self",)).select_related("user").get(pk=reader.pk)
    if reader.erased_at:
        raise StudyError(f"Who {reader} is was erased already.")
    if not is_known(reader):
        raise StudyError(f"Nobody here knows who {reader} is: the study was imported.")
    user = reader.user
    names = [*_names(study, reader)]
    reader.user = placeholder(study.slug, reader.number)
    reader.erased_at = timezone.now()
    reader.save(update_fields=["user", "erased_at"])
    for invitation in _invitations(study, reader, names):
        invitation.email = ""
        invitation.revoked_at = invitation.revoked_at or (
            None if invitation.accepted_at else timezone.now()
        )
        invitation.save(update_fields=["email", "revoked_at"])
    for event in study.events.all():
        _erase(event, user=user, reader=reader, names=names)
    record(study, "erase reader", by, reader=str(reader))
    return _deleted_if_idle(user)


def is_known(reader: Reader) -> bool:
    """Whether a person's account stands behind the pseudonym, and no placeholder."""
    return reader.user.is_active or reader.user.has_usable_password()


def _names(study: Study, reader: Reader) -> Iterable[str]:
    user = reader.user
    found = [user.username, user.email, user.get_full_name(), user.first_name, user.last_name]
    found += Invitation.objects.filter(reader=reader).values_list("email", flat=True)
    return {name.strip() for name in found if name.strip()}


def _invitations(study: Study, reader: Reader, names: list[str]) -> list[Invitation]:
    """Theirs, and others of the study that were sent to the same address."""
    known = {name.lower() for name in names}
    return [
        invitation
        for invitation in study.invitations.all()
        if invitation.reader_id == reader.pk or invitation.email.lower() in known
    ]


def _erase(event: AuditEvent, *, user: User, reader: Reader, names: list[str]) -> None:
    """What an event says of them: as its actor, in an event about them, or by name in its text."""
    is_actor = event.actor_id == user.pk
    about = event.detail.get("reader") == str(reader)
    spoken = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, names))})(?!\w)", re.IGNORECASE)

    def told(key: str, text: str) -> bool:
        if key == "actor":
            return is_actor
        if about:
            return True
        # A whole account or address: “anna” is not “anna.k”.
        return text.lower() in known if key in ("user", "whom") else bool(spoken.search(text))

    known = {name.lower() for name in names}
    gone = {key for key, said in event.personal.items() if told(key, said["text"])}
    if gone or is_actor:
        event.personal = {key: said for key, said in event.personal.items() if key not in gone}
        event.actor = None if is_actor else event.actor
        event.save(update_fields=["personal", "actor"])


def _deleted_if_idle(user: User) -> bool:
    """Delete the account, what the admin wrote of it, and its sign-ins."""
    busy = (
        is_researcher(user)
        or user.is_staff
        or Reader.objects.filter(user_id=user.pk).exists()
        or Study.objects.filter(owner_id=user.pk).exists()
        or user.memberships.exists()
        or user.protocols.exists()
        or user.own_ratings.exists()
        or Run.objects.filter(created_by=user).exists()
    )
    if busy:
        return False
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.filter(content_type=kind, object_id=str(user.pk)).delete()
    for signed_in in (AccessAttempt, AccessFailureLog, AccessLog):
        signed_in.objects.filter(username=user.username).delete()
    user.delete()
    return True
