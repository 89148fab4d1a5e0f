"""FLUX.1: its transformer by flow matching, as a LoRA or with all weights.

Target noise − latents at a logit-normal noise level (Esser et al. 2024, arXiv 2403.03206), the
guidance embedding passed in, T5's tokens of the same length as in sampling. Text encoders and
autoencoder stay as they are; embeddings are computed once and the text encoders let go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FluxPipeline, FluxTransformer2DModel
from torch.nn import functional

from generation.engine.families.flux import Sampler, encode_prompt
from generation.engine.pipeline import token_ids
from generation.engine.spec import Card
from generation.training.cache import TensorCache, Tensors
from generation.training.config import FluxConfig
from generation.training.data import TrainingImage
from generation.training.draws import Draws
from generation.training.loop import Batch, Stage
from generation.training.lora import (
    LORA_TARGETS,
    lora_card,
    lora_parameters,
    save_lora,
    train_part,
)
from generation.training.trainer import Trainer, base_of, count, load_base, load_part, stack

TARGETS = LORA_TARGETS["flux"]


def train(images: Sequence[TrainingImage], *, config: FluxConfig, output: Path, **options) -> Card:
    """Train FLUX's transformer; see ``Trainer`` for the arguments and errors. Its card."""
    trainer = Trainer(images, config=config, output=output, **options)
    if trainer.finished:
        return trainer.finished
    config = trainer.config
    directory, base = base_of(config.pretrained_model_name_or_path, config.revision)
    texts, text_parameters = _embed_texts(trainer, directory)
    vae = load_part(AutoencoderKL, directory, "vae")
    vae.requires_grad_(False).eval().to(trainer.device)
    transformer = load_part(
        FluxTransformer2DModel, directory, "transformer", dtype=trainer.frozen_dtype
    )
    total = count(transformer)
    train_part(
        transformer,
        targets=TARGETS["transformer"],
        rank=config.rank,
        alpha=config.lora_alpha,
        seed=config.seed,
        frozen_dtype=trainer.frozen_dtype,
    )
    if config.gradient_checkpointing:
        transformer.enable_gradient_checkpointing()

    def encode_views(pixels: torch.Tensor) -> Tensors:
        return {"latents": _encode(vae, pixels)}

    def preview() -> list:
        pipeline = _pipeline(directory, transformer=transformer, vae=vae)
        return trainer.preview(_Embedded.with_texts(texts), config.token_length, pipeline=pipeline)

    trainer.stage(
        Stage(
            name="transformer",
            model=transformer,
            loss=FlowLoss(config, texts, trainer.draws("transformer"), encode_views),
            samples=trainer.samples(encode_views),
            batch_size=config.train_batch_size,
            learning_rate=config.learning_rate,
            total=config.max_train_steps,
            use_ema=config.use_ema,
            preview=preview if config.validation_prompts else None,
        )
    )
    dtype = getattr(torch, config.weights_dtype)
    parameters = {"transformer": total, "vae": count(vae), **text_parameters}
    if config.rank is not None:
        return trainer.publish(
            lambda to: save_lora(transformer, to / "transformer", dtype),
            parameters={**parameters, "lora": lora_parameters(transformer)},
            token_length=config.token_length,
            base={"pipeline": base},
            lora=lora_card(config.rank, config.lora_alpha, TARGETS),
        )

    def save(to: Path) -> None:
        pipeline = load_base(FluxPipeline, directory, transformer=transformer.cpu(), vae=vae.cpu())
        for part in (transformer, vae, pipeline.text_encoder, pipeline.text_encoder_2):
            torch.nn.Module.to(part, dtype)
        pipeline.save_pretrained(to, safe_serialization=True)

    return trainer.publish(save, parameters=parameters, token_length=config.token_length)


class FlowLoss:
    """``loss(model, batch)`` with "latents" (n, channels, height, width), or "pixels"."""

    def __init__(
        self,
        config: FluxConfig,
        texts: TensorCache,
        draws: Draws,
        encode: Callable[[torch.Tensor], Tensors],
    ) -> None:
        self.config, self.texts, self.draws, self.encode = config, texts, draws, encode

    def __call__(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        values = batch.values if "latents" in batch.values else self.encode(batch.values["pixels"])
        latents = values["latents"].float()
        count, channels, height, width = latents.shape
        noise = self.draws.normal(batch.numbers, latents)
        uniform = self.draws.uniform(batch.numbers).clamp(1e-4, 1 - 1e-4)
        level = torch.special.ndtri(uniform).sigmoid().to(latents.device)
        share = level.view(-1, 1, 1, 1)

        def packed(tensor: torch.Tensor) -> torch.Tensor:
            return FluxPipeline._pack_latents(tensor, count, channels, height, width)

        text = stack(self.texts, batch.prompts, latents.device)
        places = FluxPipeline._prepare_latent_image_ids(
            count, height // 2, width // 2, latents.device, latents.dtype
        )
        output = model(
            hidden_states=packed((1 - share) * latents + share * noise),
            timestep=level,
            guidance=torch.full_like(level, self.config.guidance_scale),
            pooled_projections=text["pooled"],
            encoder_hidden_states=text["tokens"],
            txt_ids=torch.zeros(text["tokens"].shape[1], 3, device=latents.device),
            img_ids=places,
            return_dict=False,
        )[0]
        return functional.mse_loss(output.float(), packed(noise - latents))


class _Embedded(Sampler):
    """Samples with embeddings that were computed before, without the text encoders."""

    texts: TensorCache

    @classmethod
    def with_texts(cls, texts: TensorCache) -> type[_Embedded]:
        return type("Embedded", (cls,), {"texts": texts})

    def _encode(self, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        text = stack(self.texts, [prompt], self.device)
        return text["tokens"], text["pooled"]


def _embed_texts(
    trainer: Trainer[FluxConfig], directory: Path
) -> tuple[TensorCache, dict[str, int]]:
    """Embeddings of all prompts, and the text encoders' sizes; the encoders are let go."""
    pipeline = _pipeline(
        directory, dtype=trainer.frozen_dtype, vae=None, transformer=None, text=True
    )
    length = trainer.config.token_length
    trainer.check_prompts(lambda prompt: token_ids(pipeline.tokenizer_2, prompt, length))
    pipeline.to(trainer.device)

    def embed(prompt: str) -> Tensors:
        tokens, pooled = encode_prompt(pipeline, prompt, length)
        return {"tokens": tokens[0], "pooled": pooled[0]}

    texts = trainer.texts(embed)
    names = ("text_encoder", "text_encoder_2")
    return texts, {name: count(getattr(pipeline, name)) for name in names}


def _pipeline(directory: Path, *, text: bool = False, **parts) -> FluxPipeline:
    """The base's pipeline with some parts given, and without its text encoders unless asked."""
    if not text:
        names = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
        parts |= dict.fromkeys(names)
    return load_base(FluxPipeline, directory, **parts)


@torch.inference_mode()
def _encode(vae: AutoencoderKL, images: torch.Tensor) -> torch.Tensor:
    """Latents (n, channels, height, width) as FLUX has them: shifted and scaled modes."""
    latents = vae.encode(images.to(vae.device, vae.dtype)).latent_dist.mode()
    return (latents - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor
