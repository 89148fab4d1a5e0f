"""What sweeps of LoRA ranks have found so far."""

from typing import Any
from uuid import uuid4

from django.db import models

from generation.models import Dataset

Result = dict[str, Any]


class RankSweep(models.Model):
    """The sweep in a folder, as `analysis.sweeps.Sweep` last left it.

    ``folder`` tells it from others, wherever it lies: machines may give theirs one path.
    ``results`` are its cells that have finished or failed, ``asked`` the cells [rank, seed] that
    it was asked for (rank null: the untrained base), ``floor`` the Fréchet distance of real images
    from real ones.
    """

    folder = models.UUIDField(default=uuid4, unique=True, help_text="Written in it.")
    output = models.CharField(max_length=500, help_text="The folder's name.")
    family = models.CharField(max_length=40)
    dataset = models.ForeignKey(
        Dataset, on_delete=models.SET_NULL, null=True, related_name="rank_sweeps"
    )
    split = models.CharField(max_length=10, help_text="Trained on.")
    evaluation_split = models.CharField(max_length=10, help_text="Measured against.")
    embedder = models.CharField(max_length=120)
    recipe = models.JSONField(help_text="What all cells share.")
    asked = models.JSONField(default=list)
    results = models.JSONField(default=list)
    floor = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        return f"{self.family} on {self.dataset or 'a data set that was deleted'}"

    @property
    def finished(self) -> list[Result]:
        return [result for result in self.results if not result.get("error")]

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.get("error")]

    @property
    def missing(self) -> list[tuple[int | None, int]]:
        """Rank and seed of the cells that were asked for and have neither finished nor failed."""
        there = {(result["rank"], result["seed"]) for result in self.results}
        return [(rank, seed) for rank, seed in self.asked if (rank, seed) not in there]
