"""Erasing who a reader is. What they answered stays, under their pseudonym."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone

from annotation.errors import StudyError
from annotation.models import AuditEvent, Comment, Invitation, Reader, Score, Study
from annotation.models.audit import ERASED, SPOKEN
from annotation.names import Names, names_of
from annotation.placeholders import is_placeholder, placeholder
from annotation.steps import record
from generation.models import Run
from generation.permissions import is_researcher


@dataclass(frozen=True)
class Written:
    """Something that somebody wrote, and where.

    Attributes:
        keep: stores it anew; None where it is sealed, and so stays as it is.
        answer: a reader wrote it about what they saw: nothing to read before results may be seen.
    """

    where: str
    text: str
    keep: Callable[[str], object] | None = None
    answer: bool = False


class Elsewhere(Protocol):
    """Where a floor above keeps what was written in a study."""

    def written(self, study: Study) -> Iterable[Written]: ...

    def erased(self, study: Study) -> object:
        """Called once a reader of the study was erased."""


ELSEWHERE: list[Elsewhere] = []  # told by the apps above when they are ready


@dataclass(frozen=True)
class Passage:
    """A place where a name was masked, or may still stand; `text` is empty while it is blinded."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: “{self.text}”" if self.text else self.where


@dataclass(frozen=True)
class Erased:
    """What erasing a reader does, or did.

    Attributes:
        masked: where a name was masked, and how it reads since.
        to_read: where one may still stand, which only a person can tell.
    """

    masked: list[Passage]
    to_read: list[Passage]
    account_deleted: bool = False


def erase_reader(*, study: Study, reader: Reader, by: User) -> Erased:
    """Erase a reader's name, account and addresses from a study.

    Their place goes to an account that nobody can sign in to, so that their part ends here if it
    had not; all that they answered stays and counts as before. Where somebody wrote their name, in
    comments, answers in words or reports, it is masked; names and reasons in the record of acts are
    erased with their salts, and the record stays whole. `Names` says what is found. An account that
    is nothing else here (a reader elsewhere, a researcher) is deleted.

    Raises:
        StudyError: it was erased before, or nobody here knows who this reader is.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        reader = (
            study.readers.select_for_update(of=("self",)).select_related("user").get(pk=reader.pk)
        )
        names = _checked_names(study, reader)
        told = _walk(study, reader, names, keep=True)
        user = reader.user
        reader.user = placeholder(study.slug, reader.number)
        reader.erased_at = timezone.now()
        reader.save(update_fields=["user", "erased_at"])
        for invitation in _invitations(study, reader, names):
            invitation.email = ""
            invitation.revoked_at = invitation.revoked_at or (
                None if invitation.accepted_at else timezone.now()
            )
            invitation.save(update_fields=["email", "revoked_at"])
        for elsewhere in ELSEWHERE:
            elsewhere.erased(study)
        record(study, "erase reader", by, reader=str(reader))
        return Erased(told.masked, told.to_read, account_deleted=_deleted_if_idle(user))


def what_goes(study: Study, reader: Reader) -> Erased:
    """What `erase_reader` would mask now, and what it would leave for a person to read.

    Raises:
        StudyError: as of `erase_reader`.
    """
    return _walk(study, reader, _checked_names(study, reader), keep=False)


def is_known(reader: Reader) -> bool:
    """Whether a person's account stands behind the pseudonym, and no placeholder."""
    return not is_placeholder(reader.user)


def _checked_names(study: Study, reader: Reader) -> set[str]:
    """What they are called, or were when something was recorded of them; raises `StudyError`."""
    if reader.erased_at:
        raise StudyError(f"Who {reader} is was erased already.")
    if not is_known(reader):
        raise StudyError(f"Nobody here knows who {reader} is: the study was imported.")
    found = {*names_of(reader.user)}
    found |= {*Invitation.objects.filter(reader=reader).values_list("email", flat=True)}
    for event in study.events.all():
        if event.actor_id == reader.user_id and "actor" in event.personal:
            found.add(event.personal["actor"]["text"])
        if event.detail.get("reader") == str(reader) and "user" in event.personal:
            found.add(event.personal["user"]["text"])
    return {name.strip() for name in found if name.strip()}


