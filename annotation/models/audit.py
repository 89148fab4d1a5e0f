"""What happened in a study: who, when, what, why. Rows are added, never changed."""

from django.conf import settings
from django.db import models

from annotation.models.studies import Study


class AuditEvent(models.Model):
    """One recorded act, such as sealing, opening, closing or unblinding a study."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="events")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    act = models.CharField(max_length=40)
    detail = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.act}"
