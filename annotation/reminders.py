"""Reminders: readers who are behind are written to, once a day at most, in their language."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from string import Formatter
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from annotation.accounts import language_of
from annotation.errors import StudyError, listed
from annotation.models import Reader, Study
from annotation.monitoring import last_seen
from annotation.pace import in_words, minutes_left_of_readers
from annotation.readers import with_standing
from annotation.steps import check_state, record

BEHIND_AFTER = timedelta(days=3)  # without anything from a reader who isn't done
ONCE_IN = timedelta(days=1)
BLANKS = ("name", "study", "done", "planned", "time", "address")  # filled in for each reader
MOST_TEXT = 4000


def to_remind(study: Study) -> list[Any]:
    """Readers who have cases left and are not paused, with ``behind``, ``language``, ``recently``
    reminded, ``last_seen`` and ``time`` left in minutes; none once the study is closed."""
    if study.closed_at:
        return []
    seen, left = last_seen(study), minutes_left_of_readers(study)
    now = timezone.now()
    found = []
    for reader in with_standing(study):
        over = reader.state in (Reader.State.REVOKED, Reader.State.FINISHED)
        if over or reader.paused_at or not reader.planned:
            continue
        reader.last_seen = seen.get(reader.pk)
        reader.time = left.get(reader.pk, 1)  # who has all cases in has to look and finish
        since = reader.last_seen or max(reader.invited_at, study.opened_at or now)
        reader.behind = now - since > BEHIND_AFTER
        reader.recently = bool(reader.reminded_at and now - reader.reminded_at < ONCE_IN)
        reader.language = language_for(reader)
        found.append(reader)
    return found


def language_for(reader: Reader) -> str:
    """What the reader chose, or was invited in; else the first of the site's."""
    invitation = getattr(reader, "invitation", None)
    invited = invitation.language if invitation else ""
    return language_of(reader.user) or invited or settings.LANGUAGE_CODE


def usual_text(language: str) -> str:
    """What a reminder says unless it is changed; names in braces are filled in."""
    with translation.override(language):
        return _(
            "Dear {name},\n\n"
            "you read images for the study “{study}”. {done} of {planned} cases are done; what is "
            "left takes about {time}. You can stop and go on whenever you like:\n\n"
            "{address}\n\n"
            "If you can't go on, please answer this message.\n"
        )


def remind(
    *,
    study: Study,
    readers: Sequence[Any],
    texts: Mapping[str, str],
    address: Callable[[], str],
    by: User,
    again: bool = False,
) -> list[str]:
    """Write to these readers, of `to_remind`; what went wrong, a sentence for each.

    Args:
        texts: by language.
        address: of the study's page for readers.
        again: also to those who were reminded within a day.

    Raises:
        StudyError: the study doesn't run, a text is empty or too long or has a name in braces that
            is not known, or nobody is left to write to.
    """
    check_running(study)
    for reader in readers:
        _check_text(texts.get(reader.language, ""))
    sent, problems = [], []
    for reader in readers:
        if not reader.user.email:
            problems.append(f"{reader} has no e-mail address: tell them yourself.")
        elif not _claim(reader, again=again):
            problems.append(f"{reader} was reminded within the last day.")
        elif problem := _send(study, reader, texts[reader.language], address(), by):
            Reader.objects.filter(pk=reader.pk).update(reminded_at=reader.reminded_at)
            problems.append(problem)
        else:
            sent.append(str(reader))
    if sent:
        record(study, "remind", by, readers=", ".join(sent))
    elif not problems:
        raise StudyError("Choose whom to remind.")
    return problems


def check_running(study: Study) -> None:
    """Raises `StudyError` unless the study's readers may be reminded now."""
    check_state(study, act="remind readers of", when=[Study.State.RUNNING])


def _claim(reader: Reader, *, again: bool) -> bool:
    """False where the reader was reminded within a day, by a double click too."""
    now = timezone.now()
    due = Q(reminded_at=None) | Q(reminded_at__lt=now - ONCE_IN)
    if again:
        due |= Q(reminded_at=reader.reminded_at)
    return bool(Reader.objects.filter(due, pk=reader.pk).update(reminded_at=now))


def _check_text(text: str) -> None:
    if not text.strip():
        raise StudyError("A reminder has a text: write one.")
    if len(text) > MOST_TEXT:
        raise StudyError(f"The text has {len(text)} characters; {MOST_TEXT} are the most.")
    try:
        found = [part[1:] for part in Formatter().parse(text) if part[1] is not None]
    except ValueError:  # an open brace
        found = [("{", "", None)]
    if any(name not in BLANKS or spec or conversion for name, spec, conversion in found):
        raise StudyError(
            "The text has braces with something else in them than "
            f"{listed(['{' + name + '}' for name in BLANKS], len(BLANKS))}."
        )


def _send(study: Study, reader: Any, text: str, address: str, by: User) -> str:
    """What went wrong; empty where nothing did."""
    with translation.override(reader.language):
        blanks = {
            "name": reader.user.get_full_name() or reader.user.get_username(),
            "study": study.title,
            "done": reader.submitted,
            "planned": reader.planned,
            "time": in_words(reader.time),
            "address": address,
        }
        message = EmailMessage(
            subject=" ".join(_("Reminder: {study}").format(study=study.title).split()),
            body=text.format(**blanks),
            to=[reader.user.email],
            reply_to=[by.email] if by.email else None,
        )
    try:
        message.send()
    except OSError as error:
        return f"The message to {reader} could not be sent ({error})."
    return ""
