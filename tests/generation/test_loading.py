import json
import subprocess
import sys

import huggingface_hub
import pytest

from generation.engine.loading import (
    CheckpointError,
    checkpoint_digest,
    checkpoint_directory,
    read_card,
)
from generation.engine.registry import load_sampler
from generation.engine.spec import Card, Settings

SETTINGS = {"width": 32, "height": 32, "steps": 4, "guidance_scale": 2.0}


@pytest.fixture
def checkpoint(tmp_path):
    directory = tmp_path / "checkpoint"
    (directory / "unet").mkdir(parents=True)
    (directory / "unet" / "weights.safetensors").write_bytes(b"weights")
    card = Card(
        family="msdm",
        settings=Settings(**SETTINGS),
        token_length=64,
        parameters={"unet": 1},
        licence="Apache-2.0",
    )
    (directory / "blindread.json").write_text(json.dumps(card.to_json()))
    return directory


def test_a_card_survives_its_file(checkpoint):
    card = read_card(checkpoint)
    assert card.settings == Settings(**SETTINGS)
    assert card.parameters == {"unet": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {**SETTINGS, "steps": 0}}, "steps is 0"),
        ({"settings": {**SETTINGS, "width": 30}}, "width is 30"),
        ({"settings": {**SETTINGS, "scheduler": "magic"}}, "Unknown scheduler 'magic'"),
        ({"settings": {**SETTINGS, "scheduler": "ddpm", "eta": 1.0}}, "eta acts in ddim only"),
        ({"settings": {**SETTINGS, "guidance_scale": 0.5}}, "guidance_scale is 0.5"),
        ({"colour": "blue"}, "unknown fields: colour"),
    ],
)
def test_a_card_with_a_wrong_field_is_refused_by_name(checkpoint, change, message):
    path = checkpoint / "blindread.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError, match=message):
        read_card(checkpoint)


def test_a_broken_or_missing_card_is_refused(checkpoint):
    path = checkpoint / "blindread.json"
    path.write_text("{")
    with pytest.raises(CheckpointError, match="malformed"):
        read_card(checkpoint)
    path.write_text('{"family": "msdm"}')
    with pytest.raises(CheckpointError, match="'settings' is missing"):
        read_card(checkpoint)
    path.unlink()
    with pytest.raises(CheckpointError, match="is it a checkpoint"):
        read_card(checkpoint)


def test_the_digest_sees_contents_and_names_but_no_hidden_files(checkpoint):
    first = checkpoint_digest(checkpoint)
    (checkpoint / ".cache").mkdir()
    (checkpoint / ".cache" / "lock").write_text("x")
    assert checkpoint_digest(checkpoint) == first
    weights = checkpoint / "unet" / "weights.safetensors"
    weights.write_bytes(b"Weights")
    second = checkpoint_digest(checkpoint)
    weights.rename(weights.with_name("other.safetensors"))
    assert len({first, second, checkpoint_digest(checkpoint)}) == 3


@pytest.mark.parametrize("name", ["model.bin", "extra/weights.pt", "old.ckpt", "MODEL.PTH"])
def test_pickled_weights_are_refused(checkpoint, name):
    (checkpoint / name).parent.mkdir(exist_ok=True)
    (checkpoint / name).write_bytes(b"anything")
    with pytest.raises(CheckpointError, match="Convert the weights to safetensors"):
        checkpoint_directory(checkpoint)


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        checkpoint_directory(tmp_path / "nowhere")


def test_a_hub_repository_out_of_reach_says_which_files_and_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"owner/name at revision v1 .*model_index.*Or copy"):
        checkpoint_directory("owner/name", revision="v1")


def test_an_unknown_family_is_refused_with_the_known_ones(checkpoint):
    with pytest.raises(ValueError, match=r"'gan'; known: .*msdm"):
        load_sampler("gan", checkpoint)


def test_a_checkpoint_without_its_parts_is_refused(checkpoint):
    with pytest.raises(CheckpointError, match="does not load as a msdm"):
        load_sampler("msdm", checkpoint)


def test_the_registry_and_its_like_import_no_torch():
    modules = ["registry", "spec", "seeding", "batching", "loading"]
    code = "import sys\n" + "".join(f"import generation.engine.{name}\n" for name in modules)
    code += (
        "print([name for name in ('torch', 'diffusers', 'transformers') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
