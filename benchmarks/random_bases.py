"""Pipelines of every family with random weights: as large as published, or for two CPU cores.

What they draw is noise, but it takes as long as with trained weights. The published sizes are those
of CompVis/stable-diffusion-v1-4, kandinsky-community/kandinsky-2-2-prior and -decoder,
black-forest-labs/FLUX.1-dev and the MSDM of the paper; vocabularies alone are made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from generation.training.config import MSDMConfig
from generation.training.presets import PRESETS
from generation.training.text import train_t5_tokenizer, train_tokenizer
from generation.training.unet import build_scheduler, build_unet
from generation.training.vae import build_vae

# What each part is built with: as published, and what is smaller for a CPU.
PUBLISHED: dict[str, dict[str, Any]] = {
    "clip": {  # openai/clip-vit-large-patch14
        "vocab_size": 49408,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "projection_dim": 768,
    },
    "big_clip": {  # laion/CLIP-ViT-bigG-14
        "vocab_size": 49408,
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 20,
        "projection_dim": 1280,
        "hidden_act": "gelu",
    },
    "vision": {
        "hidden_size": 1664,
        "intermediate_size": 8192,
        "num_hidden_layers": 48,
        "num_attention_heads": 16,
        "projection_dim": 1280,
        "patch_size": 14,
        "image_size": 224,
        "hidden_act": "gelu",
    },
    "t5": {  # google/t5-v1_1-xxl
        "vocab_size": 32128,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "feed_forward_proj": "gated-gelu",
    },
    "vae": {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
    },
    "movq": {
        "block_out_channels": (128, 256, 256, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 3 + ("AttnDownEncoderBlock2D",),
        "up_block_types": ("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 3,
        "layers_per_block": 2,
        "latent_channels": 4,
        "vq_embed_dim": 4,
        "num_vq_embeddings": 16384,
        "norm_type": "spatial",
    },
    "unet": {"cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64},
    "prior": {"embedding_dim": 1280, "num_layers": 20},
    "decoder": {
        "sample_size": 64,
        "in_channels": 4,
        "out_channels": 8,  # noise and variance
        "down_block_types": ("ResnetDownsampleBlock2D",) + ("SimpleCrossAttnDownBlock2D",) * 3,
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "up_block_types": ("SimpleCrossAttnUpBlock2D",) * 3 + ("ResnetUpsampleBlock2D",),
        "block_out_channels": (384, 768, 1152, 1536),
        "layers_per_block": 3,
        "attention_head_dim": 64,
        "cross_attention_dim": 768,
        "encoder_hid_dim": 1280,
        "encoder_hid_dim_type": "image_proj",
        "addition_embed_type": "image",
        "resnet_time_scale_shift": "scale_shift",
    },
    "transformer": {"guidance_embeds": True},
}
_TEXT = {"hidden_size": 128, "intermediate_size": 512, "projection_dim": 128}
_LAYERS = {"num_hidden_layers": 4, "num_attention_heads": 4}
SMALLER: dict[str, dict[str, Any]] = {
    "clip": {**_TEXT, **_LAYERS},
    "big_clip": {**_TEXT, **_LAYERS},
    "vision": {**_TEXT, **_LAYERS, "patch_size": 16, "image_size": 64},
    "t5": {"d_model": 128, "d_kv": 32, "d_ff": 512, "num_layers": 4, "num_heads": 4},
    "vae": {"block_out_channels": (32, 64, 64, 64)},
    "movq": {"block_out_channels": (32, 64, 64, 64), "num_vq_embeddings": 256},
    "unet": {"cross_attention_dim": 128, "block_out_channels": (64, 128, 192, 192)},
    "prior": {
        "embedding_dim": 128,
        "num_layers": 4,
        "num_attention_heads": 4,
        "attention_head_dim": 32,
    },
    "decoder": {
        "block_out_channels": (64, 128, 192, 192),
        "layers_per_block": 2,
        "attention_head_dim": 32,
        "cross_attention_dim": 128,
        "encoder_hid_dim": 128,
    },
    "transformer": {
        "num_layers": 3,
        "num_single_layers": 6,
        "num_attention_heads": 4,
        "attention_head_dim": 64,
        "joint_attention_dim": 128,
        "pooled_projection_dim": 128,
        "axes_dims_rope": (16, 24, 24),
    },
}


def save_base(
    family: str, directory: Path, *, published: bool, captions: Sequence[str], device: str
) -> None:
    """Write a checkpoint of ``family`` with random weights, Kandinsky's in ``prior``, ``decoder``.

    Weights are drawn on ``device``: float32 on a CPU, else bfloat16. ``captions`` give the
    tokenizers their vocabulary. A published FLUX.1 takes 34 GB.
    """
    torch.manual_seed(0)
    with _weights_on(torch.device(device)):
        pipelines = _Base(published, captions).pipelines(family)
    for part, pipeline in pipelines.items():
        own = directory if part == "pipeline" else directory / part
        pipeline.save_pretrained(own, safe_serialization=True)


@contextmanager
def _weights_on(device: torch.device):
    """New weights are drawn there; drawing billions on a CPU would take minutes."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if device.type == "cpu" else torch.bfloat16)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(before)


