"""What would fail every image is said before the first one is sampled, once for the whole run."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.datasets.prompts import PromptRow
from generation.engine.cards import LORA_NAME
from generation.engine.loading import CARD_NAME
from generation.engine.pipeline import PipelineSampler
from generation.imports import ImportRefused, add_generator, import_prompts
from generation.jobs import perform_next
from generation.models import Chunk, Generator, Image, Run
from generation.runs import RunError, create_run
from generation.training.registry import load_trainer
from tests.generation.tiny_bases import tiny_config
from tests.generation.tiny_msdm import draw_images

pytestmark = pytest.mark.django_db
CHUNKS = 3


def prompts(*texts):
    rows = [PromptRow(text) for text in texts]
    return list(import_prompts(slug="prompts", name="Prompts", rows=rows).prompts.all())


def a_run(generator, *more):
    texts = [f"a red square. {number}" for number in range(5)]
    return create_run(
        generator=generator,
        prompts=prompts(*texts, *more),
        images_per_set=20,
        seed=1,
        by=None,
    )


@pytest.fixture
def error(monkeypatch):
    """Performs a run that is to fail; what is said of it."""

    def sample(self, *_):
        pytest.fail("it went as far as sampling")

    monkeypatch.setattr(PipelineSampler, "sample", sample)

    def fail(run):
        while perform_next(["gpu"]):
            pass
        run.refresh_from_db()
        assert run.status == Run.Status.FAILED
        assert not Image.objects.exists()
        attempts = Chunk.objects.order_by("number").values_list("attempts", flat=True)
        assert list(attempts) == [1, *[0] * (CHUNKS - 1)], "the others need not find out again"
        assert "\n" not in run.error, "said once"
        return run.error

    return fail


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "copy")


def weights(directory):
    return max(directory.rglob("*.safetensors"), key=lambda path: path.stat().st_size)


def test_a_checkpoint_that_is_gone(copy, error):
    generator = add_generator(name="Copy", checkpoint=str(copy))
    shutil.rmtree(copy)
    assert f"There is no directory {copy}" in error(a_run(generator))


def test_a_file_that_was_damaged_since(copy, error):
    generator = add_generator(name="Copy", checkpoint=str(copy))
    data = weights(copy).read_bytes()
    weights(copy).write_bytes(data[: len(data) // 2])
    assert "“Copy” has changed since it was registered" in error(a_run(generator))


@pytest.mark.parametrize("damage", ["cut short", "emptied", "no safetensors at all"])
def test_a_file_that_was_damaged_from_the_start(copy, error, damage):
    data = weights(copy).read_bytes()
    left = {"cut short": data[: len(data) // 2], "emptied": b""}.get(damage, b"<html>404</html>")
    weights(copy).write_bytes(left)
    generator = add_generator(name="Copy", checkpoint=str(copy))
    assert "does not load as a msdm" in error(a_run(generator))


def test_a_configuration_that_does_not_fit_the_weights(copy, error):
    path = copy / "unet" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "cross_attention_dim": 24}))
    generator = add_generator(name="Copy", checkpoint=str(copy))
    assert "does not load as a msdm" in error(a_run(generator))


def test_a_pickle_in_place_of_safetensors(copy, error):
    generator = add_generator(name="Copy", checkpoint=str(copy))
    path = weights(copy)
    torch.save({"weight": torch.zeros(2)}, path.with_suffix(".bin"))
    path.unlink()
    said = error(a_run(generator))
    assert "may be a pickle" in said
    assert "Convert the weights to safetensors" in said


@pytest.fixture(scope="module")
def lora(bases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora")
    config = tiny_config("flux", bases["flux"], max_train_steps=1)
    load_trainer("flux")(draw_images(folder / "images"), config=config, output=folder / "lora")
    return folder / "lora"


def test_a_lora_of_another_architecture(lora, tmp_path, error):
    copy = shutil.copytree(lora, tmp_path / "copy")
    path = copy / "transformer" / LORA_NAME
    tensors = {name.replace("attn.to_", "attentions.to_"): t for name, t in load_file(path).items()}
    save_file(tensors, path)
    generator = add_generator(name="Copy", checkpoint=str(copy))
    assert "was it trained on another?" in error(a_run(generator))


def test_a_lora_whose_base_was_replaced(lora, bases, tmp_path, error):
    copy = shutil.copytree(lora, tmp_path / "copy")
    base = shutil.copytree(bases["flux"], tmp_path / "base")
    card = json.loads((copy / CARD_NAME).read_text())
    card["base"]["pipeline"]["source"] = str(base)
    (copy / CARD_NAME).write_text(json.dumps(card))
    generator = add_generator(name="Copy", checkpoint=str(copy))
    (base / "transformer" / "config.json").write_text("{}")
    assert "was trained on another base" in error(a_run(generator))


def test_a_prompt_longer_than_the_text_encoder_takes_with_what_would_be_cut(checkpoint, error):
    generator = add_generator(name="Tiny", checkpoint=str(checkpoint))
    said = error(a_run(generator, " ".join(["polyps"] * 40)))
    assert "it would lose 'polyps" in said
    assert "Shorten 'polyps polyps" in said


def test_an_unknown_scheduler_is_refused_when_the_generator_is_added(checkpoint):
    with pytest.raises(ImportRefused, match="Unknown scheduler 'heun'; choose one of: ddim"):
        add_generator(name="Tiny", checkpoint=str(checkpoint), settings={"scheduler": "heun"})
    assert not Generator.objects.exists()


def test_a_scheduler_that_the_family_has_not_is_refused_before_any_sampling(checkpoint, error):
    generator = add_generator(name="Tiny", checkpoint=str(checkpoint))
    generator.settings = {**generator.settings, "scheduler": "pndm", "eta": 0}
    generator.save()
    assert "choose one of: ddim, ddpm, dpmsolver++" in error(a_run(generator))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"images_per_set": 0}, "0 images per set: choose 1 to 24"),
        ({"images_per_set": 25}, "25 images per set"),
        ({"seed": -1}, "The seed is -1"),
        ({"seed": 2**63}, "choose a whole number from 0"),
    ],
)
def test_numbers_that_can_t_be_are_refused_when_the_run_is_asked_for(checkpoint, wrong, said):
    generator = add_generator(name="Tiny", checkpoint=str(checkpoint))
    asked = {"images_per_set": 2, "seed": 1, **wrong}
    with pytest.raises(RunError, match=said):
        create_run(generator=generator, prompts=prompts("red"), by=None, **asked)
    assert not Run.objects.exists()


def test_a_prompt_named_twice_is_refused(checkpoint):
    generator = add_generator(name="Tiny", checkpoint=str(checkpoint))
    with pytest.raises(RunError, match="A prompt is named twice"):
        create_run(
            generator=generator, prompts=prompts("red") * 2, images_per_set=2, seed=1, by=None
        )
