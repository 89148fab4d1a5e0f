"""Reports of a study, the metric values they rest on, and cached image embeddings."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotation.models import Arm, Case, Study
from generation.models import Job


class Embedding(models.Model):
    """An image's feature vector, cached by embedder and image content."""

    embedder = models.CharField(max_length=80, help_text="Fingerprint: weights, preprocessing.")
    sha256 = models.CharField(max_length=64)
    vector = models.BinaryField(help_text="Little-endian float32.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["embedder", "sha256"], name="an_image_is_embedded_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.embedder} of {self.sha256[:12]}"


class Report(Job):
    """One analysis of a study's answers and images; ``done`` and ``total`` count images embedded.

    ``results`` holds every number the page shows, and is empty until then; the same data, settings
    and versions give the same results.
    """

    performer = "analysis.reports.perform_report"
    queue = "cpu"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="reports")
    embedder = models.CharField(max_length=80)
    resamples = models.PositiveIntegerField(default=2000)
    seed = models.BigIntegerField(default=0)
    results = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Report {self.pk} on {self.study}"


class MetricValue(models.Model):
    """One value of one metric: of an arm in a case, or of an arm over the study."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="metric_values")
    metric = models.CharField(max_length=40)
    arm = models.ForeignKey(Arm, on_delete=models.CASCADE)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, null=True, blank=True)
    value = models.FloatField()
    n = models.PositiveIntegerField(help_text="Generated images that entered.")

    class Meta:
        ordering = ["metric", "case__position", "arm__position"]
        constraints = [
            models.UniqueConstraint(
                fields=["report", "metric", "arm", "case"],
                name="a_metric_has_one_value_per_arm_and_case",
            ),
            models.UniqueConstraint(
                fields=["report", "metric", "arm"],
                condition=Q(case=None),
                name="a_metric_has_one_value_per_arm_over_the_study",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} of {self.arm}: {self.value:.4g}"


class Figure(models.Model):
    """A chart of a report as SVG."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="figures")
    name = models.SlugField(max_length=40)
    svg = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["report", "name"], name="a_figure_has_its_own_name"),
        ]

    def __str__(self) -> str:
        return self.name
