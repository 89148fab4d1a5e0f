"""What is refused before hours are spent, by every family, and a loss that is no number."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel

from generation.engine.cards import card_of
from generation.engine.loading import CheckpointError, read_card
from generation.engine.registry import load_sampler
from generation.engine.spec import Base
from generation.training.config import TrainingConfigError
from generation.training.data import TrainingDataError
from generation.training.loop import TrainingDiverged
from generation.training.registry import load_trainer
from generation.training.text import train_tokenizer
from tests.generation.tiny_bases import FAMILIES, tiny_base, tiny_config
from tests.generation.tiny_msdm import TINY, draw_images

ALL = ("msdm", *FAMILIES)
LONG = "a red square " + "and a red square " * 20


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("images"))


def config_of(family, bases, **changes):
    if family == "msdm":
        return replace(TINY, report_to="none", **changes)
    return tiny_config(family, bases[family], **changes)


def nothing_trains(now):
    pytest.fail(f"{now.stage} was trained")


@pytest.mark.parametrize("family", ALL)
def test_a_caption_that_would_be_cut_is_refused_with_its_image_before_any_step(
    family, bases, images, tmp_path
):
    config, train = config_of(family, bases), load_trainer(family)
    wrong = replace(images[4], captions=("a green square.", f"{LONG} to the left."))
    data = [*images[:4], wrong, *images[5:]]
    with pytest.raises(TrainingDataError) as refused:
        train(data, config=config, output=tmp_path / "out", progress=nothing_trains)
    said = str(refused.value)
    assert f"A caption of {wrong.path} is too long. The prompt has " in said
    assert "to the left" in said.partition("it would lose")[2], "what would be lost"
    assert said.endswith(f"Shorten '{LONG} to the left.'.")
    train(images, config=config, output=tmp_path / "out")
    assert read_card(tmp_path / "out").training["images"] == 9, "the mended data can be trained"


def test_captions_that_are_too_long_are_counted_once_each(bases, images, tmp_path):
    data = [replace(image, captions=(*image.captions, LONG)) for image in images[:3]]
    data.append(replace(images[3], captions=(f"{LONG} again",)))
    with pytest.raises(TrainingDataError, match=r"0\.png .* 2 captions are too long in all\.$"):
        load_trainer("stable_diffusion")(
            data, config=config_of("stable_diffusion", bases), output=tmp_path / "out"
        )


def test_a_rephrasing_that_would_be_cut_is_refused_where_it_is_trained_with(
    bases, images, tmp_path
):
    data = [replace(image, rephrasings={"red": (LONG,)}) for image in images]
    train = load_trainer("flux")
    train(data, config=config_of("flux", bases), output=tmp_path / "out")
    config = config_of("flux", bases, rephrasing="add")
    with pytest.raises(TrainingDataError, match=r"0\.png is too long"):
        train(data, config=config, output=tmp_path / "other")


@pytest.mark.parametrize("family", ALL)
def test_a_validation_prompt_that_would_be_cut_is_refused_before_any_step(
    family, bases, images, tmp_path
):
    config = config_of(family, bases, validation_prompts=("red", LONG))
    with pytest.raises(TrainingConfigError, match=r"A validation prompt is too long\. The prompt"):
        load_trainer(family)(
            images, config=config, output=tmp_path / "out", progress=nothing_trains
        )


@pytest.mark.parametrize("family", ALL)
def test_a_validation_prompt_may_be_one_that_no_image_has(family, bases, images, tmp_path):
    config = config_of(family, bases, validation_prompts=("red and blue",), validation_steps=2)
    load_trainer(family)(images, config=config, output=tmp_path / "out")
    stage = list(config.stages())[-1]
    grids = sorted(path.name for path in (tmp_path / "out/.training/validation").glob(f"{stage}-*"))
    assert grids[0] == f"{stage}-00000002.png"


def test_msdm_s_given_text_encoder_must_take_as_many_tokens_as_are_asked_for(images, tmp_path):
    tokenizer = train_tokenizer(["a red square."], 16)
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16}
    layers = {"num_hidden_layers": 1, "num_attention_heads": 1}
    encoder = CLIPTextModel(CLIPTextConfig(**sizes, **layers, max_position_embeddings=16))
    tokenizer.save_pretrained(tmp_path / "text")
    encoder.save_pretrained(tmp_path / "text")
    config = replace(TINY, text_encoder=str(tmp_path / "text"), report_to="none")
    train = load_trainer("msdm")
    with pytest.raises(TrainingConfigError, match=r"token_length is 32; .* takes 16 at most"):
        train(images, config=config, output=tmp_path / "out", progress=nothing_trains)
    train(images, config=replace(config, token_length=16), output=tmp_path / "out")


def test_settings_may_be_mended_as_long_as_nothing_was_trained(bases, images, tmp_path):
    train, out = load_trainer("flux"), tmp_path / "out"
    data = [replace(images[0], captions=("a green square in the middle of a red one",))]
    with pytest.raises(TrainingDataError, match="too long"):
        train(data, config=config_of("flux", bases, token_length=8), output=out)
    card = train(data, config=config_of("flux", bases, token_length=32), output=out)
    assert card.token_length == 32


def test_settings_stay_once_a_checkpoint_is_there(bases, images, tmp_path):
    def stop(now):
        if now.step == 2:
            raise KeyboardInterrupt

    train, out = load_trainer("stable_diffusion"), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(images, config=config_of("stable_diffusion", bases), output=out, progress=stop)
    config = config_of("stable_diffusion", bases, train_batch_size=2)
    with pytest.raises(TrainingConfigError, match="train_batch_size 4 → 2"):
        train(images, config=config, output=out)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharded")
    return {f: tiny_base(f, folder / f, max_shard_size="100KB") for f in FAMILIES}


def sampler_of(family, directory):
    """A sampler of a directory as the hub has it: without a card, Kandinsky's in two of them."""
    base, root, own = {}, directory, {}
    if family == "kandinsky":
        base, root = {"prior": Base(str(directory / "prior"))}, directory / "decoder"
        own = {"prior_steps": 2}
    own |= {"width": 32, "height": 32, "steps": 2}
    card = card_of(root, family=family, base=base, settings=own, token_length=16)
    return load_sampler(family, root, card=card, device="cpu")


