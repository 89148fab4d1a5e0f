"""Whether a study's record of acts is whole: every event as it was written, none missing."""

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
