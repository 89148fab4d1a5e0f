"""Protocols that researchers copied and changed."""

from django.conf import settings
from django.db import models

from annotation.protocols import Protocol


class SavedProtocol(models.Model):
    """A protocol of a researcher's own. Studies keep a snapshot, so that it can be changed."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="protocols"
    )
    name = models.CharField(max_length=80)
    data = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"], name="a_researcher_s_protocols_have_their_own_names"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def protocol(self) -> Protocol:
        return Protocol.from_dict(self.data)
