"""Small new checkpoints in the layout of the published pipelines, to start a training from.

Where no hub can be reached, in tests and for the demonstration. Weights are random, a function of
``seed``, save for the autoencoder where a trained one is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    KandinskyV22Pipeline,
    KandinskyV22PriorPipeline,
    PNDMScheduler,
    PriorTransformer,
    StableDiffusionPipeline,
    UnCLIPScheduler,
    UNet2DConditionModel,
    VQModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from generation.training.text import train_t5_tokenizer, train_tokenizer

WIDTH, TOKENS = 64, 32


def make_base(
    family: str,
    directory: Path,
    *,
    captions: Sequence[str],
    resolution: int = 64,
    seed: int = 0,
    vae: Path | None = None,
    clip: Path | None = None,
    channels: Sequence[int] = (32, 64),
    **saving,
) -> Path:
    """Write a base of ``family`` ("flux", "kandinsky" or "stable_diffusion"); its directory.

    ``captions`` give the tokenizers their vocabulary. To take over: ``vae`` is the directory of an
    AutoencoderKL, ``clip`` one with the folders ``text`` and ``vision`` (see ``clip.py``).
    ``channels`` are those of the U-Net (multiples of 32). Kandinsky's is two
    pipelines, in the folders ``prior`` and ``decoder``. ``saving`` goes to diffusers'
    ``save_pretrained``. Raises ValueError for another family.
    """
    makers: dict[str, Callable[..., None]] = {
        "flux": _flux,
        "kandinsky": _kandinsky,
        "stable_diffusion": _stable_diffusion,
    }
    if family not in makers:
        raise ValueError(f"There is no base for {family!r}; there are: {', '.join(makers)}.")
    torch.manual_seed(seed)
    autoencoder = (
        AutoencoderKL.from_pretrained(vae, use_safetensors=True, dtype=torch.float32)
        if vae
        else _autoencoder(resolution)
    )
    encoders = load_clip(clip) if clip else new_clip(captions, resolution)
    makers[family](directory, list(captions), autoencoder, encoders, resolution, channels, saving)
    return directory


@dataclass(frozen=True)
class Clip:
    """Text and image encoder with embeddings of the same ``WIDTH``."""

    tokenizer: CLIPTokenizer
    text: CLIPTextModelWithProjection
    vision: CLIPVisionModelWithProjection

    def save(self, directory: Path) -> None:
        self.tokenizer.save_pretrained(directory / "text")
        self.text.save_pretrained(directory / "text")
        self.vision.save_pretrained(directory / "vision")

    def text_alone(self) -> CLIPTextModel:
        """The text encoder without its projection, as Stable Diffusion and FLUX have it."""
        config = CLIPTextConfig.from_dict(self.text.config.to_dict())
        model = CLIPTextModel(config)
        weights = self.text.state_dict()
        known = model.state_dict().keys()
        model.load_state_dict({key: weights[_match(key, weights)] for key in known})
        return model


def _match(key: str, weights: dict[str, torch.Tensor]) -> str:
    return key if key in weights else f"text_model.{key}"


def new_clip(captions: Sequence[str], resolution: int) -> Clip:
    """With the global generator's random weights."""
    tokenizer = train_tokenizer(captions, TOKENS)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=resolution,
        patch_size=8,
    )
    return Clip(tokenizer, CLIPTextModelWithProjection(text), CLIPVisionModelWithProjection(vision))


def load_clip(directory: Path) -> Clip:
    """What ``Clip.save`` wrote."""
    return Clip(
        CLIPTokenizer.from_pretrained(directory / "text"),
        CLIPTextModelWithProjection.from_pretrained(directory / "text", use_safetensors=True),
        CLIPVisionModelWithProjection.from_pretrained(directory / "vision", use_safetensors=True),
    )


def _autoencoder(resolution: int) -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=resolution,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 16, 32),
        latent_channels=4,
        norm_num_groups=8,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def _stable_diffusion(directory, captions, vae, clip, resolution, channels, saving) -> None:
    unet = UNet2DConditionModel(
        sample_size=resolution // 4,
        in_channels=4,
        out_channels=4,
        block_out_channels=tuple(channels),
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * (len(channels) - 1)),
        up_block_types=(*["CrossAttnUpBlock2D"] * (len(channels) - 1), "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=WIDTH,
    )
    StableDiffusionPipeline(
        vae=vae,
        unet=unet,
        text_encoder=clip.text_alone(),
        tokenizer=clip.tokenizer,
        scheduler=PNDMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            skip_prk_steps=True,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(directory, safe_serialization=True, **saving)


def _flux(directory, captions, vae, clip, resolution, channels, saving) -> None:
    tokenizer_2 = train_t5_tokenizer(captions)
    if vae.config.shift_factor is None:
        vae.register_to_config(shift_factor=0.0)
    transformer = FluxTransformer2DModel(
        in_channels=4 * vae.config.latent_channels,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=8,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6),
    )
    text_encoder_2 = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer_2),
            d_model=WIDTH,
            d_kv=16,
            d_ff=2 * WIDTH,
            num_layers=1,
            num_heads=4,
            feed_forward_proj="gated-gelu",
        )
    )
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15
        ),
        vae=vae,
        text_encoder=clip.text_alone(),
        tokenizer=clip.tokenizer,
        text_encoder_2=text_encoder_2,
        tokenizer_2=tokenizer_2,
        transformer=transformer,
    ).save_pretrained(directory, safe_serialization=True, **saving)


