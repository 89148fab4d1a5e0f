"""Whether a study's record of acts is whole, and its answers are those that were recorded."""

from enum import StrEnum

from annotation.answered import KEY, answers_digest
from annotation.models import AuditEvent, Study
from annotation.models.audit import commitment


def faults(study: Study) -> list[str]:
    """What is wrong with the chain of a study's events; empty where nothing is.

    It finds an event that was changed, removed (the last ones too) or put in between. Whoever can
    write all of the database can forge the whole chain: keep a digest of it elsewhere, such as the
    one in an export. What was erased of a person breaks nothing.
    """
    found = []
    previous, expected = "", 1
    for event in study.events.select_related("study").order_by("number"):
        event.study = study
        if event.number != expected:
            missing = (
                f"{expected} to {event.number - 1}" if event.number - expected > 1 else expected
            )
            found.append(f"event {missing} is missing")
        elif event.previous != previous:
            found.append(f"event {event.number} ({event}) doesn't follow the one before it")
        if event.content_digest() != event.digest or not _kept(event):
            found.append(f"event {event.number} ({event}) was changed")
        previous, expected = event.digest, event.number + 1
    if previous != study.record_digest:
        found.append("the last events are missing, or were added outside the application")
    return found


def _kept(event: AuditEvent) -> bool:
    """Whether what is there of people is what was committed to."""
    return all(
        event.commitments.get(key) == commitment(**said) for key, said in event.personal.items()
    )


class Answers(StrEnum):
    """How scores and rankings stand to the digest that the closing recorded."""

    KEPT = "as at closing"
    CHANGED = "changed since"
    UNKNOWN = "closed without a digest"  # before closings had one
    OPEN = "not closed yet"


def answers_of(study: Study, found: list[str]) -> Answers:
    """In a word; `found` are its `answer_faults`."""
    closing = study.events.filter(act="close").last()
    if closing is None:
        return Answers.OPEN if study.closed_at is None else Answers.UNKNOWN
    if KEY not in closing.detail:
        return Answers.UNKNOWN
    return Answers.CHANGED if found else Answers.KEPT


def answer_faults(study: Study) -> list[str]:
    """Whose scores and rankings aren't those with which they finished, or the study was closed.

    It finds a score or ranking that was changed, added or removed outside the application, and a
    letter behind which another arm was put. Whoever can write all of the database can forge the
    digests, too: see `faults`.
    """
    readers = list(study.readers.all())
    found = []
    for event in study.events.filter(act__in=["finish", "close"]).order_by("number"):
        of = event.detail.get("reader")
        if KEY not in event.detail:
            continue
        reader = next((reader for reader in readers if reader.pseudonym == of), None)
        if event.detail[KEY] != answers_digest(study, reader):
            whose = f"those with which {of} finished" if of else "those of the closing"
            found.append(f"scores or rankings are not {whose} (event {event.number})")
    return found
