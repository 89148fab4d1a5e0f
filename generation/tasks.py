"""Celery tasks: nudges to do what the rows in the database ask for."""

import logging
from threading import Thread
from time import sleep

from celery import Task, shared_task
from celery.signals import worker_ready
from celery.worker import state
from django.db import connections

from generation import jobs

logger = logging.getLogger(__name__)
_EVERY = 10.0  # seconds between two looks for orphans and for what waits


@shared_task(bind=True, ignore_result=True)
def work(self: Task) -> None:
    """Do one job, whichever comes next, and ask for another turn if there was one.

    One at a time, so that the worker hears of a shutdown in between. The message is acknowledged
    before the work: should it get lost with the worker, the row still says what is to be done.
    """
    queues = list(self.app.amqp.queues.consume_from)
    if job := jobs.perform_next(queues):
        jobs.nudge(job.queue)


@worker_ready.connect
def _watch(sender, **_: object) -> None:
    """Each worker looks after all, at its start and then for good, so that no one must.

    A thread and not Celery's beat, whose process outlives a worker that is killed.
    """
    queues = list(sender.app.amqp.queues.consume_from)
    Thread(target=_look, args=[queues], daemon=True).start()


def _look(queues: list[str]) -> None:
    while True:
        try:
            jobs.requeue_orphans()
            # Busy workers look for themselves when they are done; nudges would only pile up.
            for queue in queues:
                if not state.active_requests and jobs.waits([queue]):
                    jobs.nudge(queue)
        except Exception:
            logger.exception("Looking for orphaned jobs failed; next try in %.0f s", _EVERY)
        finally:
            connections.close_all()
        sleep(_EVERY)
