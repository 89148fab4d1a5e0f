"""MSDM: the autoencoder, then the U-Net (and a small text encoder, unless one is given)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from generation.engine.families.msdm import Sampler
from generation.engine.loading import CheckpointError, checkpoint_directory
from generation.engine.pipeline import token_ids
from generation.engine.spec import Card
from generation.training.config import MSDMConfig, TrainingConfigError
from generation.training.data import CentreViews, TrainingImage, centre_view
from generation.training.loop import Stage
from generation.training.text import build_text
from generation.training.trainer import Trainer, count, load_part
from generation.training.unet import Denoiser, DenoiserLoss, build_scheduler, build_unet
from generation.training.vae import Reconstruction, VaeLoss, build_vae, encode, whiten_colours

ENCODE_BATCH = 16


def train(images: Sequence[TrainingImage], *, config: MSDMConfig, output: Path, **options) -> Card:
    """Train an MSDM; see ``Trainer`` for the arguments and errors. Its card."""
    trainer = Trainer(images, config=config, output=output, **options)
    if trainer.finished:
        return trainer.finished
    config = trainer.config
    captions = [prompt for prompt in trainer.plan.prompts() if prompt]
    torch.manual_seed(config.seed + 1)
    tokenizer, text_encoder = build_text(config, captions)
    trainer.check_prompts(lambda prompt: token_ids(tokenizer, prompt))
    unet = build_unet(
        config,
        text_width=text_encoder.config.hidden_size,
        latent_size=config.resolution // config.factor,
    )
    if config.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    scheduler = build_scheduler(config)
    vae = _train_vae(trainer)
    text_encoder.to(trainer.device)

    def encode_views(pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"latents": encode(vae, pixels)}

    def preview() -> list:
        pipeline = _pipeline(vae, unet, text_encoder, tokenizer, scheduler)
        return trainer.preview(Sampler, config.token_length, pipeline=pipeline)

    trainer.stage(
        Stage(
            name="unet",
            model=Denoiser(unet, text_encoder),
            loss=DenoiserLoss(
                scheduler,
                tokenizer,
                trainer.draws("unet"),
                encode_views,
                functional.l1_loss,
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

    def save(directory: Path) -> None:
        dtype = getattr(torch, config.weights_dtype)
        for part in (vae, unet, text_encoder):
            # Module.to, as diffusers' own override warns of a cast even where nothing is lost
            torch.nn.Module.to(part, "cpu", dtype)
        pipeline = _pipeline(vae, unet, text_encoder, tokenizer, scheduler)
        pipeline.save_pretrained(directory, safe_serialization=True)

    return trainer.publish(
        save,
        parameters={
            "vae": count(vae),
            "unet": count(unet),
            "text_encoder": count(text_encoder),
        },
        token_length=config.token_length,
    )


def _pipeline(
    vae: AutoencoderKL,
    unet: torch.nn.Module,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scheduler: DDIMScheduler,
) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=vae,
        unet=unet,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _train_vae(trainer: Trainer[MSDMConfig]) -> AutoencoderKL:
    """The autoencoder, given or trained, frozen, with the scaling factor of these images."""
    config, plan, device = trainer.config, trainer.plan, trainer.device
    if config.vae:
        vae = _given_vae(config, config.vae)
        return vae.to(device, memory_format=torch.channels_last).requires_grad_(False).eval()
    torch.manual_seed(config.seed)
    vae = build_vae(config)
    some = [plan.images[plan.draw(n).index] for n in range(min(256, len(plan.images)))]
    views = [centre_view(image, config) for image in some]
    whiten_colours(vae, torch.stack(views))
    trainer.stage(
        Stage(
            name="vae",
            model=Reconstruction(vae),
            loss=VaeLoss(config, trainer.draws("vae", config.vae_train_batch_size), device),
            samples=CentreViews(plan),
            batch_size=config.vae_train_batch_size,
            learning_rate=config.vae_learning_rate,
            total=config.vae_max_train_steps,
        )
    )
    vae.requires_grad_(False)
    vae.register_to_config(scaling_factor=1.0)
    vae.register_to_config(scaling_factor=1 / float(_encoded(vae, views).std()))
    return vae


def _given_vae(config: MSDMConfig, source: str) -> AutoencoderKL:
    """The autoencoder in ``source``, in float32.

    Raises CheckpointError where there is none, TrainingConfigError for one of another shape.
    """
    try:
        vae = load_part(AutoencoderKL, checkpoint_directory(source))
    except CheckpointError as error:
        raise CheckpointError(
            f"vae is {source}, which is no autoencoder: {error} Give the directory that holds "
            "an AutoencoderKL's config.json and safetensors (of a whole pipeline its folder vae), "
            "or leave the setting out to have one trained."
        ) from error
    has = {
        "vae_latent_channels": vae.config.latent_channels,
        "vae_block_out_channels": tuple(vae.config.block_out_channels),
    }
    levels = len(has["vae_block_out_channels"])
    if (
        has["vae_latent_channels"] != config.vae_latent_channels
        or 2 ** (levels - 1) != config.factor
    ):
        wanted = "; ".join(f"{name} = {value}" for name, value in has.items())
        raise TrainingConfigError(
            f"The autoencoder {source} has other latents than the configuration says; set {wanted}."
        )
    return vae


def _encoded(vae: AutoencoderKL, views: Iterable[torch.Tensor]) -> torch.Tensor:
    views = list(views)
    batches = (views[i : i + ENCODE_BATCH] for i in range(0, len(views), ENCODE_BATCH))
    return torch.cat([encode(vae, torch.stack(batch)).cpu() for batch in batches])
