"""Several processes, or several parts of a step, train as one process with as large a batch."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from django.conf import settings
from safetensors.torch import load_file

from generation.engine.loading import read_card
from generation.training.registry import load_trainer
from tests.generation.tiny_bases import tiny_base, tiny_config
from tests.generation.tiny_msdm import TINY, draw_images

FAMILIES = ["msdm", "kandinsky", "flux", "stable_diffusion"]
WHOLE_BATCH = 4


def config_of(family, base, **changes):
    """Without dropout, whose random numbers are each process's own."""
    if family == "msdm":
        return replace(TINY, dropout=0.0, report_to="none", **changes)
    return tiny_config(family, base, **changes)


@pytest.fixture(scope="module", params=FAMILIES)
def alone(request, tmp_path_factory):
    """A family trained by one process with the whole batch."""
    family, folder = request.param, tmp_path_factory.mktemp(request.param)
    base = folder / "base" if family == "msdm" else tiny_base(family, folder / "base")
    images = draw_images(folder / "images")
    train(family, images, config_of(family, base, **batches(family, 1)), folder / "alone")
    return family, base, folder


def batches(family, parts):
    size = {"train_batch_size": WHOLE_BATCH // parts}
    return size | ({"vae_train_batch_size": WHOLE_BATCH // parts} if family == "msdm" else {})


def train(family, images, config, output):
    load_trainer(family)(images, config=config, output=output)


def assert_same_weights(one, other):
    files = [path.relative_to(one) for path in one.rglob("*.safetensors")]
    assert files
    for name in files:
        a, b = load_file(one / name), load_file(other / name)
        assert a.keys() == b.keys()
        apart = torch.cat([(a[key] - b[key]).abs().flatten() for key in a])
        # AdamW turns what should be no gradient at all (a bias before a norm) and is rounding into
        # whole steps; a wrong gradient would move all weights.
        assert (apart < 1e-5).float().mean() > 0.85, name
        assert apart.max() < 0.02, name
    losses = [read_card(directory).training["loss"] for directory in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_two_processes_train_like_one_with_twice_the_batch(alone, tmp_path):
    family, base, folder = alone
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    launch += ["--dynamo_backend", "no", "--main_process_port", "0"]
    arguments = [family, base, folder / "images", tmp_path / "two", json.dumps(batches(family, 2))]
    done = subprocess.run(
        [*launch, "-m", "tests.generation.train_on_processes", *map(str, arguments)],
        cwd=settings.BASE_DIR,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_card(tmp_path / "two").training["processes"] == 2
    assert_same_weights(folder / "alone", tmp_path / "two")


def test_accumulated_gradients_are_those_of_the_whole_batch(alone, tmp_path):
    family, base, folder = alone
    config = config_of(family, base, gradient_accumulation_steps=2, **batches(family, 2))
    train(family, draw_images(tmp_path / "images"), config, tmp_path / "parts")
    assert_same_weights(folder / "alone", tmp_path / "parts")
