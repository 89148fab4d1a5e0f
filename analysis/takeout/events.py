"""The table of what happened in a study: its record of acts, chained as it was kept."""

from collections.abc import Iterable

from analysis.takeout.arriving import Arriving
from analysis.takeout.cells import Row, Table, data, text, time, whole
from analysis.takeout.leaving import Leaving
from annotation.models import AuditEvent
from annotation.models.audit import SPOKEN


def _event_rows(leaving: Leaving) -> Iterable[Row]:
    for event in leaving.study.events.order_by("number"):
        yield {
            "number": event.number,
            "at": event.at,
            "actor": event.actor_role,
            "act": event.act,
            "detail": event.detail,
            "written": {
                key: said
                for key, said in event.personal.items()
                if key in SPOKEN and leaving.names.masked(said["text"]) == said["text"]
            },
            "commitments": event.commitments,
            "previous": event.previous,
            "digest": event.digest,
        }


def _restore_events(arriving: Arriving, rows: list[Row]) -> None:
    arriving.create(
        AuditEvent,
        (
            AuditEvent(
                study=arriving.study,
                number=row["number"],
                actor_role=row["actor"],
                act=row["act"],
                detail=row["detail"],
                personal=row["written"],
                commitments=row["commitments"],
                at=row["at"],
                previous=row["previous"],
                digest=row["digest"],
            )
            for row in rows
        ),
    )


TABLES = [
    Table(
        "events",
        "An act on record. The digest is the SHA-256 of canonical JSON (keys sorted, no spaces, "
        "UTF-8) of study (its slug), number, actor, act, detail, commitments, at, previous.",
        [
            whole("number", "From 1."),
            time("at", "When; in the digest as ISO 8601 with +00:00."),
            text("actor", "Who: a reader's pseudonym, owner, co-investigator, monitor, "
                 "administrator; empty for Blindread itself."),
            text("act", "What was done."),
            data("detail", "What belongs to it."),
            data("written", "Reasons and notes, each with its salt; those that name somebody are "
                 "left out."),
            data("commitments", "Of each name, address, reason or note: SHA-256 of its salt, a "
                 "line break and the text. Names and their salts don't leave."),
            text("previous", "Digest of the event before."),
            text("digest", "Of this event."),
        ],
        _event_rows,
        _restore_events,
    ),
]  # fmt: skip
