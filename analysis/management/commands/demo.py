"""Try Blindread on this machine: study, worker and web server in one command."""

import contextlib
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from analysis import demo
from generation.management.progress import progress_bar

HOST = "127.0.0.1"


class Command(BaseCommand):
    help = "Make the demonstration study, start a worker and the web server. Ctrl-C stops all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *, port: int, **options) -> None:
        _check_port(port)
        logging.disable(logging.WARNING)  # the terminal shows progress; each process has its log
        call_command("migrate", verbosity=0)
        with progress_bar("Preparing") as show:
            study = demo.prepare(progress=show)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        web = ["gunicorn", "config.wsgi", "--bind", f"{HOST}:{port}", "--threads", "8"]
        commands = {
            "web": [sys.executable, "-m", *web],
            "worker": [sys.executable, "manage.py", "worker"],
        }
        with contextlib.suppress(KeyboardInterrupt), _children(commands) as processes:
            address = f"http://{HOST}:{port}"
            if study.state == study.State.IMAGES:
                self.stdout.write(f"Progress on the page too: {address}{study.get_absolute_url()}")
                self._wait_for_images(study, processes)
            demo.launch(study)
            while not _answers(port):
                _check_alive(processes)
                time.sleep(0.1)
            self._say(address)
            while True:
                _check_alive(processes)
                time.sleep(1)
        self.stdout.write("\nStopped. The data are kept: run it again to go on.")

    def _wait_for_images(self, study, processes) -> None:
        with progress_bar("Sampling images") as show:
            done, total = 0, 1
            while done < total:
                _check_alive(processes)
                time.sleep(0.5)
                try:
                    done, total = demo.image_progress(study)
                except demo.DemoFailed as error:
                    raise CommandError(str(error)) from error
                show(done, total)

    def _say(self, address: str) -> None:
        readers = " or ".join(demo.READERS)
        self.stdout.write(
            f"""
Blindread is running:  {address}
  read the study       sign in as {readers}
  run the study        sign in as {demo.RESEARCHER}
  password             {demo.PASSWORD}  (unless you have changed it)
Ctrl-C stops it."""
        )


@contextlib.contextmanager
def _children(commands: dict[str, list[str]]) -> Iterator[dict[str, subprocess.Popen]]:
    """Processes that outlive no exit from the block; each writes its log into DATA_DIR."""
    processes: dict[str, subprocess.Popen] = {}
    try:
        for name, command in commands.items():
            with _log(name).open("ab") as log:
                processes[name] = subprocess.Popen(
                    command,
                    cwd=settings.BASE_DIR,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C comes to us alone, and we end the children
                )
        yield processes
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()  # a batch under way is lost; its run goes on next time
                process.wait()


def _log(name: str) -> Path:
    return settings.DATA_DIR / f"{name}.log"


def _check_alive(processes: dict[str, subprocess.Popen]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            tail = "\n".join(_log(name).read_text(errors="replace").splitlines()[-15:])
            raise CommandError(f"The {name} process has ended; the end of {_log(name)}:\n{tail}")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise CommandError(
                f"Port {port} is in use. Stop what listens there, or: "
                f".venv/bin/python manage.py demo --port {port + 1}"
            ) from None
