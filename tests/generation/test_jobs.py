import errno
import os
import subprocess
import sys
from datetime import timedelta
from math import ceil

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from analysis.models import Report
from generation import jobs
from generation.kept import TURN, Kept
from generation.models import Chunk, Run
from generation.models.jobs import MAX_ATTEMPTS, STALE_AFTER
from generation.runs import create_run
from tests.builders import a_dataset, a_generator, a_study

Status = Run.Status
HERE = jobs._HERE


@pytest.fixture
def queue(monkeypatch):
    """The queues to which nudges were sent."""
    from generation.tasks import work

    sent = []
    monkeypatch.setattr(work, "apply_async", lambda queue, **_: sent.append(queue))
    return sent


@pytest.fixture
def work(monkeypatch):
    """Gives chunks another performer, a plain function of the chunk."""

    def give(function):
        monkeypatch.setattr(sys.modules[__name__], "performer", function, raising=False)
        monkeypatch.setattr(Chunk, "performer", f"{__name__}.performer")

    return give


def a_run(*, sets=2, images=5, **fields) -> Run:
    dataset = a_dataset(pairs=ceil(sets / 2), images_per_pair=0)
    return create_run(
        generator=a_generator(),
        prompts=list(dataset.prompts.all()[:sets]),
        images_per_set=images,
        seed=1,
        by=None,
        **fields,
    )


def a_chunk(**fields) -> Chunk:
    """Of a run that has no other."""
    run = a_run()
    run.chunks.update(**fields)
    run.sum_up()
    return run.chunks.get()


def a_dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def running(pid, *, host=HERE, silent_for=timedelta(0), **fields) -> Chunk:
    return a_chunk(
        status=Status.RUNNING,
        holder=f"{host}/{pid}/abc",
        heartbeat_at=timezone.now() - silent_for,
        **fields,
    )


@pytest.mark.django_db(transaction=True)
def test_a_job_is_queued_when_the_transaction_is_through_and_not_before(queue):
    chunk = a_chunk()
    with transaction.atomic():
        jobs.enqueue(chunk)
        assert queue == []
    assert queue == ["gpu"]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_queues_nothing(queue):
    chunk = a_chunk()
    with transaction.atomic():
        jobs.enqueue(chunk)
        transaction.set_rollback(True)
    assert queue == []


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_is_a_warning_and_the_row_keeps_the_job(monkeypatch, caplog):
    from generation.tasks import work

    def refuse(**_):
        raise ConnectionRefusedError("no broker")

    monkeypatch.setattr(work, "apply_async", refuse)
    chunk = a_chunk()
    jobs.enqueue(chunk)
    assert "no broker" in caplog.text
    chunk.refresh_from_db()
    assert chunk.status == Status.QUEUED


@pytest.mark.django_db
def test_a_job_is_done_once_however_often_its_message_comes(work):
    done = []
    work(lambda chunk: done.append(chunk.pk))
    chunk = a_chunk()
    for _ in range(3):
        jobs.perform(Chunk, chunk.pk)
    chunk.refresh_from_db()
    assert (done, chunk.status, chunk.attempts) == ([chunk.pk], Status.DONE, 1)
    assert chunk.finished_at


@pytest.mark.django_db
def test_a_failed_job_says_why(work):
    def fail(chunk):
        raise ValueError("The model is broken: mend it.")

    work(fail)
    chunk = a_chunk()
    jobs.perform(Chunk, chunk.pk)
    chunk.refresh_from_db()
    assert (chunk.status, chunk.error) == (Status.FAILED, "The model is broken: mend it.")


@pytest.mark.django_db
def test_a_retried_job_keeps_what_it_had_and_loses_its_error(work):
    work(lambda chunk: chunk.beat(done=10))
    chunk = a_chunk(status=Status.FAILED, error="broken", done=4, attempts=3)
    assert chunk.retry()
    chunk.refresh_from_db()
    assert (chunk.status, chunk.error, chunk.done, chunk.attempts) == (Status.QUEUED, "", 4, 0)
    jobs.perform(Chunk, chunk.pk)
    chunk.refresh_from_db()
    assert (chunk.status, chunk.done) == (Status.DONE, 10)
    assert not chunk.retry()


@pytest.mark.django_db
def test_a_running_job_is_cancelled_at_its_next_beat(work):
    steps = []

    def go_on(chunk):
        for step in range(5):
            chunk.beat(done=step)
            steps.append(step)
            if step == 2:
                Chunk.objects.get(pk=chunk.pk).cancel()

    work(go_on)
    chunk = a_chunk()
    jobs.perform(Chunk, chunk.pk)
    chunk.refresh_from_db()
    assert (chunk.status, steps) == (Status.CANCELLED, [0, 1, 2])


