"""A training's process is killed, at no point of its choosing: nothing is lost but time."""

import random
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from django.conf import settings

from generation.engine.loading import checkpoint_digest
from generation.training.registry import load_trainer
from tests.generation.tiny_bases import FAMILIES, tiny_config
from tests.generation.tiny_msdm import TINY, draw_images

# Trains until the given step, and is killed so many seconds later: within a step, a save, or
# between them.
VICTIM = """
import os, signal, sys, threading
from pathlib import Path
from generation.training.registry import load_trainer
from tests.generation.tiny_msdm import draw_images
from tests.generation.training_units.test_killed import config_of

family, base, folder, stage, step, delay = sys.argv[1:]

def kill(now):
    if (now.stage, now.step) == (stage, int(step)):
        threading.Timer(float(delay), os.kill, (os.getpid(), signal.SIGKILL)).start()

load_trainer(family)(
    draw_images(Path(folder) / "images"),
    config=config_of(family, Path(base)),
    output=Path(folder) / "killed",
    progress=kill,
)
"""
STEPS = 8


def config_of(family, base):
    if family == "msdm":
        return replace(TINY, report_to="none", max_train_steps=STEPS, vae_max_train_steps=STEPS)
    own = {"prior_max_train_steps": STEPS} if family == "kandinsky" else {}
    return tiny_config(family, base, max_train_steps=STEPS, **own)


@pytest.mark.parametrize("family", ["msdm", *FAMILIES])
def test_a_killed_training_goes_on_and_ends_like_an_undisturbed_one(family, bases, tmp_path):
    base = bases.get(family, tmp_path)  # MSDM has none
    config, images = config_of(family, base), draw_images(tmp_path / "images")
    chance = random.Random(family)
    stage = chance.choice(list(config.stages()))
    step, delay = chance.randint(2, STEPS - 3), chance.uniform(0, 0.02)
    victim = subprocess.run(
        [sys.executable, "-c", VICTIM, family, base, tmp_path, stage, str(step), str(delay)],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    assert not (tmp_path / "killed").exists()
    train, seen = load_trainer(family), []
    train(
        images,
        config=config,
        output=tmp_path / "killed",
        progress=lambda now: seen.append((now.stage, now.step)),
    )
    assert (stage, 1) not in seen, "it went on, and did not begin again"
    train(images, config=config, output=tmp_path / "undisturbed")
    assert checkpoint_digest(tmp_path / "killed") == checkpoint_digest(tmp_path / "undisturbed")
    assert not list(tmp_path.rglob("*.partial"))
