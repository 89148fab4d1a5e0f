"""The record of acts is chained: what is changed, removed or put in is found."""

from importlib import import_module
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from annotation.models import AuditEvent, Study
from annotation.record import faults
from annotation.studies import close_study, unblind_study

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
    alice.username = "alice-smith"  # whoever acted stays named as they were then
    alice.save()
    assert faults(study) == []


FORGERIES = {
    "a reason reworded": (
        lambda study: study.events.filter(act="unblind").update(detail={"reason": "By mistake."}),
        "was changed",
    ),
    "another actor": (
        lambda study: study.events.filter(act="seal").update(actor_name="mallory"),
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


def test_events_from_before_are_chained_by_the_migration(study):
    AuditEvent.objects.filter(study=study).update(previous="", digest="", actor_name="")
    Study.objects.filter(pk=study.pk).update(record_digest="")
    import_module("annotation.migrations.0007_chained_events").chain_what_is_there(apps, None)
    study.refresh_from_db()
    assert faults(study) == []
