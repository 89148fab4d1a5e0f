import hashlib
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.files.storage import default_storage
from PIL import Image as Pillow

from generation.datasets.prompts import PromptRow
from generation.engine import families, registry
from generation.engine.loading import checkpoint_digest
from generation.engine.seeding import image_seed
from generation.engine.spec import Card
from generation.imports import add_generator, import_prompts
from generation.jobs import perform
from generation.models import Chunk, Image, ImageSet, Run
from generation.runs import RunError, create_run
from tests.builders import a_dataset, a_generator
from tests.generation import odd_samplers

pytestmark = pytest.mark.django_db
Status = Run.Status


@pytest.fixture
def generator(checkpoint):
    return add_generator(name="Tiny", checkpoint=str(checkpoint))


@pytest.fixture
def squares():
    rows = [PromptRow("a red square.", "red"), PromptRow("a green square.", "green")]
    return list(import_prompts(slug="squares", name="Squares", rows=rows).prompts.all())


def a_run(generator, prompts, *, images_per_set=3, seed=7):
    return create_run(
        generator=generator, prompts=prompts, images_per_set=images_per_set, seed=seed, by=None
    )


def done(run) -> Run:
    """The run after a worker has had its turn with every chunk."""
    for chunk in run.chunks.all():
        perform(Chunk, chunk.pk)
    run.refresh_from_db()
    return run


def pixels(run):
    images = Image.objects.filter(image_set__run=run)
    return {(i.image_set.prompt.text, i.index): i.sha256 for i in images}


def test_a_run_fills_every_set_and_every_image_says_how_it_was_made(generator, squares):
    run = done(a_run(generator, squares))
    assert (run.status, run.done, run.total, run.error) == (Status.DONE, 12, 12, "")
    for image_set in run.image_sets.all():
        assert image_set.completed_at
        assert [image.index for image in image_set.images.all()] == [0, 1, 2]
    image = run.image_sets.get(prompt__text="red").images.get(index=2)
    with image.file.open() as file:
        data = file.read()
    assert hashlib.sha256(data).hexdigest() == image.sha256
    with Pillow.open(default_storage.path(image.file.name)) as picture:
        assert (picture.mode, picture.size) == ("RGB", (32, 32))
        assert picture.info == {}, "no metadata in the file"
    seed = image_seed(seed=7, prompt="red", index=2)
    said = image.provenance
    assert image.seed == said["seed"] == seed
    assert said["checkpoint"] == generator.digest
    assert (said["generator"], said["prompt"], said["steps"]) == ("Tiny", "red", 4)
    keys = {"family", "scheduler", "guidance_scale", "eta", "dtype", "device", "libraries"}
    assert keys <= set(said)


def test_the_same_request_gives_the_same_pixels_and_another_seed_others(generator, squares):
    first = pixels(done(a_run(generator, squares)))
    assert len(set(first.values())) == 12
    assert pixels(done(a_run(generator, squares))) == first
    assert not set(pixels(done(a_run(generator, squares, seed=8))).values()) & set(first.values())


def test_a_run_that_stopped_midway_ends_with_the_images_of_an_undisturbed_one(generator, squares):
    run = done(a_run(generator, squares, images_per_set=7))
    undisturbed = pixels(run)
    kept = set(Image.objects.values_list("pk", flat=True)[:14])
    for image in Image.objects.exclude(pk__in=kept):
        Path(default_storage.path(image.file.name)).unlink()
        image.delete()
    Chunk.objects.update(status=Status.QUEUED)
    ImageSet.objects.update(completed_at=None)
    run = done(run)
    assert (run.status, run.done) == (Status.DONE, 28)
    assert pixels(run) == undisturbed
    assert kept < set(Image.objects.values_list("pk", flat=True))
    assert not run.image_sets.filter(completed_at=None).exists()


def test_a_finished_run_that_is_performed_again_loads_nothing_and_adds_nothing(
    checkpoint, squares, tmp_path
):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    run = done(a_run(add_generator(name="Copy", checkpoint=str(copy)), squares))
    there = pixels(run)
    shutil.rmtree(copy)
    Chunk.objects.update(status=Status.QUEUED, done=4)  # stored, but killed before it was said
    run = done(run)
    assert (run.status, run.done) == (Status.DONE, 12)
    assert pixels(run) == there


