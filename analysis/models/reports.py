"""Reports, the metric values they rest on, and cached image embeddings."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from analysis.models.own import OwnRatings
from annotation.models import Arm, Case, Study
from generation.models import Job
from generation.models.jobs import JobQuerySet


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


class ReportQuerySet(JobQuerySet):
    def managed_by(self, user) -> Self:
        """Those on studies that this person runs, and on their own ratings."""
        if user.is_superuser:
            return self
        return self.filter(Q(study__in=Study.objects.managed_by(user)) | Q(own__owner_id=user.pk))

    def drop_pdfs(self) -> None:
        """Forget the PDFs kept of these reports; they are made anew when asked for.

        To be called in the transaction that changes their ``results`` or ``figures``.
        """
        ReportPdf.objects.filter(report__in=self).delete()


class Report(Job):
    """One analysis of a study's answers and images, or of ratings that were made elsewhere.

    ``done`` and ``total`` count images embedded.

    ``results`` holds every number the page shows, and is empty until then; the same data, settings
    and versions give the same results.
    """

    performer = "analysis.reports.perform_report"
    queue = "cpu"

    study = models.ForeignKey(
        Study, on_delete=models.CASCADE, null=True, blank=True, related_name="reports"
    )
    own = models.ForeignKey(
        OwnRatings, on_delete=models.CASCADE, null=True, blank=True, related_name="reports"
    )
    embedder = models.CharField(max_length=80, blank=True)
    resamples = models.PositiveIntegerField(default=2000)
    seed = models.BigIntegerField(default=0)
    results = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    objects = ReportQuerySet.as_manager()  # type: ignore[misc] # of the rows of this kind

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(study=None, own__isnull=False) | Q(study__isnull=False, own=None),
                name="a_report_is_on_a_study_or_on_own_ratings",
            ),
        ]

    def __str__(self) -> str:
        return f"Report {self.pk} on {self.subject}"

    def get_absolute_url(self) -> str:
        if self.study:
            return reverse("analysis:report", args=[self.study.slug])
        return self.subject.get_absolute_url()

    @property
    def subject(self) -> Study | OwnRatings:
        found = self.study or self.own
        assert found  # by the constraint
        return found

    @property
    def slug(self) -> str:
        """What files of it are called by."""
        return self.study.slug if self.study else f"ratings-{self.own_id}"

    @property
    def results_visible(self) -> bool:
        return self.study is None or self.study.results_visible


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


class ReportPdf(models.Model):
    """A report as PDF, kept since it takes seconds to make; `analysis.pdf` makes it.

    A row and not a file, so that it goes with its report, whoever deletes that.
    """

    report = models.OneToOneField(Report, on_delete=models.CASCADE, related_name="pdf")
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"PDF of {self.report}"
