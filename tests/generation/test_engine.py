import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from generation.engine.device import choose_device
from generation.engine.registry import load_sampler
from generation.training.families.msdm import train as train_msdm
from tests.generation.tiny_msdm import TINY, draw_images

PROMPTS = [f"a {colour} square." for colour in ("red", "green", "blue", "red", "red")] * 2
SEEDS = [3, 1, 4, 1, 5, 9, 2, 6, 53, 58]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    directory = tmp_path_factory.mktemp("msdm")
    train_msdm(draw_images(directory / "images"), config=TINY, output=directory / "checkpoint")
    return directory / "checkpoint"


@pytest.fixture(scope="module")
def sampler(checkpoint):
    return load_sampler("msdm", checkpoint)


def difference(a, b):
    return np.abs(np.asarray(a, int) - np.asarray(b, int)).max()


def test_an_image_does_not_depend_on_its_batch_or_order(sampler):
    together = sampler.sample(PROMPTS, SEEDS)
    reversed_ = sampler.sample(PROMPTS[::-1], SEEDS[::-1])[::-1]
    for image, other, prompt, seed in zip(together, reversed_, PROMPTS, SEEDS, strict=True):
        [alone] = sampler.sample([prompt], [seed])
        assert difference(image, alone) <= 1
        assert difference(image, other) <= 1


def test_images_are_rgb_of_the_asked_size_and_differ_by_seed(checkpoint, sampler):
    settings = replace(sampler.settings, width=48, height=32, steps=2)
    wide = load_sampler("msdm", checkpoint, settings=settings)
    first, second = wide.sample(["red", "red"], [1, 2])
    assert (first.mode, first.size) == ("RGB", (48, 32))
    assert difference(first, second) > 20
    assert wide.provenance()["steps"] == 2


@pytest.mark.parametrize("scheduler", ["ddpm", "dpmsolver++"])
def test_every_scheduler_is_seeded(checkpoint, sampler, scheduler):
    settings = replace(sampler.settings, scheduler=scheduler, eta=0.0)
    other = load_sampler("msdm", checkpoint, settings=settings)
    [image, again] = other.sample(["red", "red"], [7, 7])
    assert difference(image, again) <= 1
    assert difference(image, sampler.sample(["red"], [7])[0]) > 1


def test_a_fresh_process_samples_the_same_image(checkpoint, sampler, tmp_path):
    code = (
        "from generation.engine.registry import load_sampler\n"
        f"sampler = load_sampler('msdm', {str(checkpoint)!r})\n"
        f"sampler.sample(['red'], [11])[0].save({str(tmp_path / 'image.png')!r})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    with Image.open(tmp_path / "image.png") as image:
        assert difference(image, sampler.sample(["red"], [11])[0]) == 0


def test_provenance_tells_what_is_needed_to_repeat_an_image(sampler):
    provenance = sampler.provenance()
    assert provenance["checkpoint"] == sampler.digest
    assert (provenance["scheduler"], provenance["steps"], provenance["eta"]) == ("ddim", 4, 1.0)
    assert (provenance["dtype"], provenance["device"]) == ("float32", "cpu")
    assert set(provenance["libraries"]) == {"python", "torch", "diffusers", "transformers"}


def test_a_prompt_longer_than_the_text_encoder_takes_is_refused_with_the_lost_part(sampler):
    with pytest.raises(ValueError, match=r"would lose '.*zebra"):
        sampler.sample(["a red square. " * 12 + "zebra"], [1])


def test_prompts_and_seeds_must_be_as_many(sampler):
    with pytest.raises(ValueError, match="2 prompts, but 1 seeds"):
        sampler.sample(["red", "blue"], [1])
    assert sampler.sample([], []) == []


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="Unknown device 'abacus'"):
        choose_device("abacus")
