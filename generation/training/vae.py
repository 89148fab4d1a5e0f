"""The autoencoder: ``factor`` times fewer pixels a side, ``latent_channels`` numbers at each place.

Loss: MSE + (1 − SSIM) at full and half resolution + 1e-6·KL, and LPIPS-VGG as published when
``lpips_weights`` names a local file with its weights (they are on the web only); no adversary.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from generation.training.config import MSDMConfig
from generation.training.draws import Draws
from generation.training.loop import Batch
from generation.training.lpips import LPIPS

KL_WEIGHT = 1e-6


def build_vae(config: MSDMConfig) -> AutoencoderKL:
    """A new autoencoder with the global generator's random weights."""
    levels = len(config.vae_block_out_channels)
    return AutoencoderKL(
        sample_size=config.resolution,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=config.vae_block_out_channels,
        layers_per_block=config.vae_layers_per_block,
        latent_channels=config.vae_latent_channels,
        norm_num_groups=config.vae_norm_num_groups,
        mid_block_add_attention=False,
    )


@torch.no_grad()
def whiten_colours(vae: AutoencoderKL, images: torch.Tensor) -> None:
    """Let a new autoencoder begin with the colours of ``images`` (n, 3, size, size) whitened.

    Hue varies far less than brightness in endoscopy and is learnt as much later; folding the
    whitening into the first weights, and its inverse into the last, makes them equals.
    """
    colours = images.permute(1, 0, 2, 3).flatten(1).double()
    mean = colours.mean(1)
    variances, axes = torch.linalg.eigh(torch.cov(colours) + 1e-4 * torch.eye(3))
    whiten = (axes / variances.sqrt() @ axes.T).float()
    restore, mean = (axes * variances.sqrt() @ axes.T).float(), mean.float()
    first, last = vae.encoder.conv_in, vae.decoder.conv_out
    first.weight.copy_(torch.einsum("oikl,ij->ojkl", first.weight, whiten))
    first.bias.sub_(torch.einsum("ojkl,j->o", first.weight, mean))
    last.weight.copy_(torch.einsum("jo,oikl->jikl", restore, last.weight))
    last.bias.copy_(restore @ last.bias + mean)


class VaeLoss:
    """``loss(model, batch)`` of a `Reconstruction` with "pixels" in [-1, 1]."""

    def __init__(self, config: MSDMConfig, draws: Draws, device: torch.device) -> None:
        weights, side = config.lpips_weights, config.resolution // config.factor
        self.lpips = LPIPS.from_file(weights).to(device) if weights else None
        self.mse_weight, self.draws = config.mse_weight, draws
        self.shape = (config.vae_latent_channels, side, side)

    def __call__(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        images = batch.values["pixels"].to(memory_format=torch.channels_last)
        noise = self.draws.normal_of(batch.numbers, self.shape).to(images.device)
        output, kl = model(images, noise)
        half, half_images = functional.avg_pool2d(output, 2), functional.avg_pool2d(images, 2)
        loss = 2 - ssim(output, images) - ssim(half, half_images)
        error = functional.mse_loss(output, images) + functional.mse_loss(half, half_images)
        loss = loss + self.mse_weight * error
        if self.lpips:
            loss = loss + self.lpips(output, images)
        return loss + KL_WEIGHT * kl


class Reconstruction(torch.nn.Module):
    """An autoencoder whose forward gives what the loss needs (and so works under DDP).

    Images and the posterior's standard normal noise to reconstructions and the mean divergence.
    """

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(
        self, images: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        posterior = self.vae.encode(images).latent_dist
        output = self.vae.decode(posterior.mean + posterior.std * noise).sample
        return output, posterior.kl().mean()


def ssim(a: torch.Tensor, b: torch.Tensor, window: int = 7) -> torch.Tensor:
    """Mean structural similarity of images in [-1, 1] (Wang et al. 2004, uniform window)."""

    def blur(x: torch.Tensor) -> torch.Tensor:
        rows = functional.avg_pool2d(x, (1, window), stride=1)
        return functional.avg_pool2d(rows, (window, 1), stride=1)

    # contiguous: pooling three channels_last channels is slow on a CPU
    a, b = ((x.float().contiguous() + 1) / 2 for x in (a, b))
    mean_a, mean_b = blur(a), blur(b)
    variance_a, variance_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))).mean()


@torch.inference_mode()
def encode(vae: AutoencoderKL, images: torch.Tensor) -> torch.Tensor:
    """Scaled latents (batch, channels, size/factor, size/factor): the posterior's mode."""
    images = images.to(vae.device, memory_format=torch.channels_last)
    return vae.encode(images).latent_dist.mode() * vae.config.scaling_factor
