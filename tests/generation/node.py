"""A machine of its own for tests: a data directory, commands and workers as separate processes."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import psutil
from django.conf import settings
from kombu import Connection

RUNS = """
import json
from generation.models import Image, Run
def images(run):
    rows = Image.objects.filter(image_set__run=run, image_set__completed_at__isnull=False)
    rows = rows.order_by("image_set__prompt__text", "index")
    return list(rows.values_list("image_set__prompt__text", "index", "seed", "sha256"))
def chunks(run):
    return list(run.chunks.values("number", "status", "attempts", "holder", "done", "error"))
print(json.dumps([
    {"status": run.status, "error": run.error, "done": run.done, "total": run.total,
     "seconds": run.finished_at and (run.finished_at - run.started_at).total_seconds(),
     "finished": run.finished_at and run.finished_at.timestamp(),
     "chunks": chunks(run), "images": images(run)} for run in Run.objects.order_by("pk")]))
"""
QUEUE = """
from generation.models import Generator, Prompt
from generation.runs import create_run, enqueue_run
for prompts, images in {runs}:
    enqueue_run(create_run(generator=Generator.objects.get(),
                prompts=list(Prompt.objects.order_by("pk")[:prompts]), images_per_set=images,
                seed=3, by=None, priority={priority}))
"""


class Node:
    """A machine of its own.

    ``database`` and ``broker`` are addresses, by default files in ``folder``.
    """

    def __init__(self, folder, *, database="", broker=""):
        self.folder = folder
        self.media = folder / "media"
        self.media.mkdir(parents=True)
        self.workers = []
        self.locked_once = False
        self.broker = broker or f"sqla+sqlite:///{folder / 'queue.sqlite3'}"
        self.environment = {
            **os.environ,
            "DATA_DIR": str(folder),
            "MEDIA_ROOT": str(self.media),
            "DATABASE_URL": database or f"sqlite:///{folder / 'db.sqlite3'}",
            "BROKER_URL": self.broker,
            "OMP_NUM_THREADS": "1",
        }
        self.manage("migrate", "-v0")

    def manage(self, *arguments):
        result = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=self.environment,
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def furnish(self, checkpoint, *, prompts, steps):
        """A generator and a data set of prompts."""
        rows = "".join(f"a red square. {number}\n" for number in range(prompts))
        (self.folder / "prompts.csv").write_text("prompt\n" + rows)
        self.manage("import_prompts", "squares", "--file", str(self.folder / "prompts.csv"))
        given = ["--name", "Tiny", "--checkpoint", str(checkpoint), "--steps", str(steps)]
        self.manage("add_generator", *given)

    def queue(self, *runs, priority=0):
        """Queue runs, each (number of prompts, images per set)."""
        self.manage("shell", "-v0", "-c", QUEUE.format(runs=runs, priority=priority))

    def cancel(self, number):
        """Cancel a run, counted from 0."""
        line = f"from generation.models import Run; Run.objects.order_by('pk')[{number}].cancel()"
        self.manage("shell", "-v0", "-c", line)

    def runs(self):
        return json.loads(self.manage("shell", "-v0", "-c", RUNS))

    def start_workers(self, processes=1):
        with self.log.open("ab") as log:
            command = [sys.executable, "manage.py", "worker", "--processes", str(processes)]
            self.workers.append(
                subprocess.Popen(
                    command, env=self.environment, cwd=settings.BASE_DIR, stdout=log, stderr=log
                )
            )
        return self.workers[-1]

    @property
    def log(self):
        return self.folder / "worker.log"

    def children(self):
        """The processes that do the work."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.workers[-1].pid).children()
        return []

    def stop(self):
        """Kill the workers; their children go with them."""
        for worker in self.workers:
            with suppress(psutil.NoSuchProcess):
                children = psutil.Process(worker.pid).children()
                worker.kill()
                assert not psutil.wait_procs(children, timeout=20)[1]
            worker.wait()

    def stored(self):
        return len(list(self.media.glob("images/*/*.png")))

    def wait(self, condition, what, *, seconds=120):
        end = time.monotonic() + seconds
        while not condition():
            tail = self.log.read_text()[-5000:] if self.log.exists() else ""
            assert time.monotonic() < end, f"{what}\n{tail}"
            time.sleep(0.05)

    def lose_messages(self, broker=""):
        """As a broker that keeps nothing on disk does when it is started again."""
        with Connection(broker or self.broker) as connection:
            for queue in ("gpu", "cpu"):
                with suppress(connection.channel_errors):
                    connection.default_channel.queue_purge(queue)

    @contextmanager
    def locked(self, name):
        """Nobody else can write to an SQLite file of the node's, or read it where it has no WAL."""
        with closing(sqlite3.connect(self.folder / name, isolation_level=None, timeout=60)) as file:
            file.execute("BEGIN EXCLUSIVE")
            yield file
            file.execute("COMMIT")

    @contextmanager
    def full_disk(self):
        """Nothing more can be written to the images' folder, a file system of its own."""
        filler = self.media / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        try:
            yield
        finally:
            filler.unlink()

    def mount_media(self, size):
        """Give the images a file system of their own; False where that is not allowed."""
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.media)],
            capture_output=True,
        )
        return done.returncode == 0

    def unmount_media(self):
        subprocess.run(["umount", "-l", str(self.media)], check=True)


class Proxy:
    """A way to a server that can be cut."""

    def __init__(self, address):
        self.parts = urlsplit(address)
        self.pipes = set()
        self.listener = self._listen(0)
        self.port = self.listener.getsockname()[1]

    @property
    def address(self):
        """The server's address by way of this proxy."""
        place = self.parts.netloc.rpartition("@")
        return urlunsplit(self.parts._replace(netloc=f"{place[0]}{place[1]}127.0.0.1:{self.port}"))

    def _listen(self, port):
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        return listener

    def _accept(self, listener):
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection((self.parts.hostname, self.parts.port))
                except OSError:
                    near.close()
                    continue
                self.pipes |= {near, far}
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        self._hang_up(source, target)

    def _hang_up(self, *ends):
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes who waits for it
            end.close()
            self.pipes.discard(end)

    def open(self):
        self.listener = self._listen(self.port)

    def close(self):
        """Hang up on everybody, and let nobody in."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._hang_up(*self.pipes)
