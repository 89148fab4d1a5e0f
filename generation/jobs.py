"""How durable jobs reach a worker: queued after commit, claimed once, put back when orphaned."""

import logging
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from django.apps import apps
from django.db import DatabaseError, connections, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from generation.models import Job

logger = logging.getLogger(__name__)
_HOST = socket.gethostname()
_PULSE = 30.0  # seconds; well under generation.models.jobs.STALE_AFTER


def job_models() -> Iterator[type[Job]]:
    """Every kind of job there is, of all apps."""
    return (model for model in apps.get_models() if issubclass(model, Job))


def enqueue(job: Job) -> None:
    """Nudge a worker once the transaction is through.

    A broker that can't be reached is no error: the row says that the work is to be done, and
    `requeue_orphans` nudges again.
    """

    def nudge() -> None:
        from generation.tasks import perform_job

        try:
            perform_job.apply_async(args=[job._meta.label, job.pk], retry=False)
        except Exception as error:  # each broker's client has errors of its own
            logger.warning("The queue can't be reached (%s); %s waits.", error, job)

    transaction.on_commit(nudge)


def perform(model: type[Job], pk: int) -> None:
    """Claim a job and do it; nothing happens if it is not queued (any more)."""
    holder = f"{_HOST}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    if not model.objects.claim(pk, holder=holder):
        return
    job = model.objects.get(pk=pk)
    try:
        with _pulse(job):
            import_string(job.performer)(job)
    except Job.Cancelled:
        job.end(Job.Status.CANCELLED)
    except Job.Lost:
        logger.warning("%s was taken over by another worker.", job)
    except Exception as error:
        logger.exception("%s failed", job)
        connections.close_all()  # it may be the connection that failed
        job.end(Job.Status.FAILED, error=f"{error}" or type(error).__name__)
    else:
        job.end(Job.Status.DONE)


@contextmanager
def _pulse(job: Job) -> Iterator[None]:
    """Shows that this process lives while one step (loading, a batch) takes minutes."""
    over = Event()

    def beat() -> None:
        while not over.wait(_PULSE):
            try:
                job.held().update(heartbeat_at=timezone.now())
            except DatabaseError as error:
                logger.warning("No heartbeat for %s: %s", job, error)
            finally:
                connections.close_all()

    Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def requeue_orphans(*, starting: bool = False) -> int:
    """Put back jobs whose worker is gone, and nudge for all that wait; the number of nudges.

    A job is orphaned when its heartbeat is stale, or, with `starting` (a worker of this machine
    starts), when the process that held it on this machine no longer lives.
    """
    nudged = 0
    for model in job_models():
        model.objects.orphaned().requeue()
        if starting:
            running = model.objects.filter(status=Job.Status.RUNNING)
            dead = [job.pk for job in running if _died_here(job.holder)]
            model.objects.filter(pk__in=dead).requeue()
        for job in model.objects.filter(status=Job.Status.QUEUED).order_by("pk"):
            enqueue(job)
            nudged += 1
    return nudged


def _died_here(holder: str) -> bool:
    host, _, rest = holder.partition("/")
    pid = int(rest.partition("/")[0] or 0)
    if host != _HOST or not pid:
        return False
    if pid == os.getpid():  # a restarted container gives the same number again
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, as another user's
        return False
    return False
