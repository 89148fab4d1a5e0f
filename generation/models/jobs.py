"""Durable jobs: the row is the truth, a Celery message only a nudge.

A worker owns a job by compare-and-set on its row and shows that it lives by a heartbeat.
Whoever claims a job later must find its work idempotent.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

STALE_AFTER = timedelta(minutes=2)
MAX_ATTEMPTS = 8  # in a row without any progress
PAUSE = timedelta(seconds=2)  # before the second attempt; doubled with every further one, to
LONGEST_PAUSE = timedelta(seconds=16)


class Progress(models.Model):
    """Long work as people see it: how far it is, how fast, what went wrong."""

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
    cancel_requested = models.BooleanField(default=False)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0

    @property
    def unfinished(self) -> bool:
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)

    def pace(self, started: datetime) -> tuple[int, float]:
        """(units done, in how many seconds), where `started` is when it began."""
        raise NotImplementedError

    @property
    def rate(self) -> float | None:
        """Units a second; None while nothing is done or it is not at work."""
        if self.status != self.Status.RUNNING or not self.started_at:
            return None
        units, seconds = self.pace(self.started_at)
        return units / seconds if units > 0 and seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate from `rate`; None before anything is done."""
        rate = self.rate
        return (self.total - self.done) / rate if rate else None


class JobQuerySet(models.QuerySet[Any]):
    def unfinished(self) -> Self:
        return self.filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING])

    def waiting(self, *, at=None) -> Self:
        """Queued jobs, but for those that pause before another attempt."""
        due = Q(not_before=None) | Q(not_before__lte=at or timezone.now())
        return self.filter(due, status=Job.Status.QUEUED)

    def next_up(self) -> Sequence["Job"]:
        """A few of those that wait, the one to claim first in front."""
        return list(self.waiting().order_by("queued_at", "pk")[:8])

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
                not_before=None,
                attempts=F("attempts") + 1,
                done_before=F("done"),
                error="",
            )
        )

    def requeue(self, *, why: str = "its worker died") -> int:
        """Put running jobs back; one that got no further in `MAX_ATTEMPTS` attempts fails.

        An attempt that got something done counts as the first, so that a long job outlives any
        number of crashes, and one that kills its worker again and again stops soon. Between two
        attempts there is a pause, in which a full disk or a lost connection may mend.
        """
        return sum(self._put_back(job, why) for job in self.filter(status=Job.Status.RUNNING))

    @transaction.atomic
    def _put_back(self, job: "Job", why: str) -> int:
        now = timezone.now()
        mine = self.filter(pk=job.pk, status=Job.Status.RUNNING, holder=job.holder)
        attempts = 1 if job.done > job.done_before else job.attempts
        number = 0
        if attempts >= MAX_ATTEMPTS:
            error = f"Given up after {attempts} attempts without progress: {why}."
            mine.update(status=Job.Status.FAILED, finished_at=now, error=error, message="")
        else:
            number = mine.update(
                status=Job.Status.CANCELLED if job.cancel_requested else Job.Status.QUEUED,
                finished_at=now if job.cancel_requested else None,
                holder="",
                heartbeat_at=None,
                attempts=attempts,
                not_before=now + min(PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE)
                if attempts > 1
                else None,
                message="",
                error=f"Waits for another attempt: {why}.",
            )
        job.settled()
        return number


class Job(Progress):
    """A piece of long work that one worker does; it can be cancelled and survives a crash."""

    attempts = models.PositiveSmallIntegerField(default=0)
    done_before = models.PositiveIntegerField(default=0, help_text="Done when it was claimed.")
    holder = models.CharField(max_length=160, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    # Dotted path of the function that does the work, imported by the worker alone.
    performer: ClassVar[str]
    # Which workers do it: "gpu" where models are loaded for minutes, "cpu" for the rest.
    queue: ClassVar[str] = "gpu"

    class Meta:
        abstract = True

    def pace(self, started: datetime) -> tuple[int, float]:
        """What this attempt has done, since it began."""
        return self.done - self.done_before, (timezone.now() - started).total_seconds()

    class Cancelled(Exception):
        """Raised by `beat` once someone asked to cancel."""

    class Lost(Exception):
        """Raised by `beat` when another worker holds the job: stop, touch nothing more."""

    def beat(self, *, done: int | None = None, message: str | None = None) -> None:
        """Show life and progress.

        Raises:
            Job.Lost: another holder has taken over.
            Job.Cancelled: a cancel was requested; the caller ends with `end`.
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

    @transaction.atomic
    def end(self, status: "Job.Status", *, error: str = "") -> bool:
        """Close the job if we still hold it; False when another holder has it."""
        ended = self.held().update(
            status=status,
            error=error,
            done=self.done,
            message="",
            finished_at=timezone.now(),
        )
        self.settled()
        return bool(ended)

    def held(self) -> JobQuerySet:
        """This row, as long as it is ours: empty once another has taken over."""
        rows = type(self).objects
        return rows.filter(pk=self.pk, status=Job.Status.RUNNING, holder=self.holder)

    def settled(self) -> None:
        """Called when the status has changed, for what depends on it.

        In the same transaction: a process may be killed between any two lines.
        """

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
                not_before=None,
                error="",
                holder="",
                cancel_requested=False,
                finished_at=None,
            )
        )
