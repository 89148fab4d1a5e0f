"""Runs: one generator asked for an image set for each of several prompts."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from generation.models.corpus import Image, Prompt
from generation.models.generators import Generator
from generation.models.jobs import Job


class Run(Job):
    """Sample `images_per_set` images for every prompt of its image sets with one generator.

    One run per generator, so that a worker loads a checkpoint once and batches across prompts.
    ``done`` and ``total`` count images.
    """

    performer = "generation.runs.perform_run"

    generator = models.ForeignKey(Generator, on_delete=models.PROTECT, related_name="runs")
    images_per_set = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(24)]
    )
    seed = models.BigIntegerField(help_text="From it, the prompt and the index comes each image's.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(images_per_set__gte=1, images_per_set__lte=24),
                name="a_run_asks_for_1_to_24_images_per_set",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.generator}: {self.done} of {self.total} images"

    def done_in_this_attempt(self) -> int:
        return Image.objects.filter(image_set__run=self, created_at__gte=self.started_at).count()


class ImageSet(models.Model):
    """The images one generator made for one prompt."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="image_sets")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="image_sets")
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "prompt"], name="a_run_has_one_set_for_each_prompt"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run.generator} · {self.prompt}"
