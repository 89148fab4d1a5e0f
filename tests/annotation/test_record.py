"""The record of acts is chained: what is changed, removed or put in is found."""

import hashlib
import json
import threading
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from annotation.erasure import erase_reader
from annotation.errors import AnswerError
from annotation.models import (
    AuditEvent,
    CaseSet,
    Ranking,
    Reader,
    Reading,
    ReadingSet,
    Score,
    Study,
)
from annotation.readings import finish_reading, save_score
from annotation.record import Answers, answer_faults, answers_of, faults
from annotation.studies import close_study, unblind_study
from tests import builders
from tests.at_once import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def study(running_study, alice):
    close_study(study=running_study, by=alice)
    unblind_study(study=running_study, by=alice, reason="All readings are in.")
    running_study.refresh_from_db()
    return running_study


def test_an_untouched_record_is_whole(study, alice):
    assert faults(study) == []
    assert [e.number for e in study.events.all()] == list(range(1, study.events.count() + 1))
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert f"{study.slug}: {study.events.count()} events, whole" in out.getvalue()
    assert "answers as at closing" in out.getvalue()
    alice.username = "alice-smith"  # whoever acted stays named as they were then
    alice.save()
    assert faults(study) == []


FORGERIES = {
    "a reason reworded": (
        lambda study: study.events.filter(act="unblind").update(
            personal={"reason": {"text": "By mistake.", "salt": "0" * 32}}
        ),
        "was changed",
    ),
    "another actor": (
        lambda study: study.events.filter(act="seal").update(actor_role="R1"),
        "was changed",
    ),
    "an event removed": (
        lambda study: study.events.filter(number=2).delete(),
        "event 2 is missing",
    ),
    "the last event removed": (
        lambda study: study.events.last().delete(),
        "the last events are missing",
    ),
    "an event added": (
        lambda study: AuditEvent.objects.create(
            study=study, number=99, act="seal", at=study.closed_at, digest="0" * 64
        ),
        "was changed",
    ),
    "all of them removed": (lambda study: study.events.all().delete(), "the last events"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_is_found(study, what):
    forge, words = FORGERIES[what]
    forge(study)
    assert any(words in fault for fault in faults(study))
    with pytest.raises(CommandError, match="not as they were written"):
        call_command("verify_audit", study.slug, stdout=StringIO())


def test_what_was_erased_of_people_breaks_nothing(study):
    event = study.events.get(act="unblind")
    assert event.told["reason"] == "All readings are in."
    assert event.who == "alice"
    for event in study.events.all():
        assert "alice" not in f"{event.detail} {event.commitments} {event.actor_role}"
        event.personal = {}
        event.save()
    assert faults(study) == []
    event = study.events.get(act="unblind")
    assert event.told["reason"] == "(not kept)"
    assert event.who == "Owner"


ANSWERS = {
    "a score changed": lambda study: Score.objects.filter(pk=Score.objects.first().pk).update(
        value=(Score.objects.first().value + 1) % 11
    ),
    "a score backdated": lambda study: Score.objects.filter(pk=Score.objects.first().pk).update(
        created_at=study.opened_at
    ),
    "a score removed": lambda study: Score.objects.first().delete(),
    "a later revision": lambda study: Score.objects.create(
        reading_set=Score.objects.first().reading_set, criterion="realism", value=9, sequence=9999
    ),
    "a ranking changed": lambda study: Ranking.objects.update(tiers=[["C"], ["B"], ["A"]]),
    "another letter": lambda study: ReadingSet.objects.filter(
        pk=ReadingSet.objects.first().pk
    ).update(letter="Z"),
    "another arm behind a letter": lambda study: another_arm(ReadingSet.objects.first()),
}


def another_arm(shown):
    """That of a set of another case, as each of this one has its letter already."""
    other = CaseSet.objects.exclude(case=shown.case_set.case).exclude(arm=shown.case_set.arm)
    ReadingSet.objects.filter(pk=shown.pk).update(case_set=other.first())


@pytest.fixture
def answered(running_study, alice, bob):
    """Bob finished, carol had begun; closed then."""
    for reading in Reading.objects.filter(reader__user=bob):
        builders.rate(reading)
    builders.rate(builders.a_reading(running_study, "carol"))
    finish_reading(Reader.objects.get(user=bob))
    close_study(study=running_study, by=alice)
    running_study.refresh_from_db()
    return running_study


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_was_changed_after_the_closing_is_found(answered, what):
    assert answer_faults(answered) == []
    ANSWERS[what](answered)
    assert faults(answered) == []  # the acts are as they were
    found = " ".join(answer_faults(answered))
    assert "are not those with which R1 finished" in found
    assert "are not those of the closing" in found
    out = StringIO()
    with pytest.raises(CommandError, match="not as they were written"):
        call_command("verify_audit", answered.slug, stdout=out)
    assert "answers changed since" in out.getvalue()


def test_a_record_that_names_no_reader_is_no_proof(answered):
    event = answered.events.get(act="finish")
    event.detail["reader"] = ["R1"]
    event.save()
    (found,) = answer_faults(answered)
    assert (
        found
        == f"scores or rankings are not those with which ['R1'] finished (event {event.number})"
    )


def test_an_answer_of_who_finished_is_found_before_the_closing(running_study, bob):
    for reading in Reading.objects.filter(reader__user=bob):
        builders.rate(reading)
    finish_reading(Reader.objects.get(user=bob))
    assert answers_of(running_study, answer_faults(running_study)) == Answers.OPEN
    Score.objects.update(value=3)
    found = answer_faults(running_study)
    assert [fault.partition(" (")[0] for fault in found] == [
        "scores or rankings are not those with which R1 finished"
    ]


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_an_answer_that_waits_for_the_closing_is_refused():
    study = builders.a_study()
    reading = builders.a_reading(study)
    letter, key = reading.sets.first().letter, study.protocol.rated[0].key
    closed = threading.Event()

    def close():
        with transaction.atomic():
            close_study(study=study, by=study.owner)
            closed.set()
            time.sleep(1)  # the answer waits meanwhile

    def answer():
        closed.wait()
        save_score(reading=reading, letter=letter, criterion=key, value=1, sequence=1)

    (error,) = at_once([close, answer])
    assert isinstance(error, AnswerError)
    assert not Score.objects.exists()
    assert answer_faults(study) == []


def test_erasing_a_reader_changes_no_answer(answered, alice):
    erase_reader(study=answered, reader=answered.readers.get(number=1), by=alice)
    assert answer_faults(answered) == []
    answered.refresh_from_db()
    assert faults(answered) == []


def test_a_closing_without_a_digest_is_said_to_have_none(answered):
    for event in answered.events.filter(act__in=["finish", "close"]):
        event.detail.pop("answers")
        event.save()
    assert answer_faults(answered) == []
    assert answers_of(answered, []) == Answers.UNKNOWN


def test_equal_names_are_committed_to_differently(study):
    events = study.events.filter(commitments__has_key="actor")
    assert len({event.commitments["actor"] for event in events}) == len(events) > 1


BEFORE = [("annotation", "0010_pauses_expiry_and_audits_as_jobs")]


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_records_from_before_are_chained_anew_and_broken_ones_stay_broken():
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    old = executor.loader.project_state(BEFORE).apps
    alice = old.get_model("auth", "User").objects.create(username="alice")
    for slug in ("whole", "forged"):
        study = old.get_model("annotation", "Study").objects.create(
            title=slug, slug=slug, owner=alice, protocol_data={}, seed=1
        )
        previous = ""
        for number, (act, detail) in enumerate(
            [("create", {"cases": 1.5}), ("add reader", {"reader": "R1", "user": "bob"})], 1
        ):
            now = timezone.now()
            content = {
                "study": slug, "number": number, "actor": "alice", "act": act, "detail": detail,
                "at": now.isoformat(), "previous": previous,
            }  # fmt: skip
            canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
            digest = hashlib.sha256(canonical.encode()).hexdigest()
            study.events.create(
                number=number, actor=alice, actor_name="alice", act=act, detail=detail, at=now,
                previous=previous, digest=digest,
            )  # fmt: skip
            previous = digest
        type(study).objects.filter(pk=study.pk).update(record_digest=previous)
    old.get_model("annotation", "AuditEvent").objects.filter(study__slug="forged", number=2).update(
        actor_name="mallory"
    )

    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())

    whole = Study.objects.get(slug="whole")
    assert faults(whole) == []
    added = whole.events.get(number=2)
    assert (added.detail, added.told["user"]) == ({"reader": "R1"}, "bob")
    assert (added.who, added.actor_role) == ("alice", "owner")
    assert len(whole.events.get(act="renew record").detail["before"]) == 64
    assert any("was changed" in fault for fault in faults(Study.objects.get(slug="forged")))
