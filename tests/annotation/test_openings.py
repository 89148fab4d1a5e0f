"""Opening a study is long work: asked for on a page, done by a worker, told on the page."""

import pytest
from django.urls import reverse

from annotation.errors import StudyError
from annotation.models import BlindingAudit, Study
from annotation.openings import ask_audit, ask_opening, perform_audit
from generation.jobs import perform_next
from generation.models import Generator
from tests import builders
from tests.annotation.test_study_page import page, post

pytestmark = pytest.mark.django_db
State = Study.State
Status = BlindingAudit.Status


@pytest.fixture
def sealed(alice):
    return builders.a_study(state=State.SEALED)


@pytest.fixture
def researcher(client, alice):
    client.force_login(alice)
    return client


def test_a_worker_audits_and_then_opens(sealed, alice):
    audit = ask_opening(study=sealed, by=alice)
    sealed.refresh_from_db()
    assert sealed.state == State.SEALED
    assert perform_next(["cpu"]) == audit
    audit.refresh_from_db()
    sealed.refresh_from_db()
    assert (audit.status, audit.done, audit.total) == (Status.DONE, 8, 8)
    assert sealed.state == State.RUNNING
    assert [event.act for event in sealed.events.all()][-2:] == ["audit", "open"]
    assert sealed.events.last().actor == alice


def test_a_double_click_asks_for_one_opening(sealed, alice):
    assert ask_opening(study=sealed, by=alice) == ask_opening(study=sealed, by=alice)
    assert sealed.audits.count() == 1


def test_an_opening_waits_for_an_audit_that_is_under_way(sealed, alice):
    ask_audit(study=sealed, by=alice)
    with pytest.raises(StudyError, match="under way"):
        ask_opening(study=sealed, by=alice)


def test_what_keeps_a_study_closed_is_said_on_its_page(researcher, sealed):
    assert "being opened" in post(researcher, "study-act", sealed, "open")
    Generator.objects.filter(arms__study=sealed).update(digest="0" * 64)
    perform_next(["cpu"])
    text = page(researcher, sealed)
    assert "have changed since the study was sealed" in text
    assert "Open to readers" in text
    assert sealed.audits.get().status == Status.FAILED


def test_the_page_follows_the_opening_and_is_drawn_anew_at_its_end(researcher, sealed, alice):
    audit = ask_opening(study=sealed, by=alice)
    asked = {"headers": {"HX-Request": "true"}}
    for address in (sealed.get_absolute_url(), reverse("annotation:study-audit", args=["polyps"])):
        assert "Waits for a worker" in researcher.get(address, **asked).content.decode()
    BlindingAudit.objects.update(status=Status.RUNNING, done=3, total=8)
    body = researcher.get(sealed.get_absolute_url(), **asked).content.decode()
    assert "3 of 8 readings fetched" in body
    audit.refresh_from_db()
    audit.end(Status.DONE)
    for address in (sealed.get_absolute_url(), reverse("annotation:study-audit", args=["polyps"])):
        assert researcher.get(address, **asked).headers["HX-Refresh"] == "true"


def test_an_opening_that_a_crash_cut_off_after_its_last_step_is_done(sealed, alice):
    audit = ask_opening(study=sealed, by=alice)
    assert BlindingAudit.objects.claim(audit.pk, holder="a/1/x")
    audit.refresh_from_db()
    perform_audit(audit)
    assert audit.held().requeue() == 1
    BlindingAudit.objects.update(not_before=None)
    perform_next(["cpu"])
    audit.refresh_from_db()
    assert audit.status == Status.DONE
    assert sealed.events.filter(act="open").count() == 1
