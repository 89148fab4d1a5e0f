"""The audit of blinding as long work: a job of its own, at whose end a study may be opened."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotation.models.studies import Study
from generation.models import Job


class BlindingAudit(Job):
    """One audit that was asked for; ``done`` and ``total`` count readings. What it found stands
    in the study's record."""

    performer = "annotation.openings.perform_audit"
    queue = "cpu"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="audits")
    opens = models.BooleanField(help_text="Whether the study is opened when nothing is found.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["study"],
                condition=Q(status__in=["queued", "running"]),
                name="a_study_has_one_audit_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"Audit {self.pk} of {self.study}"
