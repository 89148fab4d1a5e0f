from threading import Event
from time import sleep

import pytest

from generation import sampling
from generation.sampling import _behind


def test_what_took_long_to_sample_is_kept_before_the_next_batch(monkeypatch):
    monkeypatch.setattr(sampling, "SHARE", 100)  # else a busy machine may take too long
    kept = []
    with _behind(kept.append) as do:
        for number in range(3):
            sleep(0.05)
            do(lambda number=number: number)
            assert kept == list(range(number + 1))


def test_the_next_batch_does_not_wait_for_slow_storing_of_the_last(monkeypatch):
    monkeypatch.setattr(sampling, "SHARE", 0)
    kept, stored = [], Event()
    with _behind(kept.append) as do:
        do(stored.wait, 30)
        assert kept == []
        stored.set()
    assert kept == [True]


def test_what_could_not_be_stored_is_told_and_the_batch_after_it_is_kept(monkeypatch):
    monkeypatch.setattr(sampling, "SHARE", 0)
    full = Event()

    def refuse():
        full.wait(30)
        raise OSError("the disk is full")

    kept = []

    def two_batches():
        with _behind(kept.append) as do:
            do(refuse)
            full.set()
            do(lambda: "second")

    with pytest.raises(OSError, match="full"):
        two_batches()
    assert kept == ["second"]
