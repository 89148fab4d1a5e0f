"""The checkpoints that are shipped: what the recipe makes, small, and obedient."""

import numpy as np
import pytest

from generation.engine.loading import read_card
from generation.engine.registry import load_sampler
from generation.phantoms import CHECKPOINTS
from generation.training.demo import recipe
from generation.training.presets import make_config

NAMES = ["alder", "birch", "cedar"]
BOX = "Generate an image containing a green/black box artefact."
NO_BOX = "Generate an image not containing a green/black box artefact."
SEEDS = list(range(10))


def test_they_are_of_three_families_and_16_mb_in_all_of_safetensors():
    cards = [read_card(CHECKPOINTS / name) for name in NAMES]
    assert [card.family for card in cards] == ["msdm", "kandinsky", "flux"]
    assert all(card.phantom and card.licence == "Apache-2.0" for card in cards)
    files = [path for path in CHECKPOINTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 16_000_000
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt", ".md"}


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_says_how_they_were_trained(name, tmp_path):
    family, preset, settings = recipe(tmp_path)[name]
    config = make_config(family, preset, settings)
    card = read_card(CHECKPOINTS / name)
    said, wanted = card.training["config"], config.to_json()
    elsewhere = {*config.sources, "validation_prompts"}
    for key in wanted.keys() - elsewhere:
        value = list(wanted[key]) if isinstance(wanted[key], tuple) else wanted[key]
        assert said[key] == value, key
    assert card.settings == config.settings


@pytest.mark.parametrize("name", NAMES)
def test_they_follow_a_prompt_that_can_be_measured(name):
    """A box, green or black, in the corner where the drawings have it."""
    sampler = load_sampler(read_card(CHECKPOINTS / name).family, CHECKPOINTS / name)

    def boxes(prompt):
        images = sampler.sample([prompt] * len(SEEDS), SEEDS)
        patches = np.stack([np.asarray(image, float)[48:56, 11:18] for image in images])
        green = patches[..., 1] - patches[..., 0] > 20
        black = patches.max(axis=3) < 60
        return ((green | black).mean(axis=(1, 2)) > 0.7).sum()

    assert boxes(BOX) >= boxes(NO_BOX) + 3
