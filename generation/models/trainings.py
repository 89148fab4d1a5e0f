"""Trainings: a generator being made from the images of a data set."""

from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.urls import reverse

from generation.models.corpus import Dataset, Image
from generation.models.generators import Generator
from generation.models.jobs import Job, JobQuerySet


class TrainingQuerySet(JobQuerySet):
    def owned_by(self, user: User) -> Self:
        """A researcher's own trainings; all of them for a superuser."""
        return self if user.is_superuser else self.filter(created_by=user)


class Training(Job):
    """Train a checkpoint of `family` and register it as the generator `name`.

    ``config`` is the whole configuration, so that the row says what is trained. ``done`` and
    ``total`` count optimizer steps over all stages; ``loss`` is the running mean of ``stage``, and
    ``history`` a few hundred points ``[stage, step, loss]`` of it.
    """

    performer = "generation.trainings.perform_training"

    name = models.CharField(max_length=80, help_text="Of the generator to be.")
    family = models.CharField(max_length=40)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="trainings")
    split = models.CharField(max_length=10, choices=Image.Split, default=Image.Split.TRAIN)
    preset = models.CharField(max_length=20, help_text="What the configuration started from.")
    config = models.JSONField()
    output = models.CharField(
        max_length=120, unique=True, help_text="The checkpoint's directory within MODELS_ROOT."
    )
    generator = models.OneToOneField(
        Generator, on_delete=models.SET_NULL, null=True, blank=True, related_name="training"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    stage = models.CharField(max_length=40, blank=True)
    stage_seconds_left = models.FloatField(null=True, blank=True)
    loss = models.FloatField(null=True, blank=True)
    history = models.JSONField(default=list, blank=True)

    objects = TrainingQuerySet.as_manager()  # type: ignore[misc] # of the rows of this kind

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(name="") & ~Q(output=""), name="a_training_has_a_name_and_an_output"
            ),
        ]

    def __str__(self) -> str:
        return f"Training of {self.name}"

    def get_absolute_url(self) -> str:
        return reverse("generation:training", args=[self.pk])

    @property
    def directory(self) -> Path:
        """The checkpoint, once it is there."""
        return settings.MODELS_ROOT / self.output

    @property
    def work(self) -> Path:
        """The half-finished training, as `generation.training.trainer` lays it out."""
        return settings.MODELS_ROOT / f"{self.output}.training"

    @property
    def grids(self) -> Path:
        """Validation grids, kept when the training is over."""
        return settings.MODELS_ROOT / f"{self.output}.validation"

    @property
    def seconds_left(self) -> float | None:
        """In the present stage, measured in this attempt; the next may have another pace."""
        return self.stage_seconds_left if self.status == Job.Status.RUNNING else None

    def show(self, **now: Any) -> None:
        """Write down where the training is, if we still hold it."""
        for name, value in now.items():
            setattr(self, name, value)
        self.held().update(**now)
