"""FLUX.1: a flow-matching transformer on CLIP's pooled and T5's token embeddings, with a LoRA.

``guidance_scale`` is an input of the model (FLUX.1-dev was distilled with it; 3.5 as published);
``true_cfg_scale`` > 1 guides by a second pass without the prompt.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from diffusers import DiffusionPipeline, FluxPipeline

from generation.engine.pipeline import PipelineSampler, repeated_blocks, token_ids
from generation.engine.spec import Settings

if TYPE_CHECKING:
    from PIL.Image import Image


class Sampler(PipelineSampler):
    """Samples a ``FluxPipeline``; see ``spec.Sampler``."""

    schedulers = ("flow_match_euler",)
    defaults = Settings(
        width=1024, height=1024, steps=28, guidance_scale=3.5, scheduler="flow_match_euler"
    )
    default_token_length = 512

    def load(self) -> dict[str, DiffusionPipeline]:
        pipeline = self.load_pipeline(FluxPipeline)
        self.load_lora("transformer", pipeline.transformer)
        return {"pipeline": pipeline}

    def prepare(self, pipeline: FluxPipeline) -> None:
        self.pipeline = pipeline
        self._embedding = lru_cache(maxsize=1024)(self._encode)

    def draw(self, prompts: list[str], generators: list[torch.Generator]) -> list[Image]:
        settings, count = self.settings, len(prompts)
        embedded = [self._embedding(prompt) for prompt in prompts]
        given = {
            "prompt_embeds": torch.cat([tokens for tokens, _ in embedded]),
            "pooled_prompt_embeds": torch.cat([pooled for _, pooled in embedded]),
        }
        if (settings.true_cfg_scale or 1) > 1:
            tokens, pooled = self._embedding("")
            given["negative_prompt_embeds"] = tokens.expand(count, -1, -1)
            given["negative_pooled_prompt_embeds"] = pooled.expand(count, -1)
        return self.pipeline(
            **given,
            generator=generators,
            width=settings.width,
            height=settings.height,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            true_cfg_scale=settings.true_cfg_scale or 1.0,
        ).images

    def _encode(self, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        return encode_prompt(self.pipeline, prompt, self.card.token_length)

    def tokens(self, prompt: str) -> torch.Tensor:
        return token_ids(self.pipeline.tokenizer_2, prompt, self.card.token_length)

    def blocks(self) -> Iterable[torch.nn.Module]:
        return repeated_blocks(self.pipeline.transformer)


def encode_prompt(
    pipeline: FluxPipeline, prompt: str, token_length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """T5's tokens (1, token_length, width) and CLIP's pooled embedding (1, width) of a prompt.

    Raises ValueError when the prompt has more T5 tokens than ``token_length``; CLIP sees the first
    77 only, as in the published pipeline.
    """
    token_ids(pipeline.tokenizer_2, prompt, token_length)  # refuses what would be cut
    tokens, pooled, _ = pipeline.encode_prompt(prompt, max_sequence_length=token_length)
    return tokens, pooled
