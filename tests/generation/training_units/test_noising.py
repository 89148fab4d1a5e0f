"""Noising, targets and min-SNR weights against diffusers' own schedulers and formulas."""

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.training_utils import compute_snr
from torch.nn import functional

from generation.training.diffusion import min_snr_weights, noised
from generation.training.draws import Draws
from generation.training.presets import make_config
from generation.training.unet import build_scheduler

TYPES = ("epsilon", "sample", "v_prediction")
GAMMA = 5.0
SCHEDULERS = {
    "MSDM's": build_scheduler(make_config("msdm", "paper")).config,
    "Stable Diffusion's": {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
    },
    "Kandinsky's prior's": {"beta_schedule": "squaredcos_cap_v2"},
    "Kandinsky's decoder's": {"beta_start": 0.00085, "beta_end": 0.012},
}


@pytest.fixture(params=SCHEDULERS)
def config(request):
    return SCHEDULERS[request.param]


def scheduler_of(config, prediction_type, kind=DDPMScheduler):
    return kind.from_config({**config, "prediction_type": prediction_type})


def many(scheduler, shape=(3, 4, 4), count=64):
    """``count`` samples at timesteps that are spread over the whole schedule, and the noise."""
    draws, numbers = Draws(0, "unet", count), torch.arange(count)
    clean = torch.randn(count, *shape, generator=torch.Generator().manual_seed(1)) * 0.7
    return clean, draws.normal(numbers, clean), noised(clean, numbers, draws, scheduler)


@pytest.mark.parametrize("prediction_type", TYPES)
@pytest.mark.parametrize("shape", [(3, 4, 4), (16,)])
def test_noise_is_added_as_the_scheduler_adds_it(config, prediction_type, shape):
    scheduler = scheduler_of(config, prediction_type)
    clean, noise, noising = many(scheduler, shape)
    theirs = scheduler.add_noise(clean, noise, noising.timesteps)
    torch.testing.assert_close(noising.noisy, theirs)


def test_the_target_is_that_of_diffusers_training_scripts(config):
    for prediction_type in TYPES:
        scheduler = scheduler_of(config, prediction_type)
        clean, noise, noising = many(scheduler)
        theirs = {
            "epsilon": noise,
            "sample": clean,
            "v_prediction": scheduler.get_velocity(clean, noise, noising.timesteps),
        }
        torch.testing.assert_close(noising.target, theirs[prediction_type])


@pytest.mark.parametrize("prediction_type", TYPES)
@pytest.mark.parametrize("name", ["MSDM's", "Stable Diffusion's", "Kandinsky's decoder's"])
def test_who_says_the_target_gives_the_clean_image_back_when_sampling(name, prediction_type):
    scheduler = scheduler_of(SCHEDULERS[name], prediction_type, DDIMScheduler)
    scheduler.register_to_config(clip_sample=False)
    scheduler.set_timesteps(1000)
    clean, _, noising = many(scheduler)
    for n in range(0, len(clean), 7):
        found = scheduler.step(noising.target[n], noising.timesteps[n], noising.noisy[n])
        torch.testing.assert_close(found.pred_original_sample, clean[n], atol=2e-3, rtol=1e-3)


def test_timesteps_reach_from_the_first_to_the_last(config):
    scheduler = scheduler_of(config, "epsilon")
    _, _, noising = many(scheduler)
    assert noising.timesteps.dtype == torch.long
    assert noising.timesteps.min() < 1000 / 64
    assert 1000 - 1000 / 64 <= noising.timesteps.max() < 1000


def test_the_signal_to_noise_ratio_is_diffusers(config):
    scheduler = scheduler_of(config, "epsilon")
    _, _, noising = many(scheduler)
    torch.testing.assert_close(noising.snr, compute_snr(scheduler, noising.timesteps))


def test_min_snr_weights_are_those_of_diffusers_training_scripts(config):
    """train_text_to_image.py, and Hang et al.'s own for a clean target."""
    scheduler = scheduler_of(config, "epsilon")
    snr = compute_snr(scheduler, torch.arange(1000))
    least = torch.stack([snr, GAMMA * torch.ones_like(snr)], dim=1).min(dim=1)[0]
    theirs = {"sample": least, "epsilon": least / snr, "v_prediction": least / (snr + 1)}
    for prediction_type in TYPES:
        ours = min_snr_weights(snr, GAMMA, prediction_type)
        torch.testing.assert_close(ours, theirs[prediction_type])


@pytest.mark.parametrize(
    ("snr", "prediction_type", "weight"),
    [
        (2.0, "sample", 2.0),
        (20.0, "sample", 5.0),
        (2.0, "epsilon", 1.0),
        (20.0, "epsilon", 0.25),
        (4.0, "v_prediction", 0.8),
        (24.0, "v_prediction", 0.2),
    ],
)
def test_a_min_snr_weight_worked_out_by_hand(snr, prediction_type, weight):
    assert min_snr_weights(torch.tensor([snr]), GAMMA, prediction_type).item() == pytest.approx(
        weight
    )


def test_all_weighted_targets_ask_for_the_same_of_a_model(config):
    """The same error in the clean image costs the same, whichever target the model predicts."""
    costs = []
    for prediction_type in TYPES:
        scheduler = scheduler_of(config, prediction_type)
        clean, _, noising = many(scheduler)
        alpha = scheduler.alphas_cumprod[noising.timesteps].view(-1, 1, 1, 1)
        wrong = clean + 0.1
        noise = (noising.noisy - alpha.sqrt() * wrong) / (1 - alpha).sqrt()
        said = {
            "sample": wrong,
            "epsilon": noise,
            "v_prediction": alpha.sqrt() * noise - (1 - alpha).sqrt() * wrong,
        }[prediction_type]
        costs.append(noising.loss(said, functional.mse_loss, GAMMA).item())
    assert costs == pytest.approx([costs[0]] * 3, rel=1e-2)


def test_the_weighted_loss_is_the_mean_over_samples_of_weight_times_distance(config):
    scheduler = scheduler_of(config, "epsilon")
    _, _, noising = many(scheduler, count=4)
    output = torch.zeros_like(noising.target)
    weights = min_snr_weights(noising.snr, GAMMA, "epsilon")
    each = torch.stack([target.square().mean() for target in noising.target])
    expected = (weights * each).mean()
    torch.testing.assert_close(noising.loss(output, functional.mse_loss, GAMMA), expected)
    plain = noising.loss(output, functional.mse_loss)
    torch.testing.assert_close(plain, noising.target.square().mean())
