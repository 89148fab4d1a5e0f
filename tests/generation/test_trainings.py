import json
import os
import subprocess
import sys

import pytest
from django.conf import settings as configured

from generation import jobs
from generation.engine.loading import checkpoint_digest
from generation.models import Generator, Prompt, Training
from generation.training.config import CONFIGS, TrainingConfigError
from generation.training.presets import PRESETS, make_config
from generation.training_settings import as_lines, read_lines, resolve
from generation.trainings import (
    BEAT,
    TrainingError,
    change_training,
    perform_training,
    register,
    training_images,
)
from tests.generation.a_training import a_training, a_training_set

Status = Training.Status
STEPS = 4 + 5  # of the tiny MSDM's autoencoder and U-Net


@pytest.fixture
def squares(tmp_path, db):
    return a_training_set(tmp_path / "drawn")


@pytest.fixture
def at(monkeypatch):
    """``at(stage, step, act)`` does ``act`` the first time that a training shows this step.

    Every step is then shown; the list that it gives fills with them.
    """

    def arrange(stage, step, act):
        original, seen, acts = Training.show, [], [act]

        def show(self, **now):
            original(self, **now)
            if now.get("stage"):
                seen.append(self.history[-1][:2])
                if seen[-1] == [stage, step] and acts:
                    acts.pop()(self)

        monkeypatch.setattr(Training, "show", show)
        return seen

    monkeypatch.setattr("generation.trainings.BEAT", 0)
    return arrange


def fill_the_disk(_training):
    raise OSError("The disk is full.")


def perform(training):
    jobs.perform(Training, training.pk)
    training.refresh_from_db()
    return training


@pytest.mark.django_db(transaction=True)
def test_a_training_ends_as_a_registered_generator_and_says_what_was_trained(squares, at):
    training = perform(a_training(squares, validation_prompts=("a red square.",)))
    assert (training.status, training.error) == (Status.DONE, "")
    assert (training.done, training.total) == (STEPS, STEPS)
    generator = training.generator
    assert (generator.name, generator.trained_on, generator.licence) == ("Squares", squares, "CC0")
    assert generator.checkpoint == str(training.directory)
    assert generator.digest == checkpoint_digest(training.directory)
    recorded = generator.card["training"]["config"]
    assert recorded == json.loads(json.dumps(training.config))
    assert not training.work.exists()
    assert [point[:2] for point in training.history] == [
        *(["vae", step] for step in range(1, 5)),
        *(["unet", step] for step in range(1, 6)),
    ]
    assert training.loss == pytest.approx(training.history[-1][2], abs=1e-5)
    assert [grid.name for grid in training.grids.iterdir()] == ["unet-00000005.png"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("stage", "step"), [("vae", 3), ("unet", 4)])
def test_a_training_cancelled_midway_and_retried_ends_like_an_undisturbed_one(
    squares, at, stage, step
):
    whole = perform(a_training(squares, name="Whole"))
    cut = a_training(squares, name="Cut")
    at(stage, step, Training.cancel)
    perform(cut)
    assert (cut.status, cut.generator) == (Status.CANCELLED, None)
    assert cut.done == (step if stage == "vae" else 4 + step)
    assert cut.retry()
    perform(cut)
    assert (cut.status, cut.done) == (Status.DONE, STEPS)
    assert checkpoint_digest(cut.directory) == checkpoint_digest(whole.directory)
    assert cut.history == whole.history


@pytest.mark.django_db(transaction=True)
def test_a_training_that_fails_says_why_and_goes_on_from_its_newest_checkpoint(squares, at):
    training = a_training(squares)
    seen = at("unet", 3, fill_the_disk)
    perform(training)
    assert (training.status, training.error) == (Status.FAILED, "The disk is full.")
    states = sorted(path.name for path in (training.work / "unet").iterdir())
    assert states == ["step-00000002.safetensors"]
    seen.clear()
    assert training.retry()
    perform(training)
    assert (training.status, training.error) == (Status.DONE, "")
    assert seen[0] == ["unet", 3], "it went on from the checkpoint of step 2"


@pytest.mark.django_db(transaction=True)
def test_a_checkpoint_is_registered_once_however_often_the_job_is_done(squares):
    training = perform(a_training(squares))
    Training.objects.update(status=Status.QUEUED, generator=None)
    perform(training)
    assert training.generator == Generator.objects.get()
    assert register("Squares", training.directory, squares) == training.generator


@pytest.mark.django_db(transaction=True)
def test_no_training_is_lost_to_a_name_that_was_taken_meanwhile(squares, checkpoint):
    training = a_training(squares)
    first = register("Squares", checkpoint, squares)
    perform(training)
    assert (first.slug, training.generator.name) == ("squares", "Squares 2")


@pytest.mark.django_db(transaction=True)
def test_a_process_trains_one_number_format_after_another(squares):
    plain = perform(a_training(squares, name="Plain"))
    mixed = perform(a_training(squares, name="Mixed", mixed_precision="bf16"))
    assert (plain.status, mixed.status) == (Status.DONE, Status.DONE), mixed.error
    assert checkpoint_digest(plain.directory) != checkpoint_digest(mixed.directory)