class _Base:
    def __init__(self, published: bool, captions: Sequence[str]) -> None:
        self.published, self.captions = published, captions
        self.tokenizer = train_tokenizer(captions, 77)

    def pipelines(self, family: str) -> dict[str, diffusers.DiffusionPipeline]:
        if family == "kandinsky":
            return {"prior": self.kandinsky_prior(), "decoder": self.kandinsky_decoder()}
        return {"pipeline": getattr(self, family)()}

    def size(self, part: str, **others: Any) -> dict[str, Any]:
        return PUBLISHED[part] | ({} if self.published else SMALLER[part]) | others

    def clip_config(self, part: str = "clip") -> transformers.CLIPTextConfig:
        marks = ("bos_token_id", "eos_token_id", "pad_token_id")
        return transformers.CLIPTextConfig(
            **self.size(part), **{mark: getattr(self.tokenizer, mark) for mark in marks}
        )

    def stable_diffusion(self) -> diffusers.DiffusionPipeline:
        return self._stable_diffusion(
            unet=diffusers.UNet2DConditionModel(**self.size("unet")),
            vae=diffusers.AutoencoderKL(**self.size("vae", scaling_factor=0.18215)),
            scheduler=diffusers.PNDMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                skip_prk_steps=True,
                set_alpha_to_one=False,
                steps_offset=1,
            ),
        )

    def msdm(self) -> diffusers.DiffusionPipeline:
        config = PRESETS["msdm"]["paper" if self.published else "small"]
        assert isinstance(config, MSDMConfig)
        self.tokenizer = train_tokenizer(self.captions, config.token_length)
        width = self.size("clip")["hidden_size"]
        return self._stable_diffusion(
            unet=build_unet(
                config, text_width=width, latent_size=config.resolution // config.factor
            ),
            vae=build_vae(config),
            scheduler=build_scheduler(config),
        )

    def _stable_diffusion(self, **parts: Any) -> diffusers.DiffusionPipeline:
        return diffusers.StableDiffusionPipeline(
            **parts,
            text_encoder=transformers.CLIPTextModel(self.clip_config()),
            tokenizer=self.tokenizer,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    def flux(self) -> diffusers.DiffusionPipeline:
        return diffusers.FluxPipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(
                shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15
            ),
            vae=diffusers.AutoencoderKL(
                **self.size(
                    "vae",
                    latent_channels=16,
                    scaling_factor=0.3611,
                    shift_factor=0.1159,
                    use_quant_conv=False,
                    use_post_quant_conv=False,
                )
            ),
            text_encoder=transformers.CLIPTextModel(self.clip_config()),
            tokenizer=self.tokenizer,
            text_encoder_2=transformers.T5EncoderModel(transformers.T5Config(**self.size("t5"))),
            tokenizer_2=train_t5_tokenizer(self.captions),
            transformer=diffusers.FluxTransformer2DModel(**self.size("transformer")),
        )

    def kandinsky_prior(self) -> diffusers.DiffusionPipeline:
        prior = diffusers.PriorTransformer(**self.size("prior"))
        prior.clip_std.data.fill_(1.0)
        vision = transformers.CLIPVisionConfig(**self.size("vision"))
        side = vision.image_size
        return diffusers.KandinskyV22PriorPipeline(
            prior=prior,
            image_encoder=transformers.CLIPVisionModelWithProjection(vision),
            text_encoder=transformers.CLIPTextModelWithProjection(self.clip_config("big_clip")),
            tokenizer=self.tokenizer,
            scheduler=diffusers.UnCLIPScheduler(
                prediction_type="sample",
                variance_type="fixed_small_log",
                clip_sample=True,
                clip_sample_range=10.0,
            ),
            image_processor=transformers.CLIPImageProcessor(
                size={"shortest_edge": side}, crop_size={"height": side, "width": side}
            ),
        )

    def kandinsky_decoder(self) -> diffusers.DiffusionPipeline:
        return diffusers.KandinskyV22Pipeline(
            unet=diffusers.UNet2DConditionModel(**self.size("decoder")),
            movq=diffusers.VQModel(**self.size("movq")),
            scheduler=diffusers.DDPMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="linear",
                clip_sample=True,
                clip_sample_range=2.0,
                prediction_type="epsilon",
                variance_type="learned_range",
            ),
        )