def test_a_checkpoint_that_changed_since_it_was_registered_is_refused(
    checkpoint, squares, tmp_path
):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    generator = add_generator(name="Copy", checkpoint=str(copy))
    card = json.loads((copy / "blindread.json").read_text())
    (copy / "blindread.json").write_text(json.dumps({**card, "licence": "another"}))
    run = done(a_run(generator, squares))
    assert run.status == Status.FAILED
    assert "“Copy” has changed since it was registered" in run.error
    assert not Image.objects.exists()
    shutil.rmtree(copy)
    run.retry()
    assert "There is no directory" in done(run).error


@pytest.mark.parametrize(("images", "prompts"), [(0, 1), (25, 1), (5, 0)])
def test_a_run_of_nothing_or_too_much_is_refused(squares, images, prompts):
    with pytest.raises(RunError):
        a_run(a_generator(), squares[:prompts], images_per_set=images)
    assert not Run.objects.exists()


def test_a_prompt_that_the_model_can_t_take_whole_is_named(generator):
    long = " ".join(["polyps"] * 40)
    dataset = import_prompts(slug="long", name="Long", rows=[PromptRow(long)])
    run = done(a_run(generator, list(dataset.prompts.all())))
    assert run.status == Status.FAILED
    assert "Shorten 'polyps polyps" in run.error


# The quality gate, and machines that are too small


@pytest.fixture
def odd_run(monkeypatch, tmp_path):
    """Makes a run of a sampler of `odd_samplers`, ten images for each of two prompts."""

    def make(name):
        module = SimpleNamespace(Sampler=getattr(odd_samplers, name))
        monkeypatch.setitem(sys.modules, f"{families.__name__}.{name}", module)
        monkeypatch.setattr(registry, "FAMILIES", (*registry.FAMILIES, name))
        weights = tmp_path / "weights"
        weights.mkdir()
        generator = a_generator(
            family=name,
            checkpoint=str(weights),
            digest=checkpoint_digest(weights),
            card=Card(
                family=name,
                settings=odd_samplers.Noise.settings,
                token_length=8,
                parameters={},
                licence="",
            ).to_json(),
        )
        prompts = list(a_dataset(pairs=2, images_per_pair=0).prompts.filter(rephrasing_of=None))
        return done(a_run(generator, prompts, images_per_set=10))

    return make


def test_a_blank_image_is_drawn_again_from_another_seed(odd_run):
    run = odd_run("BlankAtFirst")
    assert (run.status, run.done) == (Status.DONE, 20)
    first = run.image_sets.first()
    for image in first.images.all():
        [rejected] = image.provenance["rejected"]
        assert rejected["reason"] == "blank"
        assert rejected["seed"] == image_seed(seed=7, prompt=first.prompt.text, index=image.index)
        assert image.seed == image_seed(
            seed=7, prompt=first.prompt.text, index=image.index, attempt=1
        )
    assert all(not i.provenance["rejected"] for i in run.image_sets.last().images.all())


def test_a_prompt_that_gives_blank_images_only_fails_the_run_by_name_and_keeps_the_rest(odd_run):
    run = odd_run("BlankOnTwo")
    assert run.status == Status.FAILED
    assert "“Generate an image with 2 polyps.” is blank with 3 seeds in a row" in run.error
    assert Image.objects.count() == 10
    assert len(odd_samplers.BlankOnTwo.calls) == 4  # one for the first set, three for the second


def test_an_image_of_the_wrong_size_is_refused(odd_run):
    assert "8×16 instead of 16×16 pixels" in odd_run("WrongSize").error


def test_an_image_that_repeats_another_of_its_set_is_refused(odd_run):
    assert "the same as another of its set" in odd_run("Repeating").error
    assert Image.objects.count() == 2  # one in each set


def test_too_little_memory_makes_batches_smaller_and_loses_nothing(odd_run):
    run = odd_run("SmallMemory")
    assert (run.status, run.done) == (Status.DONE, 20)
    assert {len(call) for call in odd_samplers.SmallMemory.calls} == {2}


def test_a_run_is_cancelled_between_batches_and_can_go_on(odd_run):
    run = odd_run("Interrupted")
    assert (run.status, run.done) == (Status.CANCELLED, 10)
    assert run.retry()
    run = done(run)
    assert (run.status, run.done) == (Status.DONE, 20)
