"""Uploads: a ZIP that a researcher sent, and what is to become of it."""

from functools import partial
from typing import Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse

from generation.models.corpus import Dataset
from generation.models.jobs import Job, JobQuerySet
from generation.models.runs import Run
from generation.storage import forget


class SentFileQuerySet(JobQuerySet):
    def owned_by(self, user: User) -> Self:
        """A researcher's own uploads; all of them for a superuser."""
        return self if user.is_superuser else self.filter(created_by=user)


class SentFile(Job):
    """What becomes of a file that a researcher sent; it goes once that is over, however it ends."""

    file = models.FileField(max_length=200, blank=True)
    file_name = models.CharField(max_length=255)
    problems = models.JSONField(default=list, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    objects = SentFileQuerySet.as_manager()  # type: ignore[misc] # of the rows of this kind

    class Meta:
        abstract = True
        ordering = ["-pk"]

    def cancel(self) -> None:
        super().cancel()
        self.settled()

    def settled(self) -> None:
        """Once it is over, nobody needs the file any more."""
        self.refresh_from_db(fields=["status", "file"])
        if self.file and not self.unfinished:
            transaction.on_commit(partial(forget, str(self.file.name)))


class Upload(SentFile):
    """Check a ZIP and bring it in as a data set, or as a generator with its image sets.

    ``done`` and ``total`` count images, first while they are checked, then while they are stored.
    """

    performer = "generation.uploads.perform_upload"
    queue = "cpu"

    class Kind(models.TextChoices):
        DATASET = "dataset"
        SETS = "sets"

    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=120, help_text="Of the data set or the generator to be.")
    source = models.CharField(max_length=300, blank=True)
    licence = models.CharField(max_length=120, blank=True)
    options = models.JSONField(default=dict, help_text="How the ZIP is read.")
    prompts = models.ForeignKey(
        Dataset,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="uploads",
        help_text="Whose prompts the image sets answer.",
    )
    summary = models.TextField(blank=True, help_text="What came in.")
    dataset = models.ForeignKey(
        Dataset, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta(SentFile.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="dataset") | Q(prompts__isnull=False),
                name="image_sets_answer_the_prompts_of_a_data_set",
            ),
        ]

    def __str__(self) -> str:
        return f"Upload of {self.name}"

    def get_absolute_url(self) -> str:
        return reverse("generation:upload", args=[self.pk])
