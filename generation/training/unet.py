"""The denoiser: a U-Net with cross-attention to the prompt, trained on scaled latents.

Noise prediction (ε; v on request), L1 loss, T = 1000, betas ``scaled_linear`` 0.002 → 0.02. The
prompt's tokens are attended to and, pooled, added to the time embedding; a dropped prompt is the
empty one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import DDIMScheduler, SchedulerMixin, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from generation.engine.pipeline import token_ids
from generation.training.cache import Tensors
from generation.training.config import MSDMConfig
from generation.training.diffusion import noised
from generation.training.draws import Draws
from generation.training.loop import Batch


def build_scheduler(config: MSDMConfig) -> DDIMScheduler:
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


def build_unet(config: MSDMConfig, *, text_width: int, latent_size: int) -> UNet2DConditionModel:
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
    """``loss(model, batch)`` with "latents", or "pixels" that ``encode`` makes latents of."""

    def __init__(
        self,
        scheduler: SchedulerMixin,
        tokenizer: CLIPTokenizer,
        draws: Draws,
        encode: Callable[[torch.Tensor], Tensors],
        distance: Callable[..., torch.Tensor],
        snr_gamma: float | None,
    ) -> None:
        self.scheduler, self.tokenizer, self.draws = scheduler, tokenizer, draws
        self.encode, self.distance, self.snr_gamma = encode, distance, snr_gamma

    def __call__(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        values = batch.values if "latents" in batch.values else self.encode(batch.values["pixels"])
        ids = torch.cat([token_ids(self.tokenizer, prompt) for prompt in batch.prompts])
        noising = noised(values["latents"], batch.numbers, self.draws, self.scheduler)
        output = model(noising.noisy, noising.timesteps, ids.to(noising.noisy.device))
        return noising.loss(output, self.distance, self.snr_gamma)
