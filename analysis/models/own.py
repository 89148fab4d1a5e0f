"""Ratings and metric values that were made elsewhere."""

from django.conf import settings
from django.db import models
from django.urls import reverse

LONGEST_TITLE = 160


class OwnRatings(models.Model):
    """Tables that a researcher brought along, as they came, and what was said of them.

    `analysis.own.tables` reads them; its docstring says what their columns are.
    """

    title = models.CharField(max_length=LONGEST_TITLE)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="own_ratings",
    )
    ratings = models.TextField(help_text="CSV: case, arm, reader, criterion, score.")
    rankings = models.TextField(blank=True, help_text="CSV: case, arm, reader, rank.")
    metrics = models.TextField(blank=True, help_text="CSV: case, arm, metric, value.")
    better = models.CharField(
        max_length=10, blank=True, help_text="Of metrics that don't say it: higher or lower."
    )
    claims = models.JSONField(default=list, blank=True, help_text="Metric and criterion of each.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "own ratings"

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("analysis:own-report", args=[self.pk])
