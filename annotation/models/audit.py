"""What happened in a study: who, when, what, why. Rows are added, never changed, and chained.

Names, addresses and reasons are not in the chain itself: each is committed to by the SHA-256 of a
salt and its text, and the chain holds the commitments. So a person's data can be erased, salt and
all, and the chain still shows that no event was changed; what is still there can be checked.
"""

import hashlib
import json
import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from annotation.models.studies import Study

# What an event may say of a person, beside its actor: names, addresses, and what was written.
SPOKEN = ("reason", "note")  # in somebody's own words
PERSONAL = frozenset({"user", "whom", *SPOKEN})
ERASED = "(not kept)"  # or, in a study that was imported, never there


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def add(
        self, study: Study, *, act: str, by: User | None, detail: dict[str, Any]
    ) -> "AuditEvent":
        """Append an event to a study's record; what of the detail is `PERSONAL` can be erased."""
        said = {key: str(value) for key, value in detail.items() if key in PERSONAL}
        if by:
            said["actor"] = by.get_username()
        personal = {key: {"text": text, "salt": _salt()} for key, text in said.items()}
        with transaction.atomic():
            locked = Study.objects.select_for_update().get(pk=study.pk)
            last = self.filter(study=locked).last()
            event = self.model(
                study=locked,
                number=last.number + 1 if last else 1,
                actor=by,
                actor_role=_role(locked, by) if by else "",
                act=act,
                detail={key: value for key, value in detail.items() if key not in PERSONAL},
                personal=personal,
                commitments={key: commitment(**said) for key, said in personal.items()},
                at=timezone.now(),
                previous=last.digest if last else "",
            )
            event.digest = event.content_digest()
            event.save(force_insert=True)
            Study.objects.filter(pk=study.pk).update(record_digest=event.digest)
        return event


class AuditEvent(models.Model):
    """One recorded act, such as sealing, opening, closing or unblinding a study.

    Each holds the digest of the one before it, and the study that of its last: a changed, missing
    or foreign event breaks the chain (`annotation.record.faults`).
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="events")
    number = models.PositiveIntegerField(help_text="From 1, within its study.")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    actor_role = models.CharField(
        max_length=20, blank=True, help_text="A reader's pseudonym, or owner, monitor, …"
    )
    act = models.CharField(max_length=40)
    detail = models.JSONField(default=dict, blank=True)
    personal = models.JSONField(
        default=dict, blank=True, help_text="By key, text and salt; can be erased."
    )
    commitments = models.JSONField(
        default=dict, blank=True, help_text="By key, SHA-256 of what is or was personal."
    )
    at = models.DateTimeField()
    previous = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "number"], name="an_event_has_its_own_number_in_its_study"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.act}"

    @property
    def told(self) -> dict[str, Any]:
        """The detail with what is personal, as far as it was not erased."""
        there = {key: said["text"] for key, said in self.personal.items()}
        return {**self.detail, **dict.fromkeys(self.commitments, ERASED), **there}

    @property
    def who(self) -> str:
        """Whoever acted, by name where it was not erased."""
        name = self.personal.get("actor", {}).get("text", "")
        return name or self.actor_role.capitalize() or "Blindread"

    def content_digest(self) -> str:
        """SHA-256 over what happened and the digest before it, as canonical JSON."""
        content = {
            "study": self.study.slug,
            "number": self.number,
            "actor": self.actor_role,
            "act": self.act,
            "detail": self.detail,
            "commitments": self.commitments,
            "at": self.at.isoformat(),
            "previous": self.previous,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def commitment(*, text: str, salt: str) -> str:
    """What the chain holds in a text's place: without the salt nobody can try names on it."""
    return hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()


def _salt() -> str:
    return secrets.token_hex(16)


def _role(study: Study, by: User) -> str:
    """What somebody is to a study, said without their name."""
    if by.pk == study.owner_id:
        return "owner"
    if reader := study.readers.filter(user_id=by.pk).first():
        return reader.pseudonym
    if member := study.members.filter(user_id=by.pk).first():
        return member.role
    return "administrator" if by.is_superuser else "another account"
