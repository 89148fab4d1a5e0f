import filecmp
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    FluxPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorPipeline,
    StableDiffusionPipeline,
)
from transformers import CLIPTextConfig, CLIPTokenizer, T5Tokenizer

from generation.engine.cards import card_of
from generation.engine.loading import checkpoint_digest
from generation.engine.registry import load_sampler
from generation.engine.spec import Base
from generation.training.bases import make_base
from generation.training.text import train_t5_tokenizer
from tests.generation.published_layout import as_published, with_published_parts
from tests.generation.tiny_bases import CAPTIONS, FAMILIES, tiny_base

SMALL = {"width": 32, "height": 32, "steps": 3}
PROMPTS = ["a red square.", "blue"]


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def load(family, directory):
    """A sampler of a directory as the hub has it: without a card, Kandinsky's in two of them."""
    base, root, own = {}, directory, {}
    if family == "kandinsky":
        base, root = {"prior": Base(str(directory / "prior"))}, directory / "decoder"
        own = {"prior_steps": 2}
    card = card_of(root, family=family, base=base, settings=SMALL | own, token_length=16)
    return load_sampler(family, root, card=card, device="cpu")


def draw(sampler, prompts=PROMPTS):
    images = sampler.sample(prompts, [4] * len(prompts))
    assert {(image.mode, image.size) for image in images} == {("RGB", (32, 32))}
    return np.stack([np.asarray(image, int) for image in images])


def weights(sampler):
    return {
        (name, key): tensor
        for pipeline in vars(sampler).values()
        if isinstance(pipeline, DiffusionPipeline)
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
        for key, tensor in part.state_dict().items()
    }


def assert_same_model(one, other):
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert len({name for name, _ in ours}) >= 3, "models that were compared"
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    # Where weights lie in memory changes how their products are rounded.
    assert np.abs(draw(one) - draw(other)).max() <= 1


def files(directory):
    return sorted(p.relative_to(directory) for p in directory.rglob("*") if p.is_file())


