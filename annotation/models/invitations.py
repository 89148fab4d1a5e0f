"""Invitations: a link that makes whoever opens it a reader of a study."""

from django.conf import settings
from django.db import models

from annotation.models.readings import Reader
from annotation.models.studies import Study


class Invitation(models.Model):
    """One person's link to a study. It is spent once accepted, and can be revoked before."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(blank=True, help_text="To whom it was sent; empty for a copied link.")
    token = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    reader = models.OneToOneField(
        Reader, on_delete=models.CASCADE, null=True, blank=True, related_name="invitation"
    )

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.email or f"link {self.pk}"

    @property
    def open(self) -> bool:
        return self.accepted_at is None and self.revoked_at is None