@pytest.mark.django_db
def test_a_queued_job_is_cancelled_at_once(work):
    work(lambda chunk: pytest.fail("a cancelled job was started"))
    chunk = a_chunk()
    chunk.cancel()
    jobs.perform(Chunk, chunk.pk)
    chunk.refresh_from_db()
    assert chunk.status == Status.CANCELLED


@pytest.mark.django_db
def test_a_worker_that_lost_its_job_touches_nothing_more(work):
    def lose(chunk):
        Chunk.objects.filter(pk=chunk.pk).update(holder="elsewhere/1/x", done=7)
        chunk.beat(done=3)

    work(lose)
    chunk = a_chunk()
    jobs.perform(Chunk, chunk.pk)
    chunk.refresh_from_db()
    assert (chunk.status, chunk.holder, chunk.done) == (Status.RUNNING, "elsewhere/1/x", 7)


@pytest.mark.django_db(transaction=True)
def test_a_long_step_shows_that_its_process_lives(work, monkeypatch):
    monkeypatch.setattr(jobs, "_PULSE", 0.02)
    past = timezone.now() - STALE_AFTER * 2

    def think(chunk):
        Chunk.objects.filter(pk=chunk.pk).update(heartbeat_at=past)
        for _ in range(200):
            if Chunk.objects.get(pk=chunk.pk).heartbeat_at > past:
                return
        pytest.fail("no heartbeat")

    work(think)
    chunk = a_chunk()
    jobs.perform(Chunk, chunk.pk)
    chunk.refresh_from_db()
    assert (chunk.status, chunk.error) == (Status.DONE, "")


@pytest.mark.django_db(transaction=True)
def test_a_starting_worker_puts_back_what_a_dead_process_of_its_machine_held(queue):
    orphan = running(a_dead_process())
    jobs.requeue_orphans()
    orphan.refresh_from_db()
    assert (orphan.status, orphan.holder) == (Status.QUEUED, "")
    assert jobs.waits(["gpu"])
    assert not jobs.waits(["cpu"])


@pytest.mark.django_db(transaction=True)
def test_a_worker_with_the_number_of_its_predecessor_is_not_that_one(queue):
    orphan = running(os.getpid())
    jobs.requeue_orphans()
    orphan.refresh_from_db()
    assert orphan.status == Status.QUEUED


@pytest.mark.django_db(transaction=True)
def test_jobs_of_living_processes_and_of_other_machines_are_left_alone(queue):
    living = [running(os.getppid()), running(a_dead_process(), host="elsewhere")]
    jobs.requeue_orphans()
    for chunk in living:
        chunk.refresh_from_db()
        assert chunk.status == Status.RUNNING
    assert queue == []


@pytest.mark.django_db(transaction=True)
def test_a_silent_job_of_another_machine_is_put_back(queue):
    silent = running(1, host="elsewhere", silent_for=STALE_AFTER * 2)
    jobs.requeue_orphans()
    silent.refresh_from_db()
    assert silent.status == Status.QUEUED


@pytest.mark.django_db(transaction=True)
def test_a_job_that_kills_its_worker_each_time_is_given_up(queue):
    deadly = running(a_dead_process(), attempts=MAX_ATTEMPTS)
    jobs.requeue_orphans()
    deadly.refresh_from_db()
    assert deadly.status == Status.FAILED
    assert f"after {MAX_ATTEMPTS} attempts" in deadly.error
    assert queue == []


@pytest.mark.django_db(transaction=True)
def test_a_job_that_gets_on_outlives_any_number_of_crashes():
    job = running(a_dead_process(), attempts=MAX_ATTEMPTS, done_before=3, done=4)
    jobs.requeue_orphans()
    job.refresh_from_db()
    assert (job.status, job.attempts, job.not_before) == (Status.QUEUED, 1, None)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        ConnectionResetError("the storage hung up"),
        OperationalError("server closed the connection unexpectedly"),
    ],
)
def test_what_may_pass_is_tried_again_after_a_pause_and_given_up_in_the_end(work, error):
    def fail(chunk):
        raise error

    work(fail)
    chunk = a_chunk()
    pauses = []
    for _ in range(MAX_ATTEMPTS - 1):
        Chunk.objects.update(not_before=None)
        jobs.perform(Chunk, chunk.pk)
        chunk.refresh_from_db()
        assert chunk.status == Status.QUEUED
        assert str(error) in chunk.error
        pauses.append(chunk.not_before)
    assert pauses[0] is None  # once is nothing
    assert pauses[1:] == sorted(pauses[1:])
    assert not jobs.waits(["gpu"])
    jobs.perform(Chunk, chunk.pk)
    chunk.refresh_from_db()
    assert chunk.status == Status.FAILED
    assert str(error) in chunk.error


