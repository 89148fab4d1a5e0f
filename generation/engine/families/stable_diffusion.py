"""Stable Diffusion 1.x, MediSyn's base: CLIP text encoder, U-Net, KL autoencoder.

MediSyn fine-tunes U-Net and text encoder of Stable Diffusion 1.4, so its checkpoints are whole
pipelines. The safety checker is left out: it blacks out medical images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline

from generation.engine.pipeline import PipelineSampler, repeated_blocks, set_scheduler, token_ids
from generation.engine.spec import Settings

if TYPE_CHECKING:
    from PIL.Image import Image


class Sampler(PipelineSampler):
    """Samples a ``StableDiffusionPipeline``; see ``spec.Sampler``."""

    schedulers: ClassVar[Sequence[str]] = ("pndm", "ddim", "ddpm", "dpmsolver++")
    defaults = Settings(width=512, height=512, steps=50, guidance_scale=7.5, scheduler="pndm")
    default_token_length = 77

    def load(self) -> dict[str, DiffusionPipeline]:
        pipeline = self.load_pipeline(
            StableDiffusionPipeline, safety_checker=None, requires_safety_checker=False
        )
        return {"pipeline": pipeline}

    def prepare(self, pipeline: StableDiffusionPipeline) -> None:
        self.pipeline = pipeline
        pipeline.vae.to(memory_format=torch.channels_last)
        if self.device.type != "cpu":  # there a U-Net is slower so (docs/performance.md)
            pipeline.unet.to(memory_format=torch.channels_last)
        set_scheduler(pipeline, self.settings.scheduler)
        self._embedding = lru_cache(maxsize=1024)(self._encode)

    def draw(self, prompts: list[str], generators: list[torch.Generator]) -> list[Image]:
        settings = self.settings
        return self.pipeline(
            prompt_embeds=torch.cat([self._embedding(prompt) for prompt in prompts]),
            negative_prompt_embeds=self._embedding("").expand(len(prompts), -1, -1),
            generator=generators,
            width=settings.width,
            height=settings.height,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            eta=settings.eta,
        ).images

    def _encode(self, prompt: str) -> torch.Tensor:
        """The last hidden state of one prompt, of shape (1, tokens, width)."""
        return self.pipeline.text_encoder(self.tokens(prompt).to(self.device))[0]

    def tokens(self, prompt: str) -> torch.Tensor:
        return token_ids(self.pipeline.tokenizer, prompt)

    def blocks(self) -> Iterable[torch.nn.Module]:
        return repeated_blocks(self.pipeline.unet)
