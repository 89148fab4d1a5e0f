"""Celery tasks: nudges to do what the rows in the database ask for."""

import logging
from threading import Thread
from time import sleep

from celery import shared_task
from celery.signals import worker_ready
from celery.worker import state
from django.apps import apps
from django.db import connections

from generation import jobs

logger = logging.getLogger(__name__)
_EVERY = 60.0  # seconds between two looks for orphans


@shared_task
def perform_job(label: str, pk: int) -> None:
    """Do the job of model ``label`` (for example ``generation.Run``) with this primary key."""
    jobs.perform(apps.get_model(label), pk)


@worker_ready.connect
def _watch_for_orphans(**_: object) -> None:
    """At start, and then while the worker is idle: each worker does it, so that no one must.

    A thread and not Celery's beat, whose process outlives a worker that is killed.
    """
    jobs.requeue_orphans(starting=True)
    Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while True:
        sleep(_EVERY)
        if state.active_requests:  # nudges would only pile up behind it
            continue
        try:
            jobs.requeue_orphans()
        except Exception:
            logger.exception("Looking for orphaned jobs failed; next try in %.0f s", _EVERY)
        finally:
            connections.close_all()
