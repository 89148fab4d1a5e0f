"""A sweep of LoRA ranks on a FLUX so small that a cell takes seconds, and what it leaves."""

import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
from django.conf import settings
from django.core.management import call_command
from PIL import Image as Pillow

from generation.models import Dataset, Prompt
from tests.builders import an_image
from tests.generation.tiny_msdm import draw_images

FLAGS = (
    "resolution=32",
    "train_batch_size=4",
    "max_train_steps=3",
    "checkpointing_steps=1",
    "cache_latents=false",
    "lr_warmup_steps=0",
    "token_length=16",
    "steps=2",
    "report_to=none",
)
CELLS = {f"{what}-seed-{seed}" for what in ("base", "rank-2", "rank-4") for seed in (1, 2)}


def squares(folder):
    """A data set of 12 drawn images, 6 to train on and 6 to test on, with one rephrasing."""
    dataset = Dataset.objects.create(name="Squares", slug="squares", licence="CC0")
    for number, drawn in enumerate(draw_images(folder, 12)):
        image = an_image(
            dataset=dataset,
            split="train" if number < 6 else "test",
            content=drawn.path.read_bytes(),
            name=f"{number}.png",
        )
        image.prompts.add(Prompt.objects.get_or_create(dataset=dataset, text=drawn.captions[0])[0])
    red = dataset.prompts.get(text="a red square.")
    Prompt.objects.create(dataset=dataset, text="red", rephrasing_of=red)
    return dataset


def sweep(base, output, *more, ranks="2,4", seeds="1,2", family="flux"):
    call_command(
        "lora_sweep",
        family,
        "--dataset=squares",
        f"--output={output}",
        f"--ranks={ranks}",
        f"--seeds={seeds}",
        "--preset=small",
        "--images-per-prompt=3",
        f"--set=pretrained_model_name_or_path={base}",
        *(f"--set={flag}" for flag in FLAGS),
        *more,
    )


def results(folder):
    """Result by cell, without how long it took."""
    found = {
        path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/result.json")
    }
    for result in found.values():
        for name in [name for name in result if name.startswith("seconds_")]:
            del result[name]
    return found


def pixels(folder):
    return {
        str(path.relative_to(folder)): np.asarray(Pillow.open(path)).tobytes()
        for path in folder.glob("*/images/*/*.png")
    }


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


SCRIPT = """
import os, signal, sys
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
from PIL.Image import Image
from analysis import sweep_cells
from generation.training.checkpoints import Checkpoints
from tests.analysis import a_sweep
from tests.generation.tiny_bases import tiny_base

folder, act = Path(sys.argv[1]), sys.argv[2]
def die(when):
    def decorate(original):
        count = iter(range(1, 1000))
        def act(self, *args, **named):
            result = original(self, *args, **named)
            if next(count) == when:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        return act
    return decorate
if act == "set up":
    call_command("migrate", verbosity=0)
    a_sweep.squares(folder / "drawn")
    tiny_base("flux", folder / "base")
    act = "whole"
elif act == "between cells":
    sweep_cells.Cell.finish = die(2)(sweep_cells.Cell.finish)
elif act == "in training":
    Checkpoints.save = die(2)(Checkpoints.save)
elif act == "in sampling":
    Image.save = die(4)(Image.save)
a_sweep.sweep(folder / "base", folder / ("whole" if act == "whole" else "cut"))
"""


def act(folder, what):
    """A sweep in a process of its own, which ends where ``what`` says."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(settings.BASE_DIR),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(folder),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, str(script), str(folder), what],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
