"""LoRAs: trained, saved, loaded elsewhere, refused on another base."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from django.conf import settings
from safetensors import safe_open

from generation.engine.cards import LORA_NAME, card_of
from generation.engine.loading import CARD_NAME, CheckpointError
from generation.engine.registry import load_sampler
from generation.engine.spec import Base
from generation.training.registry import load_trainer
from tests.generation.tiny_bases import tiny_base, tiny_config
from tests.generation.tiny_msdm import draw_images

PROMPTS, SEEDS = ["a red square.", "blue"], [1, 2]
FRESH = """
import sys
from generation.engine.registry import load_sampler
for image in load_sampler(sys.argv[1], sys.argv[2]).sample(["a red square.", "blue"], [1, 2]):
    sys.stdout.buffer.write(image.tobytes())
"""


@pytest.fixture(scope="module", params=["flux", "kandinsky"])
def trained(request, tmp_path_factory):
    """A family, its base, and a LoRA trained on it with alpha twice the rank."""
    family, folder = request.param, tmp_path_factory.mktemp(request.param)
    base = tiny_base(family, folder / "base")
    config = tiny_config(family, base, lora_alpha=4.0, learning_rate=2e-2, max_train_steps=6)
    load_trainer(family)(draw_images(folder / "images"), config=config, output=folder / "lora")
    return family, base, folder / "lora"


def draw(sampler):
    return np.stack([np.asarray(image) for image in sampler.sample(PROMPTS, SEEDS)])


def test_a_lora_gives_the_same_images_in_a_fresh_process(trained):
    family, _, lora = trained
    done = subprocess.run(
        [sys.executable, "-c", FRESH, family, str(lora)],
        cwd=settings.BASE_DIR,
        capture_output=True,
        check=True,
    )
    assert done.stdout == draw(load_sampler(family, lora)).tobytes()


def test_a_lora_changes_what_its_base_draws_and_keeps_its_alpha(trained):
    family, base, lora = trained
    sampler = load_sampler(family, lora)
    root, beside = base, {}
    if family == "kandinsky":
        root, beside = base / "decoder", {"prior": Base(str(base / "prior"))}
    own = {name: getattr(sampler.settings, name) for name in ("width", "height", "steps")}
    own |= {"prior_steps": 2} if family == "kandinsky" else {}
    card = card_of(root, family=family, base=beside, settings=own, token_length=16)
    assert not np.array_equal(draw(load_sampler(family, root, card=card)), draw(sampler))
    assert (sampler.card.lora["rank"], sampler.card.lora["alpha"]) == (2, 4.0)
    for path in lora.rglob(LORA_NAME):
        with safe_open(path, framework="pt") as file:
            said = json.loads(file.metadata()["lora_adapter_metadata"])
        assert said["lora_alpha"] == 4.0


def test_a_lora_is_not_put_on_a_base_that_it_was_not_trained_on(trained, tmp_path):
    family, _, lora = trained
    card = json.loads((lora / CARD_NAME).read_text())
    other = tiny_base(family, tmp_path / "other", seed=7)
    for part, base in card["base"].items():
        base["source"] = str(other / part if family == "kandinsky" else other)
    moved = tmp_path / "moved"
    moved.mkdir()
    for part in lora.iterdir():
        if part.is_dir():
            (moved / part.name).symlink_to(part)
    (moved / CARD_NAME).write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match="trained on another base"):
        load_sampler(family, moved)
    for base in card["base"].values():
        base["source"], base["digest"] = str(tmp_path / "gone"), ""
    (moved / CARD_NAME).write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=r"The base of moved .*gone"):
        load_sampler(family, moved)


def test_a_lora_whose_shapes_do_not_fit_is_refused(tmp_path):
    lora = tmp_path / "lora"
    base = tiny_base("flux", tmp_path / "base")
    images = draw_images(tmp_path / "images")
    config = tiny_config("flux", base, max_train_steps=1)
    load_trainer("flux")(images, config=config, output=lora)
    card = json.loads((lora / CARD_NAME).read_text())
    card["lora"]["rank"] = 2
    from safetensors.torch import load_file, save_file

    path = lora / "transformer" / LORA_NAME
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = {name: torch.cat([t, t], dim=1) for name, t in load_file(path).items()}
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(CheckpointError, match="does not fit its base"):
        load_sampler("flux", lora)


def test_a_lora_of_another_trainer_gets_a_card_from_its_files(trained, tmp_path):
    family, base, lora = trained
    if family == "kandinsky":
        pytest.skip("other trainers' LoRAs of Kandinsky have no layout of their own")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / LORA_NAME).write_bytes((lora / "transformer" / LORA_NAME).read_bytes())
    with pytest.raises(CheckpointError, match="name the base"):
        card_of(foreign, family="flux")
    own = {"width": 32, "height": 32, "steps": 3}
    card = card_of(
        foreign,
        family="flux",
        base={"pipeline": Base(str(base))},
        settings=own,
        token_length=16,
    )
    assert (card.lora["rank"], card.lora["alpha"]) == (2, 4.0)
    assert card.parameters["lora"] > 0
    assert np.array_equal(
        draw(load_sampler("flux", foreign, card=card)), draw(load_sampler("flux", lora))
    )
