"""How durable jobs reach a worker: queued after commit, claimed once, put back when orphaned."""

import errno
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from django.apps import apps
from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.module_loading import import_string

from generation.models import Job

logger = logging.getLogger(__name__)

QUEUES = ("cpu", "gpu")  # in this order: what takes seconds before what takes minutes
# A disk or a storage that may be well again in a moment, so that the job is worth another attempt.
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EHOSTUNREACH}
_PULSE = 20.0  # seconds; well under generation.models.jobs.STALE_AFTER
_SHOWN_EVERY = 0.5  # seconds
_MOST_NUDGES = 64
_PATIENCE = (1, 2, 4, 8, 16)  # seconds between tries to reach the database again


def _here() -> str:
    """This machine, or this container: where a process number means something."""
    with suppress(OSError):
        return f"{socket.gethostname()}-{os.stat('/proc/self/ns/pid').st_ino}"
    return socket.gethostname()


_HERE = _here()
_PROCESS = uuid.uuid4().hex[:8]  # a restarted container gives the same process number again


def job_models(queues: Collection[str] = QUEUES) -> Iterator[type[Job]]:
    """The kinds of jobs, of all apps, that the workers of these queues do."""
    return (m for m in apps.get_models() if issubclass(m, Job) and m.queue in queues)


def enqueue(job: Job) -> None:
    """Wake a worker for this job once the transaction is through."""
    nudge(job.queue)


def nudge(queue: str, *, times: int = 1) -> None:
    """Wake up to so many workers of a queue once the transaction is through.

    A broker that can't be reached is no error: the rows say what is to be done, and every worker
    looks for it now and then.
    """

    def send() -> None:
        from generation.tasks import work

        try:
            for _ in range(min(times, _MOST_NUDGES)):
                work.apply_async(queue=queue, retry=False)
        except Exception as error:  # each broker's client has errors of its own
            logger.warning("The queue can't be reached (%s); the work waits.", error)

    transaction.on_commit(send)


def perform_next(queues: Collection[str]) -> Job | None:
    """Claim what comes next in these queues and do it; None if nothing waits."""
    for queue in (queue for queue in QUEUES if queue in queues):
        kinds = [jobs for model in job_models([queue]) if (jobs := model.objects.next_up())]
        for jobs in sorted(kinds, key=lambda jobs: jobs[0].queued_at):
            for job in jobs:  # several, should another worker be quicker
                if perform(type(job), job.pk):
                    return job
    return None


def perform(model: type[Job], pk: int) -> bool:
    """Claim a job and do it; False if it is not queued (any more)."""
    holder = f"{_HERE}/{os.getpid()}/{_PROCESS}-{uuid.uuid4().hex[:8]}"
    with transaction.atomic():
        if not model.objects.claim(pk, holder=holder):
            return False
        job = model.objects.get(pk=pk)
        job.settled()
    try:
        with _pulse(job):
            import_string(job.performer)(job)
    except Job.Cancelled:
        _persistently(lambda: job.end(Job.Status.CANCELLED))
    except Job.Lost:
        logger.warning("%s was taken over by another worker.", job)
    except KeyboardInterrupt:  # not the job's fault, so the attempt does not count
        job.held().update(attempts=F("attempts") - 1)
        _persistently(lambda: _put_back(job, "it was stopped by Ctrl-C"))
        raise
    except Exception as error:
        why = f"{error}" or type(error).__name__
        if _may_pass(error):
            logger.warning("%s was interrupted: %s", job, why)
            _persistently(lambda: _put_back(job, why))
        else:
            logger.exception("%s failed", job)
            _persistently(lambda: job.end(Job.Status.FAILED, error=why))
    else:
        _persistently(lambda: job.end(Job.Status.DONE))
    return True


def _may_pass(error: Exception) -> bool:
    if isinstance(error, (OperationalError, InterfaceError, ConnectionError, TimeoutError)):
        return True
    return isinstance(error, OSError) and error.errno in _PASSING


def _put_back(job: Job, why: str) -> None:
    job.held().update(done=job.done)
    job.held().requeue(why=why)


def _persistently(act: Callable[[], object]) -> None:
    """Do it on a connection that works, however long the database needs to come back.

    Should it stay away, the job is put back when its heartbeat is stale.
    """
    for pause in (*_PATIENCE, None):
        try:
            act()
        except (OperationalError, InterfaceError) as error:
            if pause is None:
                raise
            logger.warning("The database can't be reached (%s); next try in %d s.", error, pause)
            connections.close_all()
            time.sleep(pause)
        else:
            return


def shown(job: Job) -> Callable[[int, int, str], None]:
    """What a long work calls with (done, total, what it is doing): seen in the job's row.

    It raises `Job.Cancelled` and `Job.Lost` as `Job.beat` does, twice a second at most.
    """
    written, title = 0.0, ""

    def show(done: int, total: int, doing: str) -> None:
        nonlocal written, title
        if doing == title and done < total and time.monotonic() - written < _SHOWN_EVERY:
            return
        written, title = time.monotonic(), doing
        if total != job.total:
            job.total = total
            job.held().update(total=total)
        job.beat(done=done, message=doing)

    return show


def titled(show: Callable[[int, int, str], None], title: str, done: int, total: int) -> None:
    """For works that say nothing but how far they are: ``partial(titled, show, "Checking")``."""
    show(done, total, title)


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


def requeue_orphans() -> int:
    """Put back jobs whose worker is gone; the number of those put back.

    A job is orphaned when its heartbeat is stale, or at once when the process that held it on
    this machine no longer lives.
    """
    number = 0
    for model in job_models():
        running = model.objects.filter(status=Job.Status.RUNNING)
        dead = [job.pk for job in running if _died_here(job.holder)]
        number += model.objects.filter(pk__in=dead).requeue()
        number += model.objects.orphaned().requeue(why="its worker has not been heard of")
    return number


def waits(queues: Collection[str]) -> bool:
    """Whether there is anything to do in these queues."""
    return any(model.objects.waiting().exists() for model in job_models(queues))


def _died_here(holder: str) -> bool:
    here, _, rest = holder.partition("/")
    number, _, process = rest.partition("/")
    if here != _HERE or not number.isdigit():
        return False
    if int(number) == os.getpid():
        return not process.startswith(_PROCESS)
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, as another user's
        return False
    return False