def _kandinsky(directory, captions, vae, clip, resolution, channels, saving) -> None:
    prior = PriorTransformer(
        num_attention_heads=6,
        attention_head_dim=16,
        num_layers=3,
        embedding_dim=WIDTH,
        num_embeddings=TOKENS,
        additional_embeddings=4,
    )
    prior.clip_std.data.fill_(1.0)
    KandinskyV22PriorPipeline(
        prior=prior,
        image_encoder=clip.vision,
        text_encoder=clip.text,
        tokenizer=clip.tokenizer,
        scheduler=UnCLIPScheduler(
            prediction_type="sample",
            variance_type="fixed_small_log",
            clip_sample=True,
            clip_sample_range=10.0,
        ),
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": resolution},
            crop_size={"height": resolution, "width": resolution},
        ),
    ).save_pretrained(directory / "prior", safe_serialization=True, **saving)
    unet = UNet2DConditionModel(
        sample_size=resolution // 4,
        in_channels=vae.config.latent_channels,
        out_channels=2 * vae.config.latent_channels,  # ε and the variance
        block_out_channels=tuple(channels),
        down_block_types=(
            "ResnetDownsampleBlock2D",
            *["SimpleCrossAttnDownBlock2D"] * (len(channels) - 1),
        ),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=(
            *["SimpleCrossAttnUpBlock2D"] * (len(channels) - 1),
            "ResnetUpsampleBlock2D",
        ),
        layers_per_block=1,
        attention_head_dim=16,
        cross_attention_dim=WIDTH,
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="image_proj",
        addition_embed_type="image",
        resnet_time_scale_shift="scale_shift",
    )
    with torch.no_grad():  # a neutral variance, as it is not trained here
        unet.conv_out.weight[vae.config.latent_channels :] = 0
        unet.conv_out.bias[vae.config.latent_channels :] = 0
    KandinskyV22Pipeline(
        unet=unet,
        scheduler=DDPMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="linear",
            # Published: dynamic thresholding and leading steps, which want latents in [-1, 1].
            clip_sample=True,
            clip_sample_range=2.0,
            timestep_spacing="trailing",
            prediction_type="epsilon",
            variance_type="learned_range",
        ),
        movq=_movq(vae),
    ).save_pretrained(directory / "decoder", safe_serialization=True, **saving)


@torch.no_grad()
def _movq(vae: AutoencoderKL) -> VQModel:
    """An autoencoder as Kandinsky has it, which encodes and decodes (unquantised) as ``vae`` does.

    Its latents are ``vae``'s modes times the scaling factor.
    """
    config, count = vae.config, vae.config.latent_channels
    movq = VQModel(
        down_block_types=config.down_block_types,
        up_block_types=config.up_block_types,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        latent_channels=count,
        vq_embed_dim=count,
        norm_num_groups=config.norm_num_groups,
        num_vq_embeddings=8,
        mid_block_add_attention=config.mid_block_add_attention,
    )
    encoder = vae.encoder.state_dict()  # its last layer gives means, then variances
    mean = vae.quant_conv.weight[:count, :, 0, 0] if vae.quant_conv else torch.eye(count, 2 * count)
    bias = vae.quant_conv.bias[:count] if vae.quant_conv else torch.zeros(count)
    last = encoder["conv_out.weight"]
    encoder["conv_out.weight"] = torch.einsum("oi,ijkl->ojkl", mean, last)
    encoder["conv_out.bias"] = mean @ encoder["conv_out.bias"] + bias
    movq.encoder.load_state_dict(encoder)
    movq.decoder.load_state_dict(vae.decoder.state_dict())
    scale = torch.eye(count)[:, :, None, None] * config.scaling_factor
    movq.quant_conv.weight.copy_(scale)
    movq.quant_conv.bias.zero_()
    after, unscaled = movq.post_quant_conv, 1 / config.scaling_factor
    after.weight.copy_(
        (vae.post_quant_conv.weight if vae.post_quant_conv else torch.eye(count)[:, :, None, None])
        * unscaled
    )
    after.bias.copy_(vae.post_quant_conv.bias if vae.post_quant_conv else torch.zeros(count))
    return movq
