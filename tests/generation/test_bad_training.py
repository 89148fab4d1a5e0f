"""What goes wrong while a model is trained, and what is left then."""

import subprocess
import sys

import numpy as np
import pytest
from django.conf import settings
from PIL import Image

from generation.engine.loading import checkpoint_digest
from generation.training.data import TrainingDataError, read_image
from generation.training.families.msdm import train
from tests.generation.tiny_msdm import TINY, draw_images

# Files may grow to the size of the first states only: as if the disk were full from then on.
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from generation.training.checkpoints import SaveFailed
from generation.training.families.msdm import train
from tests.generation.tiny_msdm import TINY, draw_images

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])

def fill(now):
    if (now.stage, now.step) == ("unet", 3):
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

try:
    train(draw_images(folder / "images"), config=TINY, output=folder / "out", progress=fill)
except SaveFailed as error:
    print(error)
"""


def test_a_full_disk_leaves_the_last_state_whole_and_room_lets_it_go_on(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "The checkpoint of step 4 can't be written" in done.stdout
    assert "That of step 2 is whole; make room there and resume." in done.stdout
    assert not list(tmp_path.rglob("*.partial"))
    images = draw_images(tmp_path / "images")
    steps = []
    train(images, config=TINY, output=tmp_path / "out", progress=lambda now: steps.append(now.step))
    assert steps[0] == 3
    train(images, config=TINY, output=tmp_path / "undisturbed")
    assert checkpoint_digest(tmp_path / "out") == checkpoint_digest(tmp_path / "undisturbed")


@pytest.mark.parametrize(
    ("picture", "name", "said"),
    [
        (Image.new("CMYK", (8, 8)), "a.jpg", "mode CMYK"),
        (Image.fromarray(np.zeros((8, 8), np.uint16)), "a.png", "mode I;16"),
        (Image.fromarray(np.zeros((8, 8), np.float32)), "a.tiff", "mode F"),
        (Image.new("RGBA", (8, 8), (9, 9, 9, 100)), "a.png", "transparent"),
    ],
)
def test_an_image_that_is_no_8_bit_grey_or_rgb_is_refused_by_name(tmp_path, picture, name, said):
    picture.save(tmp_path / name)
    with pytest.raises(
        TrainingDataError, match=rf"{name} is an? (image of the )?{said}.*Convert it"
    ):
        read_image(tmp_path / name)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA"])
def test_grey_palette_and_opaque_images_are_read_as_rgb(tmp_path, mode):
    Image.new("RGB", (8, 8), (200, 200, 200)).convert(mode).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").mode == "RGB"
