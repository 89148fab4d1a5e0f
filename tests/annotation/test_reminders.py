"""Readers paused, reminded, replaced."""

import html
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from annotation import invitations
from annotation.accounts import set_language
from annotation.errors import AnswerError, StudyError
from annotation.links import link_of
from annotation.models import Invitation, Reader, Reading, Score, Study
from annotation.readers import add_reader, pause_reader, resume_reader, revoke_reader
from annotation.readings import save_score
from annotation.reminders import to_remind
from annotation.studies import close_study
from annotation.views.reading import reader_key
from tests import builders

pytestmark = pytest.mark.django_db
State = Study.State


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


@pytest.fixture
def study(alice):
    study = builders.a_study()
    long_ago = timezone.now() - timedelta(days=4)
    Study.objects.update(opened_at=long_ago)
    Reader.objects.update(invited_at=long_ago)
    for name in ("bob", "carol"):
        User.objects.filter(username=name).update(email=f"{name}@example.org")
    study.refresh_from_db()
    return study


def reader(study, name="bob"):
    return study.readers.get(user__username=name)


def test_who_has_all_in_and_has_not_finished_is_not_told_of_no_time_at_all(study):
    for reading in Reading.objects.filter(reader=reader(study)):
        builders.rate(reading)
    found = {one.user.username: one for one in to_remind(study)}
    assert (found["bob"].submitted, found["bob"].time) == (found["bob"].planned, 1)
    assert found["carol"].time > 1


def test_nobody_is_to_be_reminded_of_a_study_that_is_closed(study, alice):
    assert to_remind(study)
    close_study(study=study, by=alice)
    assert to_remind(study) == []


class TestPausing:
    def test_a_paused_reader_sees_a_kind_page_and_keeps_all(self, client, study, alice, bob):
        reading = builders.a_reading(study)
        builders.rate(reading)
        pause_reader(study=study, reader=reader(study), by=alice)
        client.force_login(bob)
        overview = reverse("annotation:reader-study", args=[study.slug])
        assert "paused. All that you have answered is kept" in text_of(client.get(overview))
        case = reverse("annotation:reading", args=[study.slug, 1])
        assert client.get(case).url == overview
        assert "is paused; your answers are kept" in text_of(client.get("/"))
        key = study.protocol.rated[0].key
        score = {"letter": "A", "criterion": key, "value": "3", "sequence": "9"}
        score["reader"] = reader_key(reading.reader)
        address = reverse("annotation:reading-score", args=[study.slug, 1])
        assert client.post(address, score).status_code == 404
        with pytest.raises(AnswerError, match="paused"):
            save_score(reading=reading, letter="A", criterion=key, value=3, sequence=9)
        before = Score.objects.count()
        resume_reader(study=study, reader=reader(study), by=alice)
        assert client.get(case).status_code == 200
        assert client.post(address, score).status_code == 200
        assert Score.objects.count() == before + 1

    def test_it_is_recorded_and_done_once(self, study, alice):
        pause_reader(study=study, reader=reader(study), by=alice)
        with pytest.raises(StudyError, match="paused already"):
            pause_reader(study=study, reader=reader(study), by=alice)
        resume_reader(study=study, reader=reader(study), by=alice)
        with pytest.raises(StudyError, match="not paused"):
            resume_reader(study=study, reader=reader(study), by=alice)
        acts = list(study.events.values_list("act", flat=True))
        assert acts[-2:] == ["pause reader", "resume reader"]

    @pytest.mark.parametrize("state", [Reader.State.FINISHED, Reader.State.REVOKED])
    def test_a_part_that_is_over_can_t_be_paused(self, study, alice, state):
        Reader.objects.update(state=state)
        with pytest.raises(StudyError, match="over"):
            pause_reader(study=study, reader=reader(study), by=alice)


