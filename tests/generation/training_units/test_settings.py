"""Settings that can't be are refused, by name, before anything begins."""

from importlib import import_module

import pytest

from generation.training.config import CONFIGS, TrainingConfigError
from generation.training.presets import make_config


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [
        ("msdm", "learning_rate", -1),
        ("msdm", "learning_rate", "nan"),
        ("msdm", "learning_rate", "inf"),
        ("msdm", "adam_weight_decay", "inf"),
        ("msdm", "guidance_scale", "nan"),
        ("msdm", "max_train_steps", "inf"),
        ("msdm", "vae_learning_rate", 0),
        ("msdm", "prompt_dropout", 3),
        ("msdm", "color_jitter", 2),
        ("msdm", "dropout", 1.5),
        ("msdm", "lr_warmup_steps", -5),
        ("msdm", "max_grad_norm", 0),
        ("msdm", "dataloader_num_workers", -1),
        ("msdm", "num_train_epochs", 0),
        ("msdm", "token_length", 0),
        ("msdm", "vae_max_train_steps", 0),
        ("msdm", "validation_steps", 0),
        ("msdm", "snr_gamma", 0),
        ("msdm", "snr_gamma", -1),
        ("msdm", "seed", -1),
        ("flux", "lora_alpha", -3),
        ("flux", "rank", 0),
        ("kandinsky", "prior_max_train_steps", -1),
    ],
)
def test_a_number_that_can_t_be_is_refused_by_name(family, name, value):
    with pytest.raises(TrainingConfigError, match=rf"^{name} is .*needed\.$"):
        make_config(family, "small", {name: value})


def test_what_would_do_nothing_is_refused():
    with pytest.raises(TrainingConfigError, match="flow matching"):
        make_config("flux", "small", {"snr_gamma": 5})
    with pytest.raises(TrainingConfigError, match="give a rank too"):
        make_config("kandinsky", "small", {"rank": None, "lora_alpha": 4})


@pytest.mark.parametrize(
    ("family", "scheduler"),
    [("flux", "ddim"), ("kandinsky", "ddim"), ("stable_diffusion", "flow_match_euler")],
)
def test_a_scheduler_that_the_family_can_t_be_sampled_with_is_refused(family, scheduler):
    with pytest.raises(TrainingConfigError, match="can be sampled with"):
        make_config(family, "small", {"scheduler": scheduler})


@pytest.mark.parametrize("family", CONFIGS)
def test_configuration_and_sampler_know_the_same_schedulers(family):
    sampler = import_module(f"generation.engine.families.{family}").Sampler
    assert set(CONFIGS[family].schedulers) == set(sampler.schedulers)
