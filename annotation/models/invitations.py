"""Invitations: a link that makes whoever opens it a reader of a study, or a researcher."""

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotation.models.readings import Reader
from annotation.models.studies import Study

GOOD_FOR = timedelta(days=30)


def in_thirty_days() -> datetime:
    return timezone.now() + GOOD_FOR


class LinkQuerySet(models.QuerySet):
    def waiting(self) -> Self:
        """Those that nobody has accepted or revoked; they may have expired."""
        return self.filter(accepted_at=None, revoked_at=None)


class Link(models.Model):
    """One person's link. It is spent once accepted, can be revoked before, and expires."""

    email = models.EmailField(blank=True, help_text="To whom it was sent; empty for a copied link.")
    language = models.CharField(
        max_length=10, blank=True, help_text="Of the message; empty for the first language."
    )
    token = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=in_thirty_days)
    revoked_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)

    objects = LinkQuerySet.as_manager()

    opened_at: ClassVar[str]  # the name of the address that it opens

    class Meta:
        abstract = True
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.email or f"link {self.pk}"

    @property
    def expired(self) -> bool:
        return timezone.now() >= self.expires_at

    @property
    def open(self) -> bool:
        return self.accepted_at is None and self.revoked_at is None and not self.expired


class Invitation(Link):
    """To read a study; in the place of somebody whose part has ended, where it keeps a slot."""

    opened_at = "annotation:invitation-open"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="invitations")
    slot = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Kept for whoever accepts; empty for the next free one."
    )
    reader = models.OneToOneField(
        Reader, on_delete=models.CASCADE, null=True, blank=True, related_name="invitation"
    )

    class Meta(Link.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["study", "slot"],
                condition=Q(accepted_at=None, revoked_at=None),
                name="a_slot_is_kept_for_one_invitation",
            ),
        ]


class ResearcherInvitation(Link):
    """To have an account that may make studies."""

    opened_at = "annotation:researcher-invitation-open"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
