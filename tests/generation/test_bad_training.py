"""What goes wrong while a model is trained, and what is left then."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from django.conf import settings
from PIL import Image
from safetensors.torch import save_file

from generation.engine.loading import CheckpointError, checkpoint_digest
from generation.training.config import TrainingConfigError
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


def refused(tmp_path, error, **changes):
    """What an MSDM with these settings says before its first step."""
    with pytest.raises(error) as raised:
        train(
            draw_images(tmp_path / "images"),
            config=replace(TINY, report_to="none", **changes),
            output=tmp_path / "out",
            progress=lambda now: pytest.fail(f"{now.stage} was trained"),
        )
    return str(raised.value)


@pytest.mark.parametrize("place", ["", "gone"])
def test_a_directory_without_an_autoencoder_is_refused_as_vae_with_what_to_give(
    bases, tmp_path, place
):
    wrong = bases["stable_diffusion"] / place
    said = refused(tmp_path, CheckpointError, vae=str(wrong))
    assert said.startswith(f"vae is {wrong}, which is no autoencoder")
    assert "(of a whole pipeline its folder vae), or leave the setting out" in said


def test_an_autoencoder_with_other_latents_is_refused_with_the_settings_that_fit(bases, tmp_path):
    vae = str(bases["stable_diffusion"] / "vae")
    said = refused(tmp_path, TrainingConfigError, vae=vae, vae_latent_channels=8)
    has = "vae_latent_channels = 4; vae_block_out_channels = (16, 16, 32)."
    assert said == f"The autoencoder {vae} has other latents than the configuration says; set {has}"
    levels = refused(tmp_path, TrainingConfigError, vae=vae, vae_block_out_channels=(8, 16))
    assert levels.endswith(has)
    fits = replace(TINY, vae=vae, report_to="none")
    train(draw_images(tmp_path / "images"), config=fits, output=tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "FileNotFoundError"),
        (b"no safetensors", "SafetensorError"),
        ({"weight": torch.ones(2)}, "RuntimeError: .*Missing key"),
    ],
)
def test_lpips_weights_that_can_t_be_used_are_refused_with_what_the_file_must_hold(
    tmp_path, content, complaint
):
    path = tmp_path / "lpips.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        save_file(content, path)
    said = refused(tmp_path, CheckpointError, lpips_weights=str(path))
    assert re.match(rf"(?s)lpips_weights is {path}, which can't be used: {complaint}", said)
    assert "VGG-16's features.* as torchvision names them" in said
