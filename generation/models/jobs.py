"""Durable jobs: the row is the truth, a Celery message only a nudge.

A worker owns a job by compare-and-set on its row and shows that it lives by a heartbeat.
Whoever claims a job later must find its work idempotent.
"""

from datetime import timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

STALE_AFTER = timedelta(minutes=3)
MAX_ATTEMPTS = 5


class JobQuerySet(models.QuerySet):
    def unfinished(self) -> Self:
        return self.filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING])

    def orphaned(self, *, at=None) -> Self:
        """Running jobs whose holder has shown no sign of life for `STALE_AFTER`."""
        limit = (at or timezone.now()) - STALE_AFTER
        return self.filter(status=Job.Status.RUNNING, heartbeat_at__lt=limit)

    def claim(self, pk: int, *, holder: str) -> bool:
        """Take a queued job for `holder`; False if another has it or it is over."""
        now = timezone.now()
        return bool(
            self.filter(pk=pk, status=Job.Status.QUEUED).update(
                status=Job.Status.RUNNING,
                holder=holder,
                heartbeat_at=now,
                started_at=now,
                attempts=F("attempts") + 1,
                error="",
            )
        )

    def requeue(self) -> int:
        """Put running jobs back; one that was tried `MAX_ATTEMPTS` times fails instead."""
        running = self.filter(status=Job.Status.RUNNING)
        running.filter(attempts__gte=MAX_ATTEMPTS).update(
            status=Job.Status.FAILED,
            finished_at=timezone.now(),
            error=f"Given up after {MAX_ATTEMPTS} attempts: its worker died each time.",
        )
        return running.filter(attempts__lt=MAX_ATTEMPTS).update(
            status=Job.Status.QUEUED, holder="", heartbeat_at=None
        )


class Job(models.Model):
    """A piece of long work that shows progress, can be cancelled and survives a crash."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=200, blank=True, help_text="What it is doing now.")
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    holder = models.CharField(max_length=120, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    queued_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    # Dotted path of the function that does the work, imported by the worker alone.
    performer: ClassVar[str]

    class Meta:
        abstract = True

    class Cancelled(Exception):
        """Raised by `beat` once someone asked to cancel."""

    class Lost(Exception):
        """Raised by `beat` when another worker holds the job: stop, touch nothing more."""

    def beat(self, *, done: int | None = None, message: str | None = None) -> None:
        """Show life and progress.

        Raises:
            Job.Lost: another holder has taken over.
            Job.Cancelled: a cancel was requested; the caller ends with `end_cancelled`.
        """
        if done is not None:
            self.done = done
        if message is not None:
            self.message = message
        rows = self.held()
        if not rows.update(heartbeat_at=timezone.now(), done=self.done, message=self.message):
            raise self.Lost
        if rows.filter(cancel_requested=True).exists():
            raise self.Cancelled

    def end(self, status: "Job.Status", *, error: str = "") -> bool:
        """Close the job if we still hold it; False when another holder has it."""
        return bool(
            self.held().update(
                status=status,
                error=error,
                done=self.done,
                message="",
                finished_at=timezone.now(),
            )
        )

    def held(self) -> JobQuerySet:
        """This row, as long as it is ours: empty once another has taken over."""
        rows = type(self).objects
        return rows.filter(pk=self.pk, status=Job.Status.RUNNING, holder=self.holder)

    def cancel(self) -> None:
        """Ask for an end: at once if still queued, between two batches if running."""
        rows = type(self).objects.filter(pk=self.pk)
        if not rows.filter(status=Job.Status.QUEUED).update(
            status=Job.Status.CANCELLED, finished_at=timezone.now()
        ):
            rows.filter(status=Job.Status.RUNNING).update(cancel_requested=True)

    def retry(self) -> bool:
        """Queue a failed or cancelled job again; what it had finished stays."""
        return bool(
            type(self)
            .objects.filter(
                Q(status=Job.Status.FAILED) | Q(status=Job.Status.CANCELLED), pk=self.pk
            )
            .update(
                status=Job.Status.QUEUED,
                attempts=0,
                error="",
                holder="",
                cancel_requested=False,
                finished_at=None,
            )
        )

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0

    def done_in_this_attempt(self) -> int:
        """Units done since `started_at`; fewer than `done` where a job goes on."""
        return self.done

    @property
    def rate(self) -> float | None:
        """Units a second in this attempt; None before anything is done."""
        if self.status != Job.Status.RUNNING or not self.started_at:
            return None
        elapsed = (timezone.now() - self.started_at).total_seconds()
        return self.done_in_this_attempt() / elapsed or None

    @property
    def seconds_left(self) -> float | None:
        """Estimate from `rate`; None before anything is done."""
        rate = self.rate
        return (self.total - self.done) / rate if rate else None
