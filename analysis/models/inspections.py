"""What an inspection finds in a study's images before sealing: for a person to look at."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from annotation.models import CaseSet, Study
from generation.models import Image, Job


class Inspection(Job):
    """Every image of a study looked at by rules, and set beside its nearest training image.

    ``done`` and ``total`` count images. The newest that is done counts.
    """

    performer = "analysis.inspections.perform_inspection"
    queue = "cpu"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="inspections")
    embedder = models.CharField(max_length=80)
    results = models.JSONField(default=dict, blank=True, help_text="What holds for whole arms.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Inspection {self.pk} of {self.study}"


class ImageFlagQuerySet(models.QuerySet["ImageFlag"]):
    def now(self) -> Self:
        """Without the flags of images sampled again, or whose case was left out, since."""
        shown = Q(case_set__image_set=F("image__image_set")) | Q(case_set__image_set=None)
        return self.filter(shown, case_set__case__left_out_of=None)


class ImageFlag(models.Model):
    """Something about an image that a person should look at."""

    inspection = models.ForeignKey(Inspection, on_delete=models.CASCADE, related_name="flags")
    case_set = models.ForeignKey(CaseSet, on_delete=models.CASCADE, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, help_text="A rule of analysis/metrics/quality.py.")
    detail = models.CharField(max_length=200)

    objects = ImageFlagQuerySet.as_manager()

    class Meta:
        ordering = ["case_set", "image"]
        constraints = [
            models.UniqueConstraint(
                fields=["inspection", "case_set", "image", "kind"],
                name="an_image_is_flagged_once_for_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.image}: {self.detail}"


class Neighbour(models.Model):
    """The training image that lies nearest to a generated one."""

    inspection = models.ForeignKey(Inspection, on_delete=models.CASCADE, related_name="neighbours")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    training = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    distance = models.FloatField()
    as_near = models.FloatField(
        null=True, help_text="Share of held-out real images that lie as near to a training image."
    )

    class Meta:
        ordering = ["distance"]
        constraints = [
            models.UniqueConstraint(
                fields=["inspection", "image"], name="an_image_has_one_neighbour_in_an_inspection"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.image}: {self.distance:.3g} from {self.training}"
