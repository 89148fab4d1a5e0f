"""A real worker on a real queue, killed in the middle of its work."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from django.conf import settings
from django.db import connection

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

QUEUE_TWO_EQUAL_RUNS = """
from generation.jobs import enqueue
from generation.models import Generator, Prompt
from generation.runs import create_run
for _ in range(2):
    enqueue(create_run(generator=Generator.objects.get(), prompts=list(Prompt.objects.all()),
                       images_per_set=24, seed=3, by=None))
"""
STATE = """
import json
from generation.models import Image, Run
def images(run):
    rows = Image.objects.filter(image_set__run=run, image_set__completed_at__isnull=False)
    rows = rows.order_by("image_set__prompt", "index")
    return list(rows.values_list("image_set__prompt", "index", "seed", "sha256"))
runs = Run.objects.order_by("pk")
print(json.dumps([(run.status, run.error, run.attempts, run.done, images(run)) for run in runs]))
"""
IMAGES = 5 * 24


class Node:
    """A machine of its own: a data directory, commands and workers as separate processes."""

    def __init__(self, folder):
        self.folder = folder
        self.workers = []
        self.environment = {
            **os.environ,
            "DATA_DIR": str(folder),
            "MEDIA_ROOT": str(folder / "media"),
            "DATABASE_URL": database_url(folder),
            "OMP_NUM_THREADS": "1",
        }
        self.manage("migrate", "-v0")

    def manage(self, *arguments):
        command = [sys.executable, "manage.py", *arguments]
        result = subprocess.run(
            command,
            env=self.environment,
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def start_worker(self):
        with (self.folder / "worker.log").open("ab") as log:
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, "manage.py", "worker"],
                    env=self.environment,
                    cwd=settings.BASE_DIR,
                    stdout=log,
                    stderr=log,
                )
            )
        return self.workers[-1]

    def stored(self):
        return len(list((self.folder / "media").glob("images/*/*.png")))

    def wait(self, condition, what, *, seconds=90):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what}\n{(self.folder / 'worker.log').read_text()}"
            time.sleep(0.05)


def database_url(folder):
    """A file of its own, or the test database where the tests run on a server."""
    if connection.vendor == "sqlite":
        return f"sqlite:///{folder / 'db.sqlite3'}"
    s = connection.settings_dict
    return f"postgres://{s['USER']}:{s['PASSWORD']}@{s['HOST']}:{s['PORT']}/{s['NAME']}"


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path)
    yield node
    for worker in node.workers:
        worker.kill()
        worker.wait()


def test_a_worker_killed_midway_leaves_no_gap_no_double_and_no_other_pixel(node, checkpoint):
    prompts = node.folder / "prompts.csv"
    prompts.write_text("prompt\n" + "".join(f"a red square. {n}\n" for n in range(5)))
    node.manage("import_prompts", "squares", "--file", str(prompts))
    node.manage("add_generator", "--name", "Tiny", "--checkpoint", str(checkpoint))
    node.manage("shell", "-v0", "-c", QUEUE_TWO_EQUAL_RUNS)

    first = node.start_worker()
    node.wait(lambda: node.stored() > 25, "the first images")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert node.stored() < IMAGES, "it was killed too late to show anything"

    node.start_worker()
    node.wait(lambda: node.stored() == IMAGES, "all images of the first run")
    node.wait(lambda: ended(node), "both runs")
    runs = json.loads(node.manage("shell", "-v0", "-c", STATE))
    # A message that another test left in a shared queue may have the second run done first.
    undisturbed, killed = sorted(runs, key=lambda run: run[2])
    assert killed[:4] == ["done", "", 2, IMAGES]
    assert undisturbed[:4] == ["done", "", 1, IMAGES]
    assert len(killed[4]) == IMAGES
    assert killed[4] == undisturbed[4]


def ended(node):
    runs = json.loads(node.manage("shell", "-v0", "-c", STATE))
    return all(run[0] not in ("queued", "running") for run in runs)