@pytest.mark.parametrize(
    ("family", "part"),
    [
        ("flux", "transformer"),
        ("flux", "text_encoder_2"),
        ("kandinsky", "prior/prior"),
        ("kandinsky", "prior/image_encoder"),
        ("kandinsky", "decoder/unet"),
        ("stable_diffusion", "unet"),
        ("stable_diffusion", "text_encoder"),
    ],
)
def test_a_shard_that_is_missing_is_named_by_whoever_loads_the_others(
    family, part, sharded, images, tmp_path
):
    shards = sorted((sharded[family] / part).glob("*-of-*.safetensors"))
    assert len(shards) > 1
    away = shards[1].rename(tmp_path / shards[1].name)
    try:
        with pytest.raises(CheckpointError, match=f"does not load as .*{away.name}"):
            sampler_of(family, sharded[family])
        with pytest.raises(CheckpointError, match=f"does not load as .*{away.name}"):
            load_trainer(family)(
                images, config=tiny_config(family, sharded[family]), output=tmp_path / "out"
            )
    finally:
        away.rename(shards[1])
    assert len(sampler_of(family, sharded[family]).sample(["red"], [1])) == 1


@pytest.mark.parametrize(
    ("family", "rank", "stage"),
    [
        ("flux", 2, "transformer"),
        ("flux", None, "transformer"),
        ("kandinsky", 2, "prior"),
        ("kandinsky", 2, "decoder"),
        ("stable_diffusion", None, "unet"),
    ],
)
def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    family, rank, stage, bases, images, tmp_path
):
    own = {} if family == "stable_diffusion" else {"rank": rank}
    config, train, out = config_of(family, bases, **own), load_trainer(family), tmp_path / "out"

    def stop(now):
        if (now.stage, now.step) == (stage, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(images, config=config, output=out, progress=stop)
    with pytest.raises(TrainingDiverged, match=rf"{stage} stage .* step 2 is kept"):
        train(images, config=replace(config, learning_rate=1e30), output=out)
    [state] = (tmp_path / "out.training" / stage).glob("step-*.safetensors")
    assert state.name == "step-00000002.safetensors"
    assert all(torch.isfinite(tensor).all() for tensor in load_file(state).values())
    assert not out.exists()
    train(images, config=config, output=out)
    assert len(load_sampler(family, out, device="cpu").sample(["red"], [1])) == 1
