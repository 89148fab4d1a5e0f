"""The published models' sizes, counted on the meta device: no weights, no network."""

from functools import lru_cache

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    FluxTransformer2DModel,
    PriorTransformer,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from generation.training.lora import LORA_TARGETS, lora_parameters, train_part
from generation.training.presets import PRESETS
from generation.training.trainer import count
from generation.training.unet import build_unet
from generation.training.vae import build_vae

# Paper, Table 4 (Kandinsky's is the sum of prior and decoder)
KANDINSKY = {
    4: 2_134_016,
    8: 4_268_032,
    16: 8_536_064,
    32: 17_072_128,
    64: 34_144_256,
    128: 68_288_512,
    256: 136_577_024,
}
FLUX = {
    4: 11_206_656,
    8: 22_413_312,
    16: 44_826_624,
    32: 89_653_248,
    64: 179_306_496,
    128: 358_612_992,
    256: 717_225_984,
}


@pytest.fixture(autouse=True)
def on_meta():
    with torch.device("meta"):
        yield


@lru_cache
def flux_transformer():
    """black-forest-labs/FLUX.1-dev, transformer/config.json"""
    return FluxTransformer2DModel(guidance_embeds=True)


@lru_cache
def kandinsky_prior():
    """kandinsky-community/kandinsky-2-2-prior, prior/config.json"""
    return PriorTransformer(embedding_dim=1280, num_layers=20)


@lru_cache
def kandinsky_decoder():
    """kandinsky-community/kandinsky-2-2-decoder, unet/config.json"""
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=4,
        out_channels=8,
        down_block_types=(
            "ResnetDownsampleBlock2D",
            "SimpleCrossAttnDownBlock2D",
            "SimpleCrossAttnDownBlock2D",
            "SimpleCrossAttnDownBlock2D",
        ),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=(
            "SimpleCrossAttnUpBlock2D",
            "SimpleCrossAttnUpBlock2D",
            "SimpleCrossAttnUpBlock2D",
            "ResnetUpsampleBlock2D",
        ),
        block_out_channels=(384, 768, 1152, 1536),
        layers_per_block=3,
        attention_head_dim=64,
        cross_attention_dim=768,
        encoder_hid_dim=1280,
        encoder_hid_dim_type="image_proj",
        addition_embed_type="image",
        resnet_time_scale_shift="scale_shift",
    )


def clip_text_model():
    """openai/clip-vit-large-patch14, its text model"""
    return CLIPTextModel(
        CLIPTextConfig(
            hidden_size=768,
            intermediate_size=3072,
            num_attention_heads=12,
            num_hidden_layers=12,
        )
    )


def with_lora(model, targets, rank):
    train_part(model, targets=targets, rank=rank, alpha=None, seed=0, frozen_dtype=torch.float32)
    added, trained = lora_parameters(model), sum(p.numel() for p in trainable(model))
    assert added == trained, "only the LoRA is trained"
    model.delete_adapters("default")
    return added


def trainable(model):
    return (p for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize(("rank", "parameters"), KANDINSKY.items())
def test_a_lora_of_kandinsky_has_the_parameters_of_table_4(rank, parameters):
    targets = LORA_TARGETS["kandinsky"]
    prior = with_lora(kandinsky_prior(), targets["prior"], rank)
    decoder = with_lora(kandinsky_decoder(), targets["decoder"], rank)
    assert prior + decoder == parameters


@pytest.mark.parametrize(("rank", "parameters"), FLUX.items())
def test_a_lora_of_flux_has_the_parameters_of_table_4(rank, parameters):
    targets = LORA_TARGETS["flux"]["transformer"]
    assert with_lora(flux_transformer(), targets, rank) == parameters


def test_flux_and_kandinsky_have_their_published_sizes():
    assert count(flux_transformer()) == 11_901_408_320
    assert count(kandinsky_decoder()) == 1_253_057_288
    assert count(kandinsky_prior()) == 1_026_225_920


def test_the_paper_preset_of_msdm_has_the_published_size():
    config = PRESETS["msdm"]["paper"]
    unet, vae = build_unet(config, text_width=768, latent_size=32), build_vae(config)
    assert count(unet) - count(unet.add_embedding) == 329_918_216
    assert (count(unet), count(vae)) == (332_481_800, 41_264_043)
    assert count(clip_text_model()) == 123_060_480
    assert count(unet, vae, clip_text_model()) == 496_806_323


def test_medisyn_trains_u_net_and_text_encoder_and_leaves_the_autoencoder():
    """CompVis/stable-diffusion-v1-4"""
    unet = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8, sample_size=64)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
    )
    assert count(unet) == 859_520_964
    assert count(unet, clip_text_model()) == 982_581_444
    assert count(vae) == 83_653_863
