"""Every stage of every trainer learns: with the same samples and noise as a model left alone."""

from dataclasses import replace

import numpy as np
import pytest

from generation.training.registry import load_trainer
from tests.generation.tiny_bases import tiny_config
from tests.generation.tiny_msdm import TINY, draw_images

STEPS, LAST = 40, 12
# family, rank of the LoRA, learning rate, and by stage how much of the untrained loss may be left.
# A LoRA moves the attention of a base of random numbers only: of Kandinsky's decoder that's little.
RUNS = [
    ("msdm", None, 5e-3, {"vae": 0.85, "unet": 0.6}),
    ("flux", 2, 5e-3, {"transformer": 0.75}),
    ("flux", None, 5e-3, {"transformer": 0.4}),
    ("kandinsky", 8, 3e-2, {"prior": 0.6, "decoder": 0.97}),
    ("kandinsky", None, 5e-3, {"prior": 0.6, "decoder": 0.3}),
    ("stable_diffusion", None, 5e-3, {"unet": 0.35}),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("images"))


def config_of(family, bases, rank, rate):
    changes = {
        "max_train_steps": STEPS,
        "learning_rate": rate,
        "checkpointing_steps": STEPS,
        "cache_latents": True,
        "report_to": "none",
    }
    if family == "msdm":
        own = {"vae_max_train_steps": STEPS, "vae_learning_rate": rate}
        return replace(TINY, **own, **changes)
    own = {"flux": {"rank": rank}, "kandinsky": {"rank": rank, "prior_max_train_steps": STEPS}}
    return tiny_config(family, bases[family], **own.get(family, {}), **changes)


def losses(family, images, config, output):
    """By stage, the mean loss of the last steps; progress tells a running mean."""
    means = {}
    load_trainer(family)(
        images,
        config=config,
        output=output,
        progress=lambda now: means.setdefault(now.stage, []).append(now.loss),
    )
    return {
        stage: np.mean((np.array(values[1:]) - 0.99 * np.array(values[:-1]))[-LAST:] / 0.01)
        for stage, values in means.items()
    }


@pytest.mark.parametrize(("family", "rank", "rate", "left"), RUNS)
def test_the_loss_falls_below_that_of_a_model_left_alone(
    bases, images, tmp_path, family, rank, rate, left
):
    trained, alone = (
        losses(family, images, config_of(family, bases, rank, r), tmp_path / name)
        for name, r in (("trained", rate), ("alone", 1e-12))
    )
    ratios = {stage: trained[stage] / alone[stage] for stage in trained}
    assert ratios.keys() == left.keys()
    assert all(ratios[stage] < left[stage] for stage in left), ratios
