import re
import sys
import time

import pytest
from django.core.management import CommandError, call_command

from generation.imports import add_generator
from generation.models import Chunk, Run
from tests.builders import a_dataset, a_generator, a_user, an_image
from tests.generation.a_run import a_run

pytestmark = pytest.mark.django_db(transaction=True)
Status = Run.Status


@pytest.fixture
def prompts():
    return a_dataset(pairs=1, images_per_pair=0)


@pytest.fixture
def work(monkeypatch):
    """Gives chunks another performer, a plain function of the chunk."""

    def give(function):
        monkeypatch.setattr(sys.modules[__name__], "performer", function, raising=False)
        monkeypatch.setattr(Chunk, "performer", f"{__name__}.performer")

    return give


@pytest.fixture
def queue(monkeypatch):
    """The queues to which nudges were sent."""
    from generation.tasks import work

    sent = []
    monkeypatch.setattr(work, "apply_async", lambda queue, **_: sent.append(queue))
    return sent


def generate(prompts, *more, generator=None):
    generator = generator or a_generator()
    arguments = [f"--generator={generator.slug}", f"--prompts-dataset={prompts.slug}", *more]
    call_command("generate", *arguments)


def test_a_run_can_be_left_to_the_workers(prompts, queue, capsys):
    alice = a_user("alice", researcher=True)
    generate(prompts, "--queue", "--owner=alice", "--priority=high", "--images-per-set=3")
    run = Run.objects.get()
    assert (run.status, run.priority, run.created_by) == (Status.QUEUED, Run.Priority.HIGH, alice)
    assert queue == ["gpu"]
    said = capsys.readouterr().out
    assert f"Run {run.pk} waits for the workers" in said
    assert "6 images in 2 sets" in said
    assert run.get_absolute_url() in said


def test_ctrl_c_cancels_nothing_and_says_how_to_go_on(prompts, checkpoint, work, monkeypatch):
    def interrupted(chunk):
        raise KeyboardInterrupt

    tiny = add_generator(name="Tiny", checkpoint=str(checkpoint))
    real = Chunk.performer
    work(interrupted)
    with pytest.raises(CommandError, match="Stopped with 0 of 4 images") as caught:
        generate(prompts, "--images-per-set=2", generator=tiny)
    run, chunk = Run.objects.get(), Chunk.objects.get()
    assert f"generate --resume {run.pk}" in str(caught.value)
    assert caught.value.returncode == 130
    assert (chunk.status, chunk.attempts, chunk.holder) == (Status.QUEUED, 0, "")
    assert not run.cancel_requested
    monkeypatch.setattr(Chunk, "performer", real)
    call_command("generate", f"--resume={run.pk}", "--priority=low")
    run.refresh_from_db()
    assert (run.status, run.done, run.priority) == (Status.DONE, 4, Run.Priority.LOW)
    chunk.refresh_from_db()
    assert chunk.attempts == 1, "the one that was stopped does not count"


def test_the_bar_shows_how_far_how_fast_and_what_failed(prompts, work, capsys, monkeypatch):
    def one_fails(chunk):
        if chunk.number == 1:
            raise ValueError("The first one is odd.")
        for index in range(2):
            an_image(image_set=chunk.image_sets.get(), index=index)
        chunk.beat(done=2)
        chunk.run.sum_up()
        time.sleep(1.5)  # so that it is seen

    monkeypatch.setattr("generation.runs.CHUNK", 4)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    work(one_fails)
    with pytest.raises(CommandError, match=r"failed with 2 of 8 images\. The first one is odd\."):
        generate(prompts, "--images-per-set=4")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    bar = re.search(rf"Run {Run.objects.get().pk}: Zanzibar.*images/s.*2/8", shown)
    assert bar
    assert re.search(r" · \d+(\.\d)? images/s · about \d+ s left · 1 chunk failed ", bar[0])


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--images-per-set=0"], "0 images per set: choose 1 to 24."),
        (["--images-per-set=25"], "25 images per set: choose 1 to 24."),
        (["--seed=-1"], "The seed is -1"),
        ([f"--seed={2**63}"], "choose a whole number from 0"),
        (["--seed=x"], "argument --seed: invalid int value: 'x'"),
        (["--priority=urgent"], "invalid choice: 'urgent'"),
        (["--owner=nobody"], "No user “nobody”; there are: none yet."),
        (["--queue", "--images-per-set=0"], "0 images per set"),
    ],
)
def test_what_can_t_be_is_said_in_one_line_before_anything_is_made(prompts, flags, complaint):
    with pytest.raises(CommandError) as caught:
        generate(prompts, *flags)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Run.objects.exists()


def test_a_run_goes_on_as_it_is():
    run = a_run()
    with pytest.raises(CommandError, match="leave out --generator, --owner"):
        call_command("generate", f"--resume={run.pk}", "--generator=x", "--owner=alice")
    with pytest.raises(CommandError, match=f"No run “0”; there are: {run.pk}"):
        call_command("generate", "--resume=0")
