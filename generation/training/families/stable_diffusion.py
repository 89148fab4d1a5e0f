"""MediSyn: Stable Diffusion's U-Net and text encoder, all their weights; the autoencoder as it is.

As published: Stable Diffusion 1.4, 15 epochs, batch 128, learning rate 5e-5, bf16.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline
from torch.nn import functional

from generation.engine.families.stable_diffusion import Sampler
from generation.engine.pipeline import token_ids
from generation.engine.spec import Card
from generation.training.config import StableDiffusionConfig
from generation.training.data import TrainingImage
from generation.training.loop import Stage
from generation.training.trainer import Trainer, base_of, count, load_base
from generation.training.unet import Denoiser, DenoiserLoss
from generation.training.vae import encode


def train(
    images: Sequence[TrainingImage], *, config: StableDiffusionConfig, output: Path, **options
) -> Card:
    """Fine-tune Stable Diffusion; see ``Trainer`` for the arguments and errors. Its card."""
    trainer = Trainer(images, config=config, output=output, **options)
    if trainer.finished:
        return trainer.finished
    config = trainer.config
    directory, _ = base_of(config.pretrained_model_name_or_path, config.revision)
    pipeline = load_base(
        StableDiffusionPipeline, directory, safety_checker=None, requires_safety_checker=False
    )
    trainer.check_prompts(lambda prompt: token_ids(pipeline.tokenizer, prompt))
    vae, unet, text_encoder = pipeline.vae, pipeline.unet, pipeline.text_encoder
    vae.requires_grad_(False).eval().to(trainer.device, memory_format=torch.channels_last)
    unet.requires_grad_(True)
    text_encoder.requires_grad_(True).to(trainer.device)
    if config.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
        text_encoder.gradient_checkpointing_enable()

    def encode_views(pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"latents": encode(vae, pixels)}

    def preview() -> list:
        drawn = StableDiffusionPipeline(**pipeline.components, requires_safety_checker=False)
        return trainer.preview(Sampler, pipeline.tokenizer.model_max_length, pipeline=drawn)

    trainer.stage(
        Stage(
            name="unet",
            model=Denoiser(unet, text_encoder),
            loss=DenoiserLoss(
                DDPMScheduler.from_config(pipeline.scheduler.config),
                pipeline.tokenizer,
                trainer.draws("unet"),
                encode_views,
                functional.mse_loss,
                config.snr_gamma,
            ),
            samples=trainer.samples(encode_views),
            batch_size=config.train_batch_size,
            learning_rate=config.learning_rate,
            total=config.max_train_steps,
            use_ema=config.use_ema,
            preview=preview if config.validation_prompts else None,
        )
    )

    def save(to: Path) -> None:
        for part in (vae, unet, text_encoder):
            torch.nn.Module.to(part, "cpu", getattr(torch, config.weights_dtype))
        pipeline.save_pretrained(to, safe_serialization=True)

    return trainer.publish(
        save,
        parameters={
            "vae": count(vae),
            "unet": count(unet),
            "text_encoder": count(text_encoder),
        },
        token_length=pipeline.tokenizer.model_max_length,
    )
