"""The demonstration, with tiny checkpoints instead of the shipped ones to save time."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from urllib.request import urlopen

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from analysis import demo
from annotation.models import Study
from generation import phantoms
from generation.models import Dataset, Prompt, Run
from generation.training.families.msdm import train as train_msdm
from tests.generation.tiny_msdm import TINY, draw_images

START = """
import sys
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
from generation import phantoms
phantoms.CHECKPOINTS = Path(sys.argv[1])
call_command("demo", port=int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Three tiny generators that take prompts of any length."""
    folder = tmp_path_factory.mktemp("demo")
    config = replace(TINY, token_length=256, steps=2)
    train_msdm(draw_images(folder / "images"), config=config, output=folder / "trained")
    for guidance, name in enumerate(("alder", "birch", "cedar"), 1):
        copy = shutil.copytree(folder / "trained", folder / "checkpoints" / name)
        card = json.loads((copy / "blindread.json").read_text())
        card["settings"]["guidance_scale"] = guidance  # so that their images differ
        (copy / "blindread.json").write_text(json.dumps(card))
    return folder / "checkpoints"


@pytest.fixture
def tiny(checkpoints, monkeypatch):
    monkeypatch.setattr(phantoms, "CHECKPOINTS", checkpoints)


@pytest.mark.django_db
def test_a_demonstration_that_was_interrupted_goes_on_and_does_nothing_twice(tiny, monkeypatch):
    def interrupt(*arguments, **fields):
        raise KeyboardInterrupt

    steps = [(phantoms, "add_prompts"), (phantoms, "add_generator"), (demo, "create_study")]
    for module, step in [*steps, (demo, "add_reader"), (demo, "generate_images")]:
        with monkeypatch.context() as patched:
            patched.setattr(module, step, interrupt)
            with pytest.raises(KeyboardInterrupt):
                demo.prepare()
    first, second = demo.prepare(), demo.prepare()
    assert first == second
    assert Study.objects.count() == Dataset.objects.count() == 1
    assert Run.objects.count() == 3
    assert Prompt.objects.exclude(rephrasing_of=None).count() == 6
    assert demo.image_progress(first) == (0, 330)
    for name in (demo.RESEARCHER, *demo.READERS):
        assert User.objects.get(username=name).check_password(demo.PASSWORD)
    failed = Run.objects.order_by("pk")[:1]
    Run.objects.filter(pk__in=failed).update(status="failed", error="no memory left")
    with pytest.raises(demo.DemoFailed, match="is failed: no memory left"):
        demo.image_progress(first)


def test_a_port_in_use_is_said_with_a_way_out():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "manage.py", "demo", f"--port={port}"],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
        )
    assert result.returncode == 1
    assert f"Port {port} is in use" in result.stderr
    assert "Traceback" not in result.stderr


class Demonstration:
    """`manage.py demo` as a process, with its own data."""

    def __init__(self, folder, checkpoints):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = [sys.executable, "-c", START, str(checkpoints), str(self.port)]
        self.environment = {
            **os.environ,
            "DATA_DIR": str(folder),
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "BROKER_URL": f"sqla+sqlite:///{folder / 'queue.sqlite3'}",
            "MEDIA_ROOT": str(folder / "media"),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }

    def start(self):
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            cwd=settings.BASE_DIR,
            env=self.environment,
            stdout=(self.folder / "out.txt").open("w"),
            stderr=subprocess.STDOUT,
        )

    def said(self):
        return (self.folder / "out.txt").read_text()

    def wait_until_it_says(self, text, *, seconds=150):
        while text not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < self.began + seconds, self.said()
            time.sleep(0.1)
        return time.monotonic() - self.began

    def stop(self, number):
        self.process.send_signal(number)
        return self.process.wait(20)

    def images(self):
        return set((self.folder / "media").glob("images/*/*.png"))

    def children(self):
        """Commands of living processes that belong to this demonstration's data."""
        listed = subprocess.run(["ps", "eww", "-e"], capture_output=True, text=True).stdout
        return [line for line in listed.splitlines() if f"DATA_DIR={self.folder}" in line]


def test_one_command_leads_to_a_study_that_can_be_read_and_stops_without_a_trace(
    checkpoints, tmp_path
):
    demonstration = Demonstration(tmp_path, checkpoints)
    demonstration.start()
    demonstration.wait_until_it_says("Progress on the page")
    while len(demonstration.images()) < 260:  # 240 phantoms, 20 of 330 generated
        assert demonstration.process.poll() is None, demonstration.said()
        time.sleep(0.1)
    assert demonstration.stop(signal.SIGTERM) == 0  # midway
    assert demonstration.children() == []

    demonstration.start()
    demonstration.wait_until_it_says("sign in as alice")
    assert "sign in as bob or carol" in demonstration.said()
    assert demo.PASSWORD in demonstration.said()
    assert len(demonstration.images()) == 570
    with urlopen(f"http://127.0.0.1:{demonstration.port}/accounts/login/") as page:
        assert page.status == 200
    assert demonstration.stop(signal.SIGINT) == 0
    assert demonstration.children() == []

    demonstration.start()
    assert demonstration.wait_until_it_says("sign in as alice") < 10
    assert demonstration.stop(signal.SIGINT) == 0
