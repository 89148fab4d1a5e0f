"""Studies as archives: one being made for taking home, one being brought in."""

from typing import Self

from django.conf import settings
from django.db import models
from django.urls import reverse

from annotation.models import Study
from generation.models import Job, SentFile
from generation.models.jobs import JobQuerySet


class ExportQuerySet(JobQuerySet):
    def there(self) -> Self:
        """Those whose archive can be downloaded."""
        return self.filter(status=Job.Status.DONE).exclude(file="")


class Export(Job):
    """A study as one ZIP; ``done`` and ``total`` count its files."""

    performer = "analysis.takeout.jobs.perform_export"
    queue = "cpu"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="exports")
    images = models.BooleanField(
        default=True, help_text="With image files; without them it can't be imported."
    )
    file = models.FileField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    objects = ExportQuerySet.as_manager()  # type: ignore[misc] # of the rows of this kind

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Export {self.pk} of {self.study}"


class Restore(SentFile):
    """A study being brought in from such a ZIP; ``done`` and ``total`` count its files."""

    performer = "analysis.takeout.jobs.perform_restore"
    queue = "cpu"

    study = models.ForeignKey(
        Study, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"Import of {self.file_name}"

    def get_absolute_url(self) -> str:
        return reverse("analysis:restore", args=[self.pk])