KILLED = """
import os, signal, sys
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
from generation import jobs, trainings
from generation.engine.loading import checkpoint_digest
from generation.models import Training
from tests.generation.a_training import a_training, a_training_set

trainings.BEAT = 0
if sys.argv[1] == "kill":
    call_command("migrate", verbosity=0)
    squares = a_training_set(Path(sys.argv[2]))
    whole, cut = a_training(squares, name="Whole"), a_training(squares, name="Cut")
    jobs.perform(Training, whole.pk)
    show = Training.show
    def die(self, **now):
        show(self, **now)
        if now.get("stage") == "unet" and self.history[-1][1] == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    Training.show = die
    jobs.perform(Training, cut.pk)
whole, cut = Training.objects.order_by("pk")
assert cut.status == "running", cut.status
jobs.requeue_orphans()
jobs.perform(Training, cut.pk)
cut.refresh_from_db()
assert (cut.status, cut.attempts, cut.done) == ("done", 2, 9), (cut.status, cut.error)
assert checkpoint_digest(cut.directory) == checkpoint_digest(whole.directory)
assert cut.history == whole.history
"""


def test_a_training_killed_midway_is_put_back_and_ends_like_an_undisturbed_one(tmp_path):
    (tmp_path / "script.py").write_text(KILLED)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(configured.BASE_DIR),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    codes = []
    for act in ("kill", "go on"):
        done = subprocess.run(
            [sys.executable, str(tmp_path / "script.py"), act, str(tmp_path / "drawn")],
            env=environment,
            cwd=configured.BASE_DIR,
            capture_output=True,
            text=True,
            check=False,
        )
        codes.append(done.returncode)
    assert codes == [-9, 0], done.stderr


def test_training_images_bring_captions_and_other_words_for_each(squares):
    red = squares.prompts.get(text="red")
    other = Prompt.objects.create(dataset=squares, text="crimson", rephrasing_of=red)
    images = training_images(squares, "train")
    assert len(images) == 9
    assert images[0].captions == ("a red square.", "red")
    assert images[0].rephrasings == {"a red square.": (), "red": (other.text,)}
    assert images[0].path.read_bytes()
    with pytest.raises(TrainingError, match="no split “test”; it has: train"):
        training_images(squares, "test")


def test_a_name_is_refused_that_is_taken_or_empty(squares, checkpoint):
    register("Taken", checkpoint, squares)
    a_training(squares, name="Under way")
    for name, complaint in {
        "Taken": "There is a generator “Taken” already",
        "under-way": "“under-way” is being trained already",
        "!?": "letters or digits",
    }.items():
        with pytest.raises(TrainingError, match=complaint):
            a_training(squares, name=name)
    assert Training.objects.count() == 1


def test_epochs_are_counted_as_steps(squares):
    training = a_training(squares, num_train_epochs=3, train_batch_size=2)
    assert training.total == 4 + 14  # 27 samples in batches of 2


def test_a_stopped_training_takes_the_settings_that_may_change_and_no_others(squares):
    training = a_training(squares)
    change_training(training, {"max_train_steps": 9})
    training.refresh_from_db()
    assert training.total == STEPS, "it is queued: a worker may have read it"
    Training.objects.update(status=Status.FAILED)
    change_training(training, {"max_train_steps": 9, "learning_rate": "5e-5"})
    training.refresh_from_db()
    assert (training.total, training.config["learning_rate"]) == (13, 5e-5)
    with pytest.raises(TrainingError, match=r"^resolution can't change"):
        change_training(training, {"resolution": 64, "learning_rate": 1e-5})
    with pytest.raises(TrainingConfigError, match="no setting 'lerning_rate'"):
        change_training(training, {"lerning_rate": 1e-5})


def test_the_database_is_not_written_to_at_every_step(squares, django_assert_max_num_queries):
    training = a_training(squares, max_train_steps=60)
    Training.objects.filter(pk=training.pk).update(status=Status.RUNNING)
    training.refresh_from_db()
    beats = []
    training.beat = lambda **now: beats.append(now)
    perform_training(training)
    assert len(beats) < 60 / 2
    assert BEAT >= 0.5


@pytest.mark.parametrize("family", CONFIGS)
def test_every_preset_can_be_written_as_lines_and_read_again(family):
    for config in PRESETS[family].values():
        lines = as_lines(config.to_json())
        assert make_config(family, "paper", read_lines(lines)) == config


def test_all_that_is_wrong_with_settings_is_said_at_once_and_nothing_that_is_right():
    changes = {"eta": 1, "scheduler": "ddim", "resolution": 33, "magic": 1, "seed": "x"}
    with pytest.raises(TrainingConfigError) as caught:
        resolve("stable_diffusion", "paper", changes)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("resolution is 33")
    assert lines[1].startswith("stable_diffusion has no setting 'magic'; its settings are: ")
    assert lines[2].startswith("seed is 'x'; a whole number")
    assert resolve("stable_diffusion", "paper", {"eta": 1, "scheduler": "ddim"}).eta == 1


def test_lines_that_can_t_be_read_name_their_place():
    with pytest.raises(TrainingConfigError, match=r"line 2.*words and texts in quotes"):
        read_lines("seed = 1\nmixed_precision = bf16")