def _walk(study: Study, reader: Reader, names: set[str], *, keep: bool) -> Erased:
    """Everything that may name them, masked; `keep` stores it so."""
    known = Names(names)
    told = _walk_texts(study, known, keep=keep)
    for event in study.events.all():
        goes = _goes(event, reader, names, known)
        for key, text in _spoken(event).items():
            where = f"record, {key} of event {event.number} ({event.act})"
            if key in goes:
                told.masked.append(Passage(where, ERASED))
            elif known.doubtful(text):
                told.to_read.append(Passage(where, text))
        if keep:
            _erase(event, goes, user=reader.user)
    return told


def _walk_texts(study: Study, known: Names, *, keep: bool) -> Erased:
    told = Erased([], [])
    for written in _everywhere(study):
        masked = known.masked(written.text)
        named = masked != written.text
        hidden = written.answer and not study.results_visible
        passage = Passage(written.where, "" if hidden else masked if written.keep else written.text)
        if named and written.keep:
            told.masked.append(passage)
            if keep:
                written.keep(masked)
        if known.doubtful(written.text) or (named and not written.keep):
            told.to_read.append(passage)
    return told


def _everywhere(study: Study) -> Iterator[Written]:
    """All that may name somebody, but for the record of acts."""
    yield from _answers(study)
    for elsewhere in ELSEWHERE:
        yield from elsewhere.written(study)
    yield Written("title", study.title)
    yield from (Written("protocol", text) for text in _strings(study.protocol_data))
    for case in study.cases.select_related("prompt"):
        yield Written(f"prompt of case {case.position}", case.prompt.text)


def _answers(study: Study) -> Iterator[Written]:
    """Comments and answers in words, every revision."""
    for model, what in ((Comment, "comment"), (Score, "answer in words")):
        found = model.objects.filter(reading_set__reading__reader__study=study).exclude(text="")
        order = ("reading_set__reading__reader__number", "reading_set__reading__position",
                 "reading_set__letter", "sequence")  # fmt: skip
        for pk, text, number, position, letter, _ in found.order_by(*order).values_list(
            "pk", "text", *order
        ):
            where = f"{what} of R{number} on set {letter} of their reading {position}"
            keep = partial(_keep_text, model.objects.filter(pk=pk))
            yield Written(where, text, keep, answer=True)


def _keep_text(row: Any, text: str) -> None:
    row.update(text=text)


def _strings(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for inner in data.values() if isinstance(data, dict) else data:
            yield from _strings(inner)


def _invitations(study: Study, reader: Reader, names: set[str]) -> list[Invitation]:
    """Theirs, and others of the study that were sent to the same address."""
    known = {name.lower() for name in names}
    return [
        invitation
        for invitation in study.invitations.all()
        if invitation.reader_id == reader.pk or invitation.email.lower() in known
    ]


def _goes(event: AuditEvent, reader: Reader, names: set[str], known: Names) -> set[str]:
    """Keys of what an event says of them: as its actor, in an event about them, or by name."""
    is_actor = event.actor_id == reader.user_id
    about = event.detail.get("reader") == str(reader)
    whole = {name.lower() for name in names}  # “anna” is not “anna.k”

    def told(key: str, text: str) -> bool:
        if key == "actor":
            return is_actor
        if about:
            return True
        return known.masked(text) != text if key in SPOKEN else text.lower() in whole

    return {key for key, said in event.personal.items() if told(key, said["text"])}


def _spoken(event: AuditEvent) -> dict[str, str]:
    return {key: event.personal[key]["text"] for key in SPOKEN if key in event.personal}


def _erase(event: AuditEvent, goes: set[str], *, user: User) -> None:
    is_actor = event.actor_id == user.pk
    if goes or is_actor:
        event.personal = {key: said for key, said in event.personal.items() if key not in goes}
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
