import subprocess
import sys
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn import functional

from generation.engine.loading import checkpoint_digest, read_card
from generation.training.config import MSDMConfig, TrainingConfigError
from generation.training.data import (
    AugmentedViews,
    Plan,
    TrainingDataError,
    TrainingImage,
    augmented_view,
    check_images,
)
from generation.training.draws import Draws
from generation.training.families.msdm import train as train_msdm
from generation.training.loop import Batch, TrainingDiverged
from generation.training.lpips import LAYERS, LPIPS
from generation.training.presets import PRESETS
from generation.training.text import train_tokenizer
from generation.training.trainer import Trainer
from generation.training.unet import DenoiserLoss, build_scheduler
from generation.training.vae import build_vae, encode, ssim, whiten_colours
from tests.generation.tiny_msdm import TINY, draw_images


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("images"))


class Killed(Exception):
    pass


def kill_at(stage, step):
    def progress(now):
        if (now.stage, now.step) == (stage, step):
            raise Killed

    return progress


@pytest.mark.parametrize(("stage", "step"), [("vae", 3), ("unet", 3)])
@pytest.mark.parametrize("cache_latents", [False, True])
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    images, tmp_path, stage, step, cache_latents
):
    config = replace(TINY, cache_latents=cache_latents, cache_views=2)
    train_msdm(images, config=config, output=tmp_path / "whole")
    with pytest.raises(Killed):
        train_msdm(images, config=config, output=tmp_path / "cut", progress=kill_at(stage, step))
    assert not (tmp_path / "cut").exists()
    steps = []
    train_msdm(
        images,
        config=config,
        output=tmp_path / "cut",
        progress=lambda now: steps.append((now.stage, now.step)),
    )
    assert steps[0] == (stage, 3), "it went on from the checkpoint of step 2"
    assert checkpoint_digest(tmp_path / "cut") == checkpoint_digest(tmp_path / "whole")
    assert not (tmp_path / "cut.training").exists()


def test_a_finished_run_is_not_trained_again(images, tmp_path):
    card = train_msdm(images, config=TINY, output=tmp_path / "out", phantom=True)
    assert card.phantom
    again = train_msdm(
        images, config=TINY, output=tmp_path / "out", progress=lambda now: pytest.fail("trained")
    )
    assert again.to_json() == read_card(tmp_path / "out").to_json()


def test_another_seed_gives_other_weights(images, tmp_path):
    config = replace(TINY, vae_max_train_steps=1, max_train_steps=1)
    train_msdm(images, config=config, output=tmp_path / "a")
    train_msdm(images, config=replace(config, seed=6), output=tmp_path / "b")
    name = "unet/diffusion_pytorch_model.safetensors"
    a, b = load_file(tmp_path / "a" / name), load_file(tmp_path / "b" / name)
    assert not torch.equal(a["conv_in.weight"], b["conv_in.weight"])


def test_a_run_is_not_resumed_with_another_configuration_or_other_data(images, tmp_path):
    with pytest.raises(Killed):
        train_msdm(images, config=TINY, output=tmp_path / "out", progress=kill_at("vae", 2))
    with pytest.raises(TrainingConfigError, match=r"dropout 0\.1 → 0\.2"):
        train_msdm(images, config=replace(TINY, dropout=0.2), output=tmp_path / "out")
    with pytest.raises(TrainingConfigError, match="data differ"):
        train_msdm(images[1:], config=TINY, output=tmp_path / "out")


