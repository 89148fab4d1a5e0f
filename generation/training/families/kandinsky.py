"""Kandinsky 2.2: the prior, then the decoder, each as a LoRA or with all weights.

The prior learns CLIP image embeddings from prompts: clean target, squared-cosine schedule. The
decoder learns latents of the MoVQ autoencoder from those embeddings: ε, its own linear schedule.
Both weigh timesteps by min-SNR (γ = 5), each as its target asks for. Text and image encoder and
autoencoder stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from diffusers import DDPMScheduler, KandinskyV22Pipeline, KandinskyV22PriorPipeline
from torch.nn import functional
from transformers import CLIPVisionModelWithProjection

from generation.engine.families.kandinsky import Sampler
from generation.engine.pipeline import token_ids
from generation.engine.spec import Card
from generation.training.cache import TensorCache, Tensors
from generation.training.config import KandinskyConfig
from generation.training.data import TrainingImage
from generation.training.diffusion import noised
from generation.training.draws import Draws
from generation.training.loop import Batch, Stage
from generation.training.lora import (
    LORA_TARGETS,
    lora_card,
    lora_parameters,
    save_lora,
    train_part,
)
from generation.training.trainer import Trainer, base_of, count, load_base, stack

TARGETS = LORA_TARGETS["kandinsky"]
# CLIP's own, for pixels in [0, 1]
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
Encode = Callable[[torch.Tensor], Tensors]


def train(
    images: Sequence[TrainingImage], *, config: KandinskyConfig, output: Path, **options
) -> Card:
    """Train prior and decoder; see ``Trainer`` for the arguments and errors. Its card."""
    trainer = Trainer(images, config=config, output=output, **options)
    if trainer.finished:
        return trainer.finished
    config, work = trainer.config, _Kandinsky(trainer)
    trainer.check_prompts(lambda prompt: token_ids(work.prior.tokenizer, prompt))
    samples = trainer.samples(work.encode)
    if config.rank is None and config.cache_latents:
        _set_statistics(work.models["prior"], samples)
    for name, model in work.models.items():
        train_part(
            model,
            targets=TARGETS[name],
            rank=config.rank,
            alpha=config.lora_alpha,
            seed=config.seed,
            frozen_dtype=trainer.frozen_dtype,
        )
        if not (total := config.stages()[name]):
            continue
        trainer.stage(
            Stage(
                name=name,
                model=model,
                loss=work.loss(name),
                samples=samples,
                batch_size=config.train_batch_size,
                learning_rate=config.learning_rate,
                total=total,
                use_ema=config.use_ema,
                preview=work.preview if config.validation_prompts else None,
            )
        )
    return work.publish()


class _Kandinsky:
    """Both pipelines of the base while they are trained."""

    def __init__(self, trainer: Trainer[KandinskyConfig]) -> None:
        self.trainer, config = trainer, trainer.config
        prior_directory, prior_base = base_of(
            config.pretrained_prior_model_name_or_path, config.prior_revision
        )
        decoder_directory, decoder_base = base_of(
            config.pretrained_model_name_or_path, config.revision
        )
        self.base = {"prior": prior_base, "decoder": decoder_base}
        self.prior = load_base(KandinskyV22PriorPipeline, prior_directory).to(trainer.device)
        self.decoder = load_base(KandinskyV22Pipeline, decoder_directory).to(trainer.device)
        self.models = {"prior": self.prior.prior, "decoder": self.decoder.unet}
        self.frozen = {
            "text_encoder": self.prior.text_encoder,
            "image_encoder": self.prior.image_encoder,
            "movq": self.decoder.movq,
        }
        for part in self.frozen.values():
            part.requires_grad_(False).eval()
        parts = {**self.models, **self.frozen}
        self.parameters = {name: count(part) for name, part in parts.items()}

    @torch.inference_mode()
    def encode(self, pixels: torch.Tensor) -> Tensors:
        return {
            "image_embeds": image_embeddings(self.prior.image_encoder, pixels),
            "latents": self.decoder.movq.encode(pixels.to(self.trainer.device)).latents,
        }

    def loss(self, name: str) -> PriorLoss | DecoderLoss:
        config, draws = self.trainer.config, self.trainer.draws(name)
        if name == "prior":
            # statistics of the embeddings, not learnt
            self.prior.prior.clip_mean.requires_grad_(False)
            self.prior.prior.clip_std.requires_grad_(False)
            return PriorLoss(config, _embed_texts(self.trainer, self.prior), draws, self.encode)
        if config.gradient_checkpointing:
            self.decoder.unet.enable_gradient_checkpointing()
        scheduler = DDPMScheduler.from_config(self.decoder.scheduler.config)
        nothing = self.prior.get_zero_embed(device=self.trainer.device).detach()
        return DecoderLoss(config, scheduler, nothing, draws, self.encode)

    def preview(self) -> list:
        length = self.prior.tokenizer.model_max_length
        return self.trainer.preview(Sampler, length, prior=self.prior, decoder=self.decoder)

    def publish(self) -> Card:
        config, length = self.trainer.config, self.prior.tokenizer.model_max_length
        if config.rank is None:
            return self.trainer.publish(self._save, parameters=self.parameters, token_length=length)
        added = sum(lora_parameters(model) for model in self.models.values())
        return self.trainer.publish(
            self._save_loras,
            parameters={**self.parameters, "lora": added},
            token_length=length,
            base=self.base,
            lora=lora_card(config.rank, config.lora_alpha, TARGETS),
        )

    def _save_loras(self, to: Path) -> None:
        for name, model in self.models.items():
            save_lora(model, to / name, getattr(torch, self.trainer.config.weights_dtype))

    def _save(self, to: Path) -> None:
        for part in (*self.models.values(), *self.frozen.values()):
            torch.nn.Module.to(part, "cpu", getattr(torch, self.trainer.config.weights_dtype))
        self.prior.tokenizer.backend_tokenizer.no_padding()  # else as it was last called
        self.prior.save_pretrained(to / "prior", safe_serialization=True)
        self.decoder.save_pretrained(to / "decoder", safe_serialization=True)


class PriorLoss:
    """``loss(model, batch)`` with "image_embeds" (n, width), or "pixels"."""

    def __init__(
        self, config: KandinskyConfig, texts: TensorCache, draws: Draws, encode: Encode
    ) -> None:
        self.config, self.texts, self.draws, self.encode = config, texts, draws, encode
        self.scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="sample")

    def __call__(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        values = batch.values if "latents" in batch.values else self.encode(batch.values["pixels"])
        embeds = values["image_embeds"].float()
        prior = getattr(model, "module", model)  # within DDP
        clean = (embeds - prior.clip_mean) / prior.clip_std
        text = stack(self.texts, batch.prompts, clean.device)
        noising = noised(clean, batch.numbers, self.draws, self.scheduler)
        output = model(
            noising.noisy,
            timestep=noising.timesteps,
            proj_embedding=text["pooled"],
            encoder_hidden_states=text["tokens"],
            attention_mask=text["mask"],
        ).predicted_image_embedding
        return noising.loss(output, functional.mse_loss, self.config.snr_gamma)


class DecoderLoss:
    """``loss(model, batch)`` with "latents" and "image_embeds", or "pixels".

    A dropped prompt is the embedding of a black image, as in sampling. The U-Net's second half of
    channels, the variance, is not trained.
    """

    def __init__(
        self,
        config: KandinskyConfig,
        scheduler: DDPMScheduler,
        nothing: torch.Tensor,
        draws: Draws,
        encode: Encode,
    ) -> None:
        self.config, self.scheduler, self.nothing = config, scheduler, nothing
        self.draws, self.encode = draws, encode

    def __call__(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        values = batch.values if "latents" in batch.values else self.encode(batch.values["pixels"])
        latents = values["latents"].float()
        dropped = torch.tensor([[prompt == ""] for prompt in batch.prompts], device=latents.device)
        embeds = torch.where(dropped, self.nothing, values["image_embeds"])
        noising = noised(latents, batch.numbers, self.draws, self.scheduler)
        output = model(
            noising.noisy, noising.timesteps, None, added_cond_kwargs={"image_embeds": embeds}
        ).sample
        return noising.loss(
            output[:, : latents.shape[1]], functional.mse_loss, self.config.snr_gamma
        )


def image_embeddings(encoder: CLIPVisionModelWithProjection, pixels: torch.Tensor) -> torch.Tensor:
    """CLIP embeddings (n, width) of views (n, 3, size, size) in [-1, 1]."""
    pixels = pixels.to(encoder.device)
    mean, std = (pixels.new_tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    size = encoder.config.image_size
    scaled = functional.interpolate(pixels, (size, size), mode="bicubic", antialias=True)
    return encoder((scaled.clamp(-1, 1) / 2 + 0.5 - mean) / std).image_embeds


def _embed_texts(
    trainer: Trainer[KandinskyConfig], pipeline: KandinskyV22PriorPipeline
) -> TensorCache:
    def embed(prompt: str) -> Tensors:
        pooled, tokens, mask = pipeline._encode_prompt([prompt], trainer.device, 1, False)
        return {"pooled": pooled[0], "tokens": tokens[0], "mask": mask[0]}

    return trainer.texts(embed)


def _set_statistics(prior: torch.nn.Module, samples) -> None:
    """A prior trained from scratch scales embeddings by those of its own data."""
    embeds = torch.stack(
        [samples[n][2]["image_embeds"] for n in range(min(512, len(samples.plan)))]
    )
    prior.clip_mean.data.copy_(embeds.mean(0, keepdim=True))
    prior.clip_std.data.copy_(embeds.std(0, keepdim=True).clamp_min(1e-4))
