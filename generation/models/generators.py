"""Generators: text-to-image models that can be sampled."""

from django.db import models
from django.db.models import Q

from generation.models.corpus import Dataset, Image

IMPORTED = "imported"  # the family of generators whose images were made elsewhere


class Generator(models.Model):
    """A trained text-to-image model: where its checkpoint lies and how it is sampled.

    ``settings`` and ``card`` are what `generation.engine.spec` reads and writes.
    """

    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    family = models.CharField(max_length=40)
    checkpoint = models.CharField(max_length=500, help_text="A local directory or a hub id.")
    revision = models.CharField(max_length=80, blank=True)
    digest = models.CharField(max_length=64, help_text="SHA-256 over the checkpoint's files.")
    licence = models.CharField(max_length=120, blank=True)
    settings = models.JSONField(default=dict, blank=True)
    card = models.JSONField(default=dict, blank=True)
    trained_on = models.ForeignKey(
        Dataset,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="generators",
    )
    trained_split = models.CharField(
        max_length=10, choices=Image.Split, default=Image.Split.TRAIN, help_text="Of that data set."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(checkpoint=""), name="a_generator_has_a_checkpoint"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def can_sample(self) -> bool:
        """False where only images were imported, and no model."""
        return self.family != IMPORTED


class TunedGenerator(models.Model):
    """How a generator is sampled fastest on one kind of device, as its worker measured."""

    generator = models.ForeignKey(Generator, on_delete=models.CASCADE, related_name="tuned")
    device = models.CharField(max_length=120)
    batch_size = models.PositiveIntegerField(help_text="Images that go through at once.")
    options = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["generator", "device"], name="a_generator_is_tuned_once_for_a_device"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.generator} on {self.device}"