def test_nothing_foreign_is_overwritten(images, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(TrainingConfigError, match="holds no checkpoint"):
        train_msdm(images, config=TINY, output=tmp_path, resume=False)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(images, tmp_path):
    with pytest.raises(Killed):
        train_msdm(images, config=TINY, output=tmp_path / "out", progress=kill_at("unet", 3))
    wild = replace(TINY, learning_rate=1e30)
    with pytest.raises(TrainingDiverged, match=r"step 3\. The checkpoint of step 2 is kept"):
        train_msdm(images, config=wild, output=tmp_path / "out")
    tensors = load_file(tmp_path / "out.training" / "unet" / "step-00000002.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    train_msdm(images, config=TINY, output=tmp_path / "out")


def test_the_autoencoder_learns(images, tmp_path):
    losses = {}
    train_msdm(
        images,
        config=replace(TINY, vae_max_train_steps=60, max_train_steps=1),
        output=tmp_path / "out",
        progress=lambda now: losses.setdefault(now.stage, []).append(now.loss),
    )
    assert losses["vae"][-1] < 0.9 * losses["vae"][0]


def test_a_trained_autoencoder_is_used_as_it_is(images, tmp_path):
    train_msdm(images, config=TINY, output=tmp_path / "first")
    config = replace(TINY, vae=str(tmp_path / "first" / "vae"))
    stages = set()
    card = train_msdm(
        images,
        config=config,
        output=tmp_path / "second",
        progress=lambda now: stages.add(now.stage),
    )
    assert stages == {"unet"}
    assert card.training["config"]["vae"].startswith("sha256:"), "a digest, not a path"
    name = "vae/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_progress_counts_every_step_of_both_stages(images, tmp_path):
    seen = []
    train_msdm(images, config=TINY, output=tmp_path / "out", progress=seen.append)
    assert [(now.stage, now.step, now.total) for now in seen] == [
        *(("vae", step, 4) for step in range(1, 5)),
        *(("unet", step, 5) for step in range(1, 6)),
    ]
    assert seen[-1].seconds_left == 0


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\nbroken"])
def test_an_unreadable_image_is_named_before_anything_is_trained(images, tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    bad = TrainingImage("bad", tmp_path / "bad.png", ("a polyp.",))
    with pytest.raises(TrainingDataError, match=r"bad\.png cannot be read"):
        train_msdm([*images, bad], config=TINY, output=tmp_path / "out")
    assert not (tmp_path / "out.training").exists()


def test_images_without_caption_or_with_a_known_id_and_no_images_are_refused(images):
    with pytest.raises(TrainingDataError, match=r"0\.png has no caption"):
        check_images([replace(images[0], captions=(" ",))])
    with pytest.raises(TrainingDataError, match="Two training images have the id '0'"):
        check_images([*images, images[0]])
    with pytest.raises(TrainingDataError, match="no training images"):
        check_images([])


def test_the_data_digest_sees_captions_and_pixels(images, tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "black.png")
    variants = [
        images,
        [replace(images[0], captions=("other",)), *images[1:]],
        [replace(images[0], path=tmp_path / "black.png"), *images[1:]],
    ]
    assert len({check_images(variant) for variant in variants}) == 3


def test_every_image_is_drawn_once_an_epoch_in_another_order(images):
    plan = Plan(images, TINY)
    epochs = [[plan.draw(9 * epoch + n).index for n in range(9)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(9)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_an_image_is_mirrored_only_when_its_prompt_was_dropped(images):
    draws = [Plan(images, TINY).draw(n) for n in range(800)]
    assert all(draw.prompt == "" for draw in draws if draw.flip)
    dropped = [draw for draw in draws if draw.prompt == ""]
    assert 0.15 < len(dropped) / len(draws) < 0.25
    assert 0.3 < sum(draw.flip for draw in dropped) / len(dropped) < 0.7
    for draw in draws:
        assert draw.prompt in ("", *images[draw.index].captions)


def test_views_differ_by_number_and_mirroring_mirrors(images):
    first = augmented_view(images[0], TINY, view=0, flip=False)
    assert not torch.equal(first, augmented_view(images[0], TINY, view=1, flip=False))
    assert torch.equal(first.flip(2), augmented_view(images[0], TINY, view=0, flip=True))
    assert first.min() >= -1
    assert first.max() <= 1


def test_a_cached_latent_is_that_of_its_own_image_and_view(images, tmp_path):
    config = replace(TINY, cache_latents=True, cache_views=2)
    trainer = Trainer(images, config=config, output=tmp_path / "out")
    vae = build_vae(config).eval()
    cached = trainer.samples(lambda pixels: {"latents": encode(vae, pixels)})
    fresh = AugmentedViews(trainer.plan)
    for n in range(12):
        number, prompt, values = cached[n]
        same_number, same_prompt, views = fresh[n]
        assert (number, prompt) == (same_number, same_prompt)
        torch.testing.assert_close(
            values["latents"], encode(vae, views["pixels"][None])[0], atol=1e-5, rtol=1e-4
        )


def test_any_english_prompt_has_tokens_in_a_vocabulary_made_from_captions():
    tokenizer = train_tokenizer(["Generate an image with 1 polyp."], 64)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("Generate a zebra, (7)!").input_ids)
    assert tokens[1] == "generate</w>"
    assert tokens[2:6] == ["a</w>", "z", "e", "b"]


def test_prompts_in_many_processes_get_the_same_numbers():
    code = (
        "from generation.training.text import train_tokenizer\n"
        "captions = ['a red polyp', 'no red polyps', 'a snare']\n"
        "print(train_tokenizer(captions, 64)('a red snare').input_ids)"
    )
    outputs = {
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_a_perfect_prediction_has_no_loss(prediction_type):
    config = replace(TINY, prediction_type=prediction_type)
    scheduler = build_scheduler(config)
    latents = torch.randn(4, 4, 8, 8)

    def oracle(noisy, timesteps, ids):
        alpha = scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
        noise = (noisy - alpha.sqrt() * latents) / (1 - alpha).sqrt()
        velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
        return noise if prediction_type == "epsilon" else velocity

    tokenizer = train_tokenizer(["a polyp"], 16)
    loss = DenoiserLoss(scheduler, tokenizer, Draws(0, "unet", 4), None, functional.l1_loss, None)
    batch = Batch(torch.arange(4), ["a polyp"] * 4, {"latents": latents})
    assert loss(oracle, batch).item() == pytest.approx(0, abs=1e-4)


def test_a_new_autoencoder_begins_with_equal_contrast_in_every_colour():
    dull = torch.randn(16, 1, 32, 32) * 0.5 + torch.randn(16, 3, 32, 32) * 0.05 + 0.3
    vae = build_vae(TINY)
    first, last = deepcopy(vae.encoder.conv_in), deepcopy(vae.decoder.conv_out)
    whiten_colours(vae, dull)
    with torch.no_grad():
        # what the new first layer sees of the images is what the old one saw of white noise
        seen = torch.linalg.lstsq(
            first.weight.permute(0, 2, 3, 1).reshape(-1, 3),
            vae.encoder.conv_in.weight.permute(0, 2, 3, 1).reshape(-1, 3),
        ).solution
        colours = dull.permute(1, 0, 2, 3).flatten(1)
        torch.testing.assert_close(torch.cov(seen @ colours), torch.eye(3), atol=0.1, rtol=0)
        # and the last layer turns it back
        features = torch.randn(2, last.in_channels, 8, 8)
        undone = torch.einsum(
            "ij,njhw->nihw", seen, vae.decoder.conv_out(features) - colours.mean(1)[:, None, None]
        )
        torch.testing.assert_close(undone, last(features), atol=1e-3, rtol=1e-3)


def test_ssim_of_equal_images_is_one_and_of_others_less():
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    assert ssim(image, image).item() == pytest.approx(1)
    assert ssim(image, -image).item() < 0
    assert 0 < ssim(image, image + 0.2 * torch.randn_like(image)).item() < 0.99


def test_the_perceptual_loss_reads_its_weights_and_is_zero_for_equal_images(tmp_path):
    model = LPIPS()
    tensors = {f"features.{k}": v for k, v in model.features.state_dict().items()}
    for i, channels in enumerate(LAYERS.values()):
        tensors[f"lin{i}.model.1.weight"] = torch.full((1, channels, 1, 1), 2.0)
    save_file(tensors, tmp_path / "lpips.safetensors")
    loaded = LPIPS.from_file(tmp_path / "lpips.safetensors")
    a, b = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    assert loaded(a, a).item() == 0
    assert loaded(a, b).item() == pytest.approx(2 * model(a, b).item(), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": 100}, "multiple of 8"),
        ({"lr_scheduler": "polynomial"}, "lr_scheduler is 'polynomial'"),
        ({"max_train_steps": 0}, "max_train_steps is 0"),
        ({"scheduler": "magic"}, "can be sampled with"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        MSDMConfig(**{"resolution": 128, **change})


def test_the_presets_are_those_documented():
    assert list(PRESETS["msdm"]) == ["paper", "small", "demo"]
