"""Start the workers of this machine: they sample image sets, train, compute reports."""

import os
import shutil
import signal
import subprocess
import sys
import time

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.jobs import QUEUES

PAUSE = 2.0  # seconds before a worker that died is started again


class Command(BaseCommand):
    help = (
        "Start a worker process for each GPU (or one where there is none) for queued runs, "
        "trainings and reports; one that dies is started again. Ctrl-C stops them after what they "
        "are at, a second one at once: what was under way goes on next time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--queues",
            default=",".join(QUEUES),
            help="what they do: gpu (runs, trainings), cpu (reports), or both (default)",
        )
        parser.add_argument("--processes", type=int, help="in place of one for each GPU")

    def handle(self, *, queues: str, processes: int | None, **options) -> None:
        if unknown := set(queues.split(",")) - set(QUEUES):
            raise CommandError(f"Unknown queue {', '.join(unknown)}; there are: gpu, cpu.")
        if processes is not None and processes < 1:
            raise CommandError(f"{processes} processes: at least one is needed.")
        devices = _devices(processes)
        _Workers(queues, devices).stay()


class _Workers:
    """One process a device, started again when it dies."""

    def __init__(self, queues: str, devices: list[str]) -> None:
        self.command = [sys.executable, "-m", "celery", "-A", "config", "worker"]
        # solo: CUDA does not survive a fork.
        self.command += ["--pool", "solo", "--loglevel", "INFO", "--queues", queues]
        self.command += ["--without-gossip", "--without-mingle"]
        self.devices = devices
        self.processes: list[subprocess.Popen] = []
        self.stopping = False

    def stay(self) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._stop)
        self.processes = [self._start(number) for number in range(len(self.devices))]
        while not self.stopping or any(process.poll() is None for process in self.processes):
            time.sleep(0.1)
            for number, process in enumerate(self.processes):
                if not self.stopping and process.poll() is not None:
                    sys.stderr.write(f"Worker {process.pid} ended ({process.returncode}).\n")
                    time.sleep(PAUSE)
                    if not self.stopping:
                        self.processes[number] = self._start(number)

    def _start(self, number: int) -> subprocess.Popen:
        environment = {
            **os.environ,
            "DEVICE": self.devices[number],
            "OMP_WAIT_POLICY": "passive",  # idle threads leave the cores alone
        }
        name = f"blindread-{os.getpid()}-{number}@%h"
        process = subprocess.Popen(
            [*self.command, "--hostname", name],
            env=environment,
            cwd=settings.BASE_DIR,
            start_new_session=True,  # Ctrl-C comes to us alone, and we pass it on
            preexec_fn=_end_with_parent,
        )
        return process

    def _stop(self, *_: object) -> None:
        again, self.stopping = self.stopping, True
        for process in self.processes:
            process.kill() if again else process.terminate()


def _end_with_parent() -> None:
    """On Linux: a worker whose parent was killed ends too, so that none is forgotten."""
    if sys.platform == "linux":
        import ctypes

        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _devices(processes: int | None) -> list[str]:
    if settings.DEVICE != "auto":
        return [settings.DEVICE] * (processes or 1)
    gpus = _gpus()
    if not gpus:
        return ["cpu"] * (processes or 1)
    return [f"cuda:{number % gpus}" for number in range(processes or gpus)]


def _gpus() -> int:
    """How many GPUs this process may use; asked in another, as torch would stay in this one."""
    if not shutil.which("nvidia-smi"):
        return 0
    count = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    return int(subprocess.run(count, capture_output=True, check=True).stdout)
