"""What happened in a study: who, when, what, why. Rows are added, never changed, and chained."""

import hashlib
import json
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from annotation.models.studies import Study


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def add(
        self, study: Study, *, act: str, by: User | None, detail: dict[str, Any]
    ) -> "AuditEvent":
        """Append an event to a study's record."""
        with transaction.atomic():
            locked = Study.objects.select_for_update().get(pk=study.pk)
            last = self.filter(study=locked).last()
            event = self.model(
                study=locked,
                number=last.number + 1 if last else 1,
                actor=by,
                actor_name=by.get_username() if by else "",
                act=act,
                detail=detail,
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
    actor_name = models.CharField(max_length=150, blank=True, help_text="Stays with the event.")
    act = models.CharField(max_length=40)
    detail = models.JSONField(default=dict, blank=True)
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

    def content_digest(self) -> str:
        """SHA-256 over what happened and the digest before it, as canonical JSON."""
        content = {
            "study": self.study.slug,
            "number": self.number,
            "actor": self.actor_name,
            "act": self.act,
            "detail": self.detail,
            "at": self.at.isoformat(),
            "previous": self.previous,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()
