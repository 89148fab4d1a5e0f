"""Start a worker: samples image sets, computes reports."""

import os
import sys

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Start a worker for queued runs and reports; one for each GPU. Ctrl-C stops it."

    def handle(self, **options) -> None:
        # solo: CUDA does not survive a fork. Passive waiting: idle threads leave the cores alone.
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        command = [sys.executable, "-m", "celery", "-A", "config", "worker"]
        command += ["--pool", "solo", "--loglevel", "INFO"]
        os.chdir(settings.BASE_DIR)
        os.execve(sys.executable, command, environment)
