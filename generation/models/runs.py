"""Runs: one generator asked for an image set for each of several prompts, chunk by chunk."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.contrib.auth.models import User
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q, Sum
from django.urls import reverse
from django.utils import timezone

from generation.kept import kept
from generation.models.corpus import Image, Prompt
from generation.models.generators import Generator
from generation.models.jobs import Job, JobQuerySet, Progress

LATELY = timedelta(seconds=60)  # over which a run's pace is measured


class RunQuerySet(models.QuerySet["Run"]):
    def owned_by(self, user: User) -> Self:
        """A researcher's own runs; all of them for a superuser."""
        return self if user.is_superuser else self.filter(created_by=user)


class Run(Progress):
    """Sample `images_per_set` images for every prompt of its image sets with one generator.

    ``done`` and ``total`` count images. The work is cut into chunks, which workers claim; the
    run's own status and progress are summed up from them. Runs of imported images have no chunks.
    """

    class Priority(models.IntegerChoices):
        LOW = -1
        NORMAL = 0
        HIGH = 1

    generator = models.ForeignKey(Generator, on_delete=models.PROTECT, related_name="runs")
    images_per_set = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(24)]
    )
    seed = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="From it, the prompt and the index comes each image's; none of imported images.",
    )
    priority = models.SmallIntegerField(choices=Priority, default=Priority.NORMAL)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    objects = RunQuerySet.as_manager()

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

    def get_absolute_url(self) -> str:
        return reverse("generation:run", args=[self.pk])

    def pace(self, started: datetime) -> tuple[int, float]:
        """Images of all workers in the last minute."""
        now = timezone.now()
        since = max(started, now - LATELY)
        images = Image.objects.filter(image_set__run=self, created_at__gte=since)
        return images.count(), (now - since).total_seconds()

    @transaction.atomic
    def cancel(self) -> None:
        """End it: at once where it waits, after the batch where a worker is at it."""
        for chunk in self.chunks.unfinished():
            chunk.cancel()
        type(self).objects.filter(pk=self.pk).update(cancel_requested=True)
        self.sum_up()

    @transaction.atomic
    def retry(self, chunks: "ChunkQuerySet | None" = None) -> bool:
        """Queue again what failed or was cancelled, or these chunks of it; its images stay."""
        again = [chunk.retry() for chunk in (self.chunks.all() if chunks is None else chunks)]
        if any(again):
            type(self).objects.filter(pk=self.pk).update(cancel_requested=False)
            self.sum_up()
        return any(again)

    def fail(self, error: str) -> None:
        """Fail all that waits: what is wrong would stop every chunk."""
        waiting = self.chunks.filter(status=Job.Status.QUEUED)
        waiting.update(status=Job.Status.FAILED, error=error, finished_at=timezone.now())
        self.sum_up()

    @transaction.atomic
    def sum_up(self) -> None:
        """Status and progress from the chunks'. The lock lets the last word be the latest."""
        rows = type(self).objects.filter(pk=self.pk)
        run = rows.select_for_update().get()
        by_status = run.chunks.order_by().values_list("status").annotate(done=Sum("done"))
        there = dict(by_status)
        if not there:
            return  # images that were imported
        begun = run.started_at or run.chunks.exclude(started_at=None).exists()
        said = run.chunks.exclude(message="").values_list("message", flat=True).first()
        errors = run.chunks.exclude(error="").values_list("error", flat=True)
        Status = self.Status
        if Status.RUNNING in there or (Status.QUEUED in there and begun):
            status = Status.RUNNING
        else:
            order = (Status.QUEUED, Status.FAILED, Status.CANCELLED, Status.DONE)
            status = next(status for status in order if status in there)
        over = status not in (Status.QUEUED, Status.RUNNING)
        now = timezone.now()
        rows.update(
            status=status,
            done=sum(there.values()),
            message=said or "",
            error="\n".join(dict.fromkeys(errors)),
            started_at=run.started_at or (now if begun else None),
            finished_at=(run.finished_at or now) if over else None,
        )
        self.refresh_from_db()


class ChunkQuerySet(JobQuerySet):
    def next_up(self) -> Sequence["Chunk"]:
        """First those of the highest priority, then of the generator that this process keeps while
        its turn lasts, then of the run that has the fewest images; chunks that failed come last.
        """
        waiting = self.waiting()
        runs = Run.objects.filter(pk__in=waiting.values("run"))
        turn = kept.generator if kept.has_its_turn() else None
        order = sorted(
            runs, key=lambda run: (-run.priority, run.generator_id != turn, run.done, run.pk)
        )
        found: list[Chunk] = []
        for run in order:
            found.extend(waiting.filter(run=run).order_by("attempts", "number")[:8])
            if len(found) >= 8:
                break
        return found


class Chunk(Job):
    """Some image sets of a run, sampled by one worker; ``done`` and ``total`` count images."""

    performer = "generation.sampling.perform_chunk"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField(help_text="From 1, within its run.")

    objects = ChunkQuerySet.as_manager()  # type: ignore[misc] # of the rows of this kind

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "number"], name="a_chunk_s_number_stands_once_in_its_run"
            ),
        ]

    def __str__(self) -> str:
        return f"Chunk {self.number} of run {self.run_id}"

    def settled(self) -> None:
        self.run.sum_up()


class ImageSet(models.Model):
    """The images one generator made for one prompt."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="image_sets")
    chunk = models.ForeignKey(
        Chunk, on_delete=models.CASCADE, null=True, blank=True, related_name="image_sets"
    )
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="image_sets")
    completed_at = models.DateTimeField(null=True, blank=True)

    parts_of = ("run",)  # as whose part who deletes its prompts is told

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "prompt"], name="a_run_has_one_set_for_each_prompt"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run.generator} · {self.prompt}"
