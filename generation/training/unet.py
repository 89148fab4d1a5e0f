"""The denoiser: a U-Net with cross-attention to the prompt, trained on scaled latents.

Noise prediction (ε; v on request), L1 loss, T = 1000, betas ``scaled_linear`` 0.002 → 0.02. The
prompt's tokens are attended to and, pooled, added to the time embedding; a dropped prompt is the
empty one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from generation.engine.msdm import prompt_ids
from generation.training.config import TrainingConfig


def build_scheduler(config: TrainingConfig) -> DDIMScheduler:
    return DDIMScheduler(
        prediction_type=config.prediction_type,
        beta_start=0.002,
        beta_end=0.02,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,  # StableDiffusionPipeline insists; without effect in linspace
        timestep_spacing="linspace",  # "leading" would start at t = 895
    )


def build_unet(
    config: TrainingConfig, *, text_width: int, latent_size: int
) -> UNet2DConditionModel:
    """A new U-Net with the global generator's random weights."""
    attends = config.unet_cross_attention
    return UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=config.vae_latent_channels,
        out_channels=config.vae_latent_channels,
        down_block_types=tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        block_out_channels=config.unet_block_out_channels,
        layers_per_block=config.unet_layers_per_block,
        attention_head_dim=config.attention_heads,  # diffusers' name for the number of heads
        dropout=config.dropout,
        cross_attention_dim=text_width,
        addition_embed_type="text",
        addition_embed_type_num_heads=min(64, text_width // 8),
    )


class Denoiser(torch.nn.Module):
    """U-Net and text encoder as one module, so that both are trained, wrapped and averaged."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, ids: torch.Tensor
    ) -> torch.Tensor:
        return self.unet(latents, timesteps, self.text_encoder(ids)[0]).sample


class DenoiserLoss:
    """``loss(model, (latents or images, prompts))``; images are encoded by ``encode``."""

    def __init__(
        self,
        scheduler: DDIMScheduler,
        tokenizer: CLIPTokenizer,
        device: torch.device,
        encode: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        self.scheduler, self.tokenizer = scheduler, tokenizer
        self.device, self.encode = device, encode

    def __call__(
        self, model: torch.nn.Module, batch: tuple[torch.Tensor, list[str]]
    ) -> torch.Tensor:
        values, prompts = batch
        latents = (self.encode(values) if self.encode else values).to(self.device)
        ids = torch.cat([prompt_ids(self.tokenizer, prompt) for prompt in prompts])
        count, total = len(latents), self.scheduler.config.num_train_timesteps
        # One timestep in each of ``count`` equal parts: uniform, with less spread than chance.
        timesteps = ((torch.arange(count) + torch.rand(count)) * (total / count)).long()
        timesteps = timesteps.to(self.device)
        noise = torch.randn(latents.shape).to(self.device)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        target = noise
        if self.scheduler.config.prediction_type == "v_prediction":
            target = self.scheduler.get_velocity(latents, noise, timesteps)
        return functional.l1_loss(model(noisy, timesteps, ids.to(self.device)), target)
