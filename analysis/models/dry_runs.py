"""Dry runs: a copy of a study, read by simulated readers."""

from django.conf import settings
from django.db import models

from annotation.models import Study
from generation.models import Job


class DryRun(Job):
    """Simulated readers fill a copy of a study, so that its report can be seen beforehand.

    ``done`` and ``total`` count readings. ``readers`` says how many there are of each profile,
    ``effects`` by how many points each arm (by its position) is truly better, as chosen.
    """

    performer = "analysis.dry_runs.perform_dry_run"
    queue = "cpu"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="dry_runs")
    copy = models.OneToOneField(
        Study, on_delete=models.SET_NULL, null=True, blank=True, related_name="dry_run"
    )
    readers = models.JSONField(help_text='For example {"expert": 2, "lazy": 1}.')
    effects = models.JSONField(help_text='For example {"1": 0, "2": 1.5}.')
    seed = models.BigIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Dry run {self.pk} of {self.study}"