class TestReminding:
    @pytest.fixture
    def ask(self, client, study, alice):
        client.force_login(alice)
        address = reverse("annotation:study-remind", args=[study.slug])

        def sent(**data):
            if not data:
                return client.get(address).content.decode()
            given = {"text-en": "Dear {name}: {done} of {planned}. {address}", **data}
            return text_of(client.post(address, given, follow=True))

        return sent

    def test_those_who_are_behind_are_chosen(self, ask, study):
        builders.rate(builders.a_reading(study, "carol"))
        assert [(r.user.username, r.behind) for r in to_remind(study)] == [
            ("bob", True),
            ("carol", False),
        ]
        body = ask()
        assert re.search(r'value="1" checked', body)
        assert not re.search(r'value="2" checked', body)

    def test_a_reminder_is_sent_once_a_day_unless_asked(self, ask, study):
        assert "1 reader reminded" in ask(reader="1")
        (message,) = mail.outbox
        assert message.to == ["bob@example.org"]
        assert message.body.startswith("Dear bob: 0 of 4. http://testserver/read/polyps/")
        assert "R1 was reminded within the last day" in ask(reader="1")
        assert len(mail.outbox) == 1
        assert "1 reader reminded" in ask(reader="1", again="on")
        assert len(mail.outbox) == 2
        Reader.objects.update(reminded_at=timezone.now() - timedelta(hours=25))
        assert "2 readers reminded" in ask(reader=["1", "2"])
        assert [e.detail["readers"] for e in study.events.filter(act="remind")] == [
            "R1", "R1", "R1, R2",
        ]  # fmt: skip

    def test_each_is_written_to_in_their_language(self, ask, study, carol):
        set_language(carol, "ru")
        body = ask()
        assert 'name="text-en"' in body
        assert 'name="text-ru"' in body
        ask(**{"reader": ["1", "2"], "text-ru": "Здравствуйте, {name}"})
        assert [m.subject for m in mail.outbox] == ["Reminder: Polyps", "Напоминание: Polyps"]
        assert mail.outbox[1].body == "Здравствуйте, carol"

    def test_nothing_is_sent_while_a_text_is_wrong(self, ask):
        for text, words in (
            (" ", "has a text"), ("{arm}", "something else in them"), ("{name.__class__}", "else"),
            ("x" * 4001, "4000 are the most"), ("{", "something else"),
        ):  # fmt: skip
            assert words in ask(**{"reader": "1", "text-en": text})
        assert mail.outbox == []
        assert not Reader.objects.exclude(reminded_at=None).exists()

    def test_who_is_done_paused_ended_or_without_address_is_not_written_to(self, ask, study, alice):
        User.objects.filter(username="bob").update(email="")
        pause_reader(study=study, reader=reader(study, "carol"), by=alice)
        assert [r.user.username for r in to_remind(study)] == ["bob"]
        assert "R1 has no e-mail address" in ask(reader=["1", "2"])
        assert mail.outbox == []

    def test_a_message_that_could_not_be_sent_can_be_sent_again(self, ask, monkeypatch):
        def refuse(*args):
            raise ConnectionRefusedError("no server")

        with monkeypatch.context() as broken:
            broken.setattr(mail.backends.locmem.EmailBackend, "send_messages", refuse)
            assert "could not be sent (no server)" in ask(reader="1")
        assert "1 reader reminded" in ask(reader="1")


class TestReplacing:
    def test_whoever_replaces_a_reader_gets_their_place_and_plan(self, client, study, alice):
        client.force_login(alice)
        gone = reader(study)
        plan = [(r.case_id, sorted(r.sets.values_list("letter", "case_set"))) for r in of(gone)]
        revoke_reader(study=study, reader=gone, by=alice, reason="On leave.")
        page = reverse("annotation:study-reader", args=[study.slug, gone.number])
        assert "Place 1 of the plan is free" in text_of(client.get(page))
        client.post(
            reverse("annotation:study-invite", args=[study.slug]),
            {"email": "dora@example.org", "slot": "1", "language": "ru"},
        )
        assert re.search("[а-я]{5}", mail.outbox[0].body)
        assert "is free" not in text_of(client.get(page))
        assert "keeps place 1 of the plan" in text_of(client.get(study.get_absolute_url()))
        # Somebody added meanwhile gets another place.
        assert add_reader(study=study, user=builders.a_user("erik"), by=alice).slot == 3
        invitation = Invitation.objects.get()
        dora = invitations.accept(invitation=invitation, account=lambda: builders.a_user("dora"))
        assert (dora.slot, dora.number) == (1, 4)
        assert plan == [
            (r.case_id, sorted(r.sets.values_list("letter", "case_set"))) for r in of(dora)
        ]

    def test_a_place_is_kept_once_and_free_again_when_revoked(self, study, alice):
        revoke_reader(study=study, reader=reader(study), by=alice, reason="On leave.")
        kept = invitations.invite(study=study, by=alice, slot=1)
        for slot in (1, 2):
            with pytest.raises(StudyError, match=f"Place {slot} of the plan is not free"):
                invitations.invite(study=study, by=alice, slot=slot)
        invitations.revoke_invitation(invitation=kept, by=alice)
        assert add_reader(study=study, user=builders.a_user("dora"), by=alice).slot == 1

    def test_the_balance_counts_those_who_read(self, client, study, alice):
        client.force_login(alice)
        before = client.get(study.get_absolute_url()).context["balance"]
        gone = reader(study)
        revoke_reader(study=study, reader=gone, by=alice, reason="On leave.")
        invitation = invitations.invite(study=study, by=alice, slot=gone.slot)
        invitations.accept(invitation=invitation, account=lambda: builders.a_user("dora"))
        assert client.get(study.get_absolute_url()).context["balance"] == before


def of(reader):
    return Reading.objects.filter(reader=reader).order_by("position")


def test_an_invitation_expires_and_is_renewed(client, study, alice):
    invitation = invitations.invite(study=study, by=alice, email="dora@example.org")
    Invitation.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    link = reverse("annotation:invitation-open", args=[link_of(invitation)])
    assert "has expired" in text_of(client.get(link, follow=True))
    client.force_login(alice)
    assert "renew it or revoke it" in text_of(client.get(study.get_absolute_url()))
    monitoring = reverse("annotation:study-monitoring", args=[study.slug])
    assert "expired on" in text_of(client.get(monitoring))
    client.post(reverse("annotation:study-renew", args=[study.slug, invitation.pk]))
    assert "expired on" not in text_of(client.get(monitoring))
    assert len(mail.outbox) == 1
    invitation.refresh_from_db()
    assert invitation.expires_at > timezone.now() + timedelta(days=29)
    assert study.events.last().act == "renew invitation"