@pytest.mark.django_db
def test_a_chunk_that_kills_its_workers_does_not_stop_the_others(work):
    work(lambda chunk: None)
    run = a_run(sets=16, images=10)
    poison = run.chunks.first()
    Chunk.objects.filter(pk=poison.pk).update(
        status=Status.RUNNING, holder=f"{HERE}/{a_dead_process()}/x", attempts=MAX_ATTEMPTS
    )
    jobs.requeue_orphans()
    while jobs.perform_next(["gpu"]):
        pass
    assert list(run.chunks.values_list("status", flat=True)) == ["failed", "done", "done", "done"]
    run.refresh_from_db()
    assert run.status == Status.FAILED
    assert "its worker died" in run.error
    assert run.retry()
    run.refresh_from_db()
    assert (run.status, run.error) == (Status.RUNNING, "")


@pytest.mark.django_db
def test_a_worker_killed_at_the_end_of_the_last_chunk_leaves_no_run_that_never_ends(
    work, monkeypatch
):
    def die(run):
        raise SystemExit

    work(lambda chunk: monkeypatch.setattr(Run, "sum_up", die))
    chunk = a_chunk()
    with pytest.raises(SystemExit):
        jobs.perform(Chunk, chunk.pk)
    monkeypatch.undo()
    chunk.refresh_from_db()
    assert chunk.status == Status.RUNNING, "so that it is put back, and the run summed up then"
    Chunk.objects.update(holder=f"{HERE}/{a_dead_process()}/x")
    jobs.requeue_orphans()
    work(lambda chunk: None)
    assert jobs.perform_next(["gpu"]).run == chunk.run
    chunk.run.refresh_from_db()
    assert chunk.run.status == Status.DONE


# Which comes next


@pytest.mark.django_db
def test_a_small_run_does_not_wait_for_the_large_ones(work):
    work(lambda chunk: chunk.beat(done=chunk.total))
    large = [a_run(sets=40, images=10) for _ in range(3)]
    small = a_run(sets=1, images=3)
    order = performed()
    first = [run.pk for run in order[:4]]
    assert sorted(first) == sorted([*(run.pk for run in large), small.pk])
    assert len(order) == 3 * 10 + 1


@pytest.mark.django_db
def test_a_run_of_higher_priority_goes_first(work):
    work(lambda chunk: chunk.beat(done=chunk.total))
    low = a_run(sets=8, images=10, priority=Run.Priority.LOW)
    normal = a_run(sets=8, images=10)
    high = a_run(sets=8, images=10, priority=Run.Priority.HIGH)
    assert performed() == [high, high, normal, normal, low, low]


@pytest.mark.django_db
def test_the_generator_that_is_loaded_goes_on_while_its_turn_lasts(work, monkeypatch):
    work(lambda chunk: chunk.beat(done=chunk.total))
    other, loaded = a_run(sets=12, images=10), a_run(sets=12, images=10)
    kept = Kept()
    monkeypatch.setattr("generation.models.runs.kept", kept)
    kept.sampler(loaded.generator_id, "key", lambda: "the sampler")
    first = performed(2)
    kept._since -= TURN + 1
    assert first == [loaded, loaded]
    assert performed() == [other, other, other, loaded]  # until both have as many images


@pytest.mark.django_db
def test_a_report_does_not_wait_for_images(work):
    work(lambda chunk: pytest.fail("the report comes first"))
    a_run()
    report = Report.objects.create(study=a_study(state="closed"), embedder="unknown")
    assert jobs.perform_next(["gpu", "cpu"]) == report


def performed(most=100) -> list[Run]:
    """The runs whose chunks are done one after the other, from now on."""
    order = []
    while len(order) < most and (job := jobs.perform_next(["gpu"])):
        order.append(job.run)
    return order


@pytest.mark.django_db
def test_time_left_comes_from_this_attempt_alone():
    started = timezone.now() - timedelta(seconds=10)
    chunk = running(1, started_at=started, done_before=8, done=8)
    assert chunk.total == 10
    assert chunk.seconds_left is None  # the eight images are of an earlier attempt
    chunk.done = 9
    assert chunk.seconds_left == pytest.approx(10, rel=0.1)
