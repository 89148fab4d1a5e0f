"""The program in docs/api.md does what it says: against a live server, a worker and a reader."""

import hashlib
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from annotation.models import Reading, Study
from generation.jobs import perform_next
from generation.models import IMPORTED, Dataset, ImageSet, Run
from generation.tokens import create_token
from tests import builders

PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"
PATIENCE = 300  # seconds


@pytest.fixture
def alice(transactional_db):
    """With the data set and the generators that the program names, and bob to read."""
    alice = builders.a_user("alice", researcher=True)
    builders.a_user("bob")
    dataset = builders.a_dataset(pairs=3, images_per_pair=4)
    Dataset.objects.filter(pk=dataset.pk).update(slug="medvqa-gi", name="Prompts")
    real = builders.a_dataset(pairs=3, images_per_pair=4)
    Dataset.objects.filter(pk=real.pk).update(slug="polyps", name="Polyps")
    for slug in ("fern", "moss"):
        imported(slug, dataset, alice)
    return alice


def imported(slug, dataset, owner):
    """A generator whose images came as a ZIP, so that nothing must be sampled."""
    generator = builders.a_generator(name=slug.title(), slug=slug, family=IMPORTED)
    prompts = list(dataset.prompts.all())
    total = 2 * len(prompts)
    run = Run.objects.create(
        generator=generator, images_per_set=2, created_by=owner, status="done", done=total,
        total=total,
    )  # fmt: skip
    for prompt in prompts:
        made = ImageSet.objects.create(run=run, prompt=prompt, completed_at=timezone.now())
        for index in range(2):
            builders.an_image(image_set=made, index=index, seed=None)


def test_the_program_of_the_documentation_launches_a_study_and_brings_its_export(
    live_server, alice, tmp_path
):
    _, token = create_token(
        user=alice, name="Docs", scopes=["studies:read", "studies:write", "results:read",
        "results:write"], days=1,
    )  # fmt: skip
    (program,) = PROGRAM.findall(DOCUMENT.read_text())
    environment = {
        **os.environ, "BLINDREAD_URL": live_server.url, "BLINDREAD_TOKEN": token, "PAUSE": "0.2",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        began = time.monotonic()
        while running.poll() is None:
            assert time.monotonic() - began < PATIENCE
            if not perform_next(["cpu"]):
                read_what_is_there()
                time.sleep(0.1)
        said = running.stdout.read()
    assert running.returncode == 0, said
    (file,) = tmp_path.glob("*.zip")
    assert hashlib.sha256(file.read_bytes()).hexdigest() in said
    assert any("scores" in name for name in zipfile.ZipFile(file).namelist())
    assert Study.objects.get().state == Study.State.CLOSED
    connections.close_all()


def read_what_is_there():
    """What a reader would do, were they as quick."""
    open_ones = Reading.objects.filter(
        reader__study__state=Study.State.RUNNING, submitted_at=None
    ).select_related("reader__study")
    for reading in open_ones:
        reading.reader.consented_at = timezone.now()
        reading.reader.save()
        builders.rate(reading)
