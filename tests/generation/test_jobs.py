import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from generation import jobs
from generation.models import Run
from generation.models.jobs import MAX_ATTEMPTS, STALE_AFTER
from generation.runs import create_run
from tests.builders import a_dataset, a_generator

Status = Run.Status
HERE = socket.gethostname()


@pytest.fixture
def queue(monkeypatch):
    """What was put on the queue."""
    from generation.tasks import perform_job

    sent = []
    monkeypatch.setattr(perform_job, "apply_async", lambda args, **_: sent.append(tuple(args)))
    return sent


@pytest.fixture
def work(monkeypatch):
    """Gives runs another performer, a plain function of the run."""

    def give(function):
        monkeypatch.setattr(sys.modules[__name__], "performer", function, raising=False)
        monkeypatch.setattr(Run, "performer", f"{__name__}.performer")

    return give


def a_run(**fields) -> Run:
    run = create_run(
        generator=a_generator(),
        prompts=list(a_dataset(pairs=1, images_per_pair=0).prompts.all()),
        images_per_set=5,
        seed=1,
        by=None,
    )
    Run.objects.filter(pk=run.pk).update(**fields)
    run.refresh_from_db()
    return run


def a_dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def running(pid, *, host=HERE, silent_for=timedelta(0), **fields) -> Run:
    return a_run(
        status=Status.RUNNING,
        holder=f"{host}/{pid}/abc",
        heartbeat_at=timezone.now() - silent_for,
        **fields,
    )


@pytest.mark.django_db(transaction=True)
def test_a_job_is_queued_when_the_transaction_is_through_and_not_before(queue):
    run = a_run()
    with transaction.atomic():
        jobs.enqueue(run)
        assert queue == []
    assert queue == [("generation.Run", run.pk)]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_queues_nothing(queue):
    run = a_run()
    with transaction.atomic():
        jobs.enqueue(run)
        transaction.set_rollback(True)
    assert queue == []


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_is_a_warning_and_the_row_keeps_the_job(monkeypatch, caplog):
    from generation.tasks import perform_job

    def refuse(**_):
        raise ConnectionRefusedError("no broker")

    monkeypatch.setattr(perform_job, "apply_async", refuse)
    run = a_run()
    jobs.enqueue(run)
    assert "no broker" in caplog.text
    run.refresh_from_db()
    assert run.status == Status.QUEUED


@pytest.mark.django_db
def test_a_job_is_done_once_however_often_its_message_comes(work):
    done = []
    work(lambda run: done.append(run.pk))
    run = a_run()
    for _ in range(3):
        jobs.perform(Run, run.pk)
    run.refresh_from_db()
    assert (done, run.status, run.attempts) == ([run.pk], Status.DONE, 1)
    assert run.finished_at


@pytest.mark.django_db
def test_a_failed_job_says_why(work):
    def fail(run):
        raise ValueError("The model is broken: mend it.")

    work(fail)
    run = a_run()
    jobs.perform(Run, run.pk)
    run.refresh_from_db()
    assert (run.status, run.error) == (Status.FAILED, "The model is broken: mend it.")


@pytest.mark.django_db
def test_a_retried_job_keeps_what_it_had_and_loses_its_error(work):
    work(lambda run: run.beat(done=10))
    run = a_run(status=Status.FAILED, error="broken", done=4, attempts=3)
    assert run.retry()
    run.refresh_from_db()
    assert (run.status, run.error, run.done, run.attempts) == (Status.QUEUED, "", 4, 0)
    jobs.perform(Run, run.pk)
    run.refresh_from_db()
    assert (run.status, run.done) == (Status.DONE, 10)
    assert not run.retry()


@pytest.mark.django_db
def test_a_running_job_is_cancelled_at_its_next_beat(work):
    steps = []

    def go_on(run):
        for step in range(5):
            run.beat(done=step)
            steps.append(step)
            if step == 2:
                Run.objects.get(pk=run.pk).cancel()

    work(go_on)
    run = a_run()
    jobs.perform(Run, run.pk)
    run.refresh_from_db()
    assert (run.status, steps) == (Status.CANCELLED, [0, 1, 2])


@pytest.mark.django_db
def test_a_queued_job_is_cancelled_at_once(work):
    work(lambda run: pytest.fail("a cancelled job was started"))
    run = a_run()
    run.cancel()
    jobs.perform(Run, run.pk)
    run.refresh_from_db()
    assert run.status == Status.CANCELLED


@pytest.mark.django_db
def test_a_worker_that_lost_its_job_touches_nothing_more(work):
    def lose(run):
        Run.objects.filter(pk=run.pk).update(holder="elsewhere/1/x", done=7)
        run.beat(done=3)

    work(lose)
    run = a_run()
    jobs.perform(Run, run.pk)
    run.refresh_from_db()
    assert (run.status, run.holder, run.done) == (Status.RUNNING, "elsewhere/1/x", 7)


@pytest.mark.django_db(transaction=True)
def test_a_long_step_shows_that_its_process_lives(work, monkeypatch):
    monkeypatch.setattr(jobs, "_PULSE", 0.02)
    past = timezone.now() - STALE_AFTER * 2

    def think(run):
        Run.objects.filter(pk=run.pk).update(heartbeat_at=past)
        for _ in range(200):
            if Run.objects.get(pk=run.pk).heartbeat_at > past:
                return
        pytest.fail("no heartbeat")

    work(think)
    run = a_run()
    jobs.perform(Run, run.pk)
    run.refresh_from_db()
    assert (run.status, run.error) == (Status.DONE, "")


@pytest.mark.django_db(transaction=True)
def test_a_starting_worker_puts_back_what_a_dead_process_of_its_machine_held(queue):
    orphan = running(a_dead_process())
    jobs.requeue_orphans(starting=True)
    orphan.refresh_from_db()
    assert (orphan.status, orphan.holder) == (Status.QUEUED, "")
    assert queue == [("generation.Run", orphan.pk)]


@pytest.mark.django_db(transaction=True)
def test_a_worker_with_the_number_of_its_predecessor_is_not_that_one(queue):
    orphan = running(os.getpid())
    jobs.requeue_orphans(starting=True)
    orphan.refresh_from_db()
    assert orphan.status == Status.QUEUED


@pytest.mark.django_db(transaction=True)
def test_jobs_of_living_processes_and_of_other_machines_are_left_alone(queue):
    living = [running(os.getppid()), running(a_dead_process(), host="elsewhere")]
    jobs.requeue_orphans(starting=True)
    for run in living:
        run.refresh_from_db()
        assert run.status == Status.RUNNING
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
    jobs.requeue_orphans(starting=True)
    deadly.refresh_from_db()
    assert deadly.status == Status.FAILED
    assert f"after {MAX_ATTEMPTS} attempts" in deadly.error
    assert queue == []


@pytest.mark.django_db(transaction=True)
def test_a_waiting_job_whose_message_was_lost_is_nudged_again(queue):
    run = a_run()
    assert jobs.requeue_orphans() == 1
    assert queue == [("generation.Run", run.pk)]


@pytest.mark.django_db
def test_time_left_comes_from_this_attempt_alone():
    run = running(1, started_at=timezone.now() - timedelta(seconds=10), done=8)
    assert run.total == 10
    assert run.seconds_left is None  # the eight images are of an earlier attempt