def test_the_same_call_writes_the_same_bytes_in_every_process(family, bases, tmp_path):
    code = (
        "from pathlib import Path\n"
        "from tests.generation.tiny_bases import tiny_base\n"
        f"tiny_base({family!r}, Path({str(tmp_path / 'again')!r}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    first, again = bases[family], tmp_path / "again"
    names = files(first)
    assert names == files(again)
    _, differing, unread = filecmp.cmpfiles(first, again, names, shallow=False)
    assert (differing, unread) == ([], [])


def test_another_seed_gives_other_weights(family, bases, tmp_path):
    other = tiny_base(family, tmp_path / "other", seed=1)
    assert files(other) == files(bases[family])
    assert checkpoint_digest(other) != checkpoint_digest(bases[family])


def test_diffusers_loads_and_samples_what_it_saved(bases):
    parts = {"generator": torch.Generator().manual_seed(0), "num_inference_steps": 2}
    sized = {**parts, "width": 32, "height": 32, "output_type": "np"}
    flux = FluxPipeline.from_pretrained(bases["flux"])
    images = [flux("a red square.", max_sequence_length=16, **sized).images[0]]
    diffusion = StableDiffusionPipeline.from_pretrained(bases["stable_diffusion"])
    images.append(diffusion("a red square.", **sized).images[0])
    prior = KandinskyV22PriorPipeline.from_pretrained(bases["kandinsky"] / "prior")
    decoder = KandinskyV22Pipeline.from_pretrained(bases["kandinsky"] / "decoder")
    embeddings = prior("a red square.", **parts)
    given = {"image_embeds": embeddings.image_embeds}
    given["negative_image_embeds"] = embeddings.negative_image_embeds
    images.append(decoder(**given, **sized).images[0])
    for image in images:
        assert image.shape == (32, 32, 3)
        assert np.isfinite(image).all()
        assert image.std() > 0.01


def test_an_image_depends_on_its_prompt(family, bases):
    first, second = draw(load(family, bases[family]))  # of the same seed
    assert np.abs(first - second).max() > 1


def test_sharded_weights_with_index_files_give_the_same_images(family, bases, tmp_path):
    sharded = tiny_base(family, tmp_path / "sharded", max_shard_size="200KB")
    part = {"flux": "transformer", "kandinsky": "prior/prior", "stable_diffusion": "unet"}[family]
    assert list((sharded / part).glob("*.safetensors.index.json"))
    assert len(list((sharded / part).glob("*.safetensors"))) > 2
    assert_same_model(load(family, sharded), load(family, bases[family]))


def test_the_files_of_the_published_repositories_load_as_they_are(family, bases, tmp_path):
    plain = with_published_parts(family, bases[family], tmp_path / "plain")
    published = tmp_path / "published"
    shutil.copytree(plain, published)
    as_published(family, published)
    assert len(files(published)) > len(files(plain))
    assert_same_model(load(family, published), load(family, plain))


def test_a_published_repository_s_card_counts_the_weights_that_are_loaded(bases, tmp_path):
    published = with_published_parts(
        "stable_diffusion", bases["stable_diffusion"], tmp_path / "published"
    )
    counts = card_of(published, family="stable_diffusion").parameters
    as_published("stable_diffusion", published)
    again = card_of(published, family="stable_diffusion").parameters
    assert again == counts


def test_a_trained_autoencoder_is_taken_over_by_every_family(family, tmp_path):
    torch.manual_seed(3)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 16, 16),
        latent_channels=4,
        norm_num_groups=8,
        mid_block_add_attention=False,
        scaling_factor=0.5,
    ).eval()
    vae.save_pretrained(tmp_path / "vae")
    base = make_base(
        family, tmp_path / "base", captions=CAPTIONS, resolution=32, vae=tmp_path / "vae"
    )
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        latents = vae.encode(images).latent_dist.mode()
        pixels = vae.decode(latents).sample
        if family == "kandinsky":
            movq = KandinskyV22Pipeline.from_pretrained(base / "decoder").movq
            torch.testing.assert_close(movq.encode(images).latents, latents * 0.5)
            drawn = movq.decode(latents * 0.5, force_not_quantize=True).sample
        else:
            taken = AutoencoderKL.from_pretrained(base, subfolder="vae")
            assert taken.config.scaling_factor == 0.5
            drawn = taken.decode(taken.encode(images).latent_dist.mode()).sample
    torch.testing.assert_close(drawn, pixels, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("place", ["stable_diffusion", "flux", "kandinsky/prior"])
def test_a_text_encoder_pools_where_its_tokenizer_ends_a_prompt(bases, place):
    family, _, part = place.partition("/")
    tokenizer = CLIPTokenizer.from_pretrained(bases[family] / part / "tokenizer")
    config = CLIPTextConfig.from_pretrained(bases[family] / part / "text_encoder")
    ids = tokenizer("a red square.").input_ids
    assert (ids[0], ids[-1]) == (config.bos_token_id, config.eos_token_id)
    assert tokenizer.pad_token_id == config.pad_token_id
    words = tokenizer.convert_ids_to_tokens(ids)[1:-1]
    assert words == ["a</w>", "red</w>", "square</w>", ".</w>"]


def test_the_t5_tokenizer_knows_whole_words_and_spells_others(bases):
    tokenizer = T5Tokenizer.from_pretrained(bases["flux"] / "tokenizer_2")
    assert tokenizer.tokenize("a red square.") == ["▁a", "▁red", "▁square", "."]
    assert tokenizer.tokenize("zoo") == ["▁", "z", "o", "o"]
    assert tokenizer("red").input_ids[-1] == tokenizer.eos_token_id
    again = train_t5_tokenizer(CAPTIONS[::-1])
    assert again("a zoo.").input_ids == tokenizer("a zoo.").input_ids


def test_a_family_without_a_base_is_refused_with_those_that_have_one(tmp_path):
    with pytest.raises(ValueError, match=r"'msdm'; there are: flux, kandinsky, stable_diffusion"):
        make_base("msdm", tmp_path / "base", captions=CAPTIONS)
    assert not (tmp_path / "base").exists()
