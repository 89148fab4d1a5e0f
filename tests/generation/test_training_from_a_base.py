"""Kandinsky, FLUX and Stable Diffusion, trained on tiny bases."""

import pytest
import torch
from safetensors.torch import load_file

from generation.engine.loading import checkpoint_digest
from generation.engine.registry import load_sampler
from generation.training.registry import load_trainer
from tests.generation.tiny_bases import tiny_config
from tests.generation.tiny_msdm import draw_images

# family, rank of the LoRA (None: all weights), stage
RUNS = [
    ("flux", 2, "transformer"),
    ("flux", None, "transformer"),
    ("kandinsky", 2, "prior"),
    ("kandinsky", 2, "decoder"),
    ("kandinsky", None, "prior"),
    ("kandinsky", None, "decoder"),
    ("stable_diffusion", None, "unet"),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("images"))


class Killed(Exception):
    pass


@pytest.mark.parametrize(("family", "rank", "stage"), RUNS)
def test_a_run_stopped_in_any_stage_ends_like_an_undisturbed_one(
    bases, images, tmp_path, family, rank, stage
):
    own = {} if family == "stable_diffusion" else {"rank": rank}  # it is never a LoRA
    config = tiny_config(family, bases[family], **own)
    train = load_trainer(family)
    train(images, config=config, output=tmp_path / "whole")

    def kill(now):
        if (now.stage, now.step) == (stage, 3):
            raise Killed

    with pytest.raises(Killed):
        train(images, config=config, output=tmp_path / "cut", progress=kill)
    assert not (tmp_path / "cut").exists()
    steps = []
    card = train(
        images,
        config=config,
        output=tmp_path / "cut",
        progress=lambda now: steps.append((now.stage, now.step)),
    )
    assert steps[0] == (stage, 3), "it went on from the checkpoint of step 2"
    assert checkpoint_digest(tmp_path / "cut") == checkpoint_digest(tmp_path / "whole")
    assert bool(card.lora) == (rank is not None)
    [image] = load_sampler(family, tmp_path / "cut", device="cpu").sample(["a red square."], [1])
    assert image.size == (32, 32)


def test_medisyn_moves_every_weight_of_u_net_and_text_encoder_and_none_of_the_autoencoder(
    bases, images, tmp_path
):
    base, trained = bases["stable_diffusion"], tmp_path / "trained"
    train = load_trainer("stable_diffusion")
    train(images, config=tiny_config("stable_diffusion", base), output=trained)
    for part, moves in {"unet": True, "text_encoder": True, "vae": False}.items():
        [file] = (base / part).glob("*.safetensors")
        before, after = load_file(file), load_file(trained / part / file.name)
        assert before.keys() == after.keys()
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved == (before.keys() if moves else set()), part
