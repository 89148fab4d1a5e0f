"""Noising for discrete-time diffusion: targets, timesteps, min-SNR weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import SchedulerMixin

from generation.training.draws import Draws


@dataclass(frozen=True)
class Noising:
    """Clean values made noisy at ``timesteps``, and what the model shall say of them."""

    noisy: torch.Tensor
    timesteps: torch.Tensor
    target: torch.Tensor
    snr: torch.Tensor
    prediction_type: str

    def loss(
        self,
        output: torch.Tensor,
        distance: Callable[..., torch.Tensor],
        snr_gamma: float | None = None,
    ) -> torch.Tensor:
        """Mean distance (a functional loss of torch), weighted by min-SNR where asked for."""
        if snr_gamma is None:
            return distance(output.float(), self.target)
        each = distance(output.float(), self.target, reduction="none").flatten(1).mean(1)
        return (each * min_snr_weights(self.snr, snr_gamma, self.prediction_type)).mean()


def min_snr_weights(snr: torch.Tensor, gamma: float, prediction_type: str) -> torch.Tensor:
    """min(SNR, γ) for a clean target, over SNR for ε, over SNR + 1 for v (Hang et al. 2023)."""
    least = snr.clamp(max=gamma)
    divisor = {"sample": torch.ones_like(snr), "epsilon": snr, "v_prediction": snr + 1}
    return least / divisor[prediction_type]


def noised(
    clean: torch.Tensor, numbers: torch.Tensor, draws: Draws, scheduler: SchedulerMixin
) -> Noising:
    """``clean`` (samples first) noised at a timestep of each sample's own."""
    config = scheduler.config
    timesteps = (draws.uniform(numbers) * config.num_train_timesteps).long().to(clean.device)
    clean = clean.float()
    noise = draws.normal(numbers, clean)
    alphas = scheduler.alphas_cumprod.to(clean.device)[timesteps].float()
    root, rest = (a.view(-1, *[1] * (clean.ndim - 1)) for a in (alphas.sqrt(), (1 - alphas).sqrt()))
    target = {
        "epsilon": noise,
        "sample": clean,
        "v_prediction": root * noise - rest * clean,
    }[config.prediction_type]
    return Noising(
        noisy=root * clean + rest * noise,
        timesteps=timesteps,
        target=target,
        snr=alphas / (1 - alphas),
        prediction_type=config.prediction_type,
    )
