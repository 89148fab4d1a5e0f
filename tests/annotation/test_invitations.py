"""Invitations: made, sent, revoked by the researcher; opened and accepted once by a reader."""

import html
import logging
import re
import smtplib
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import RequestFactory
from django.urls import reverse

from annotation import invitations, links
from annotation.account_forms import AccountForm
from annotation.errors import StudyError
from annotation.models import AuditEvent, Invitation, Reader, Study
from annotation.readers import revoke_reader
from tests import builders
from tests.at_once import at_once

pytestmark = pytest.mark.django_db
State = Study.State
PAGE = "/invitation/"
NEW = {
    "username": "dave",
    "email": "dave@example.org",
    "password1": "polyps-and-folds",
    "password2": "polyps-and-folds",
}


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


@pytest.fixture
def study(alice):
    return builders.a_study(readers=("carol",))


def invite(study, email=""):
    return invitations.invite(study=study, by=study.owner, email=email)


def path_of(invitation):
    return reverse("annotation:invitation-open", args=[links.link_of(invitation)])


def opened(client, invitation):
    return client.get(path_of(invitation), follow=True)


class TestMaking:
    @pytest.fixture
    def researcher(self, client, alice):
        client.force_login(alice)
        return client

    def ask(self, client, study, email=""):
        address = reverse("annotation:study-invite", args=[study.slug])
        return text_of(client.post(address, {"email": email}, follow=True))

    def test_a_link_to_copy_stands_on_the_study_s_page_until_it_is_accepted(
        self, researcher, study, bob
    ):
        self.ask(researcher, study)
        body = researcher.get(study.get_absolute_url()).content.decode()
        link = re.search(r'value="(http://testserver/invitation/[^"]+)"', body)[1]
        invitation = Invitation.objects.get()
        assert link.endswith(path_of(invitation))
        invitations.accept(invitation=invitation, account=lambda: bob)
        assert "/invitation/" not in researcher.get(study.get_absolute_url()).content.decode()

    def test_an_e_mail_holds_the_link_the_study_and_who_invites(self, researcher, study):
        User.objects.filter(username="alice").update(email="alice@example.org")
        text = self.ask(researcher, study, "dave@example.org")
        assert "dave@example.org is invited." in text
        (message,) = mail.outbox
        assert message.to == ["dave@example.org"]
        assert message.reply_to == ["alice@example.org"]
        assert "alice invites you" in message.body
        assert study.title in message.subject
        assert f"http://testserver{path_of(Invitation.objects.get())}\n" in message.body

    def test_a_line_break_in_the_title_adds_no_header(self, study):
        study.title = "Polyps\nBcc: all@example.org"
        invitation = Invitation(study=study, email="dave@example.org", invited_by=study.owner)
        invitations.send(invitation=invitation, address="http://testserver/")
        assert mail.outbox[0].subject == "Invitation to read: Polyps Bcc: all@example.org"
        assert mail.outbox[0].recipients() == ["dave@example.org"]

    def test_a_message_that_could_not_be_sent_leaves_the_link_to_copy(
        self, researcher, study, monkeypatch
    ):
        def refuse(*args):
            raise smtplib.SMTPServerDisconnected("no server")

        monkeypatch.setattr(mail.backends.locmem.EmailBackend, "send_messages", refuse)
        text = self.ask(researcher, study, "dave@example.org")
        assert "could not be sent (no server)" in text
        assert study.invitations.filter(email="dave@example.org").exists()

    @pytest.mark.parametrize(
        ("backend", "said"),
        [("console.EmailBackend", True), ("smtp.EmailBackend", False)],
    )
    def test_the_page_says_where_messages_go_while_no_server_is_set_up(
        self, researcher, study, settings, backend, said
    ):
        settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}"
        text = text_of(researcher.get(study.get_absolute_url()))
        assert ("only printed where the server runs" in text) == said

    def test_an_address_is_checked_and_invited_once_at_a_time(self, researcher, study):
        assert "valid email" in self.ask(researcher, study, "nobody at home")
        self.ask(researcher, study, "dave@example.org")
        assert "has been invited already" in self.ask(researcher, study, "Dave@Example.org")
        assert len(mail.outbox) == 1

    def test_nobody_sends_without_end(self, study, monkeypatch):
        monkeypatch.setattr(invitations, "MOST_OPEN", 2)
        invite(study)
        invite(study)
        with pytest.raises(StudyError, match="2 invitations are open"):
            invite(study)

    def test_a_closed_study_invites_nobody(self, study):
        Study.objects.update(state=State.CLOSED)
        with pytest.raises(StudyError, match="Can't invite readers to"):
            invite(study)

    def test_a_revoked_link_opens_nothing_and_is_revoked_once(self, researcher, study):
        invitation = invite(study)
        address = reverse("annotation:study-uninvite", args=[study.slug, invitation.pk])
        assert "its link opens nothing now" in text_of(researcher.post(address, follow=True))
        assert "accepted or revoked already" in text_of(researcher.post(address, follow=True))
        researcher.logout()
        assert "has been withdrawn" in text_of(opened(researcher, invitation))

    def test_the_record_says_who_invited_whom_and_who_accepted(self, researcher, study, bob):
        invitation = invite(study, "dave@example.org")
        invitations.accept(invitation=invitation, account=lambda: bob)
        text = text_of(researcher.get(study.get_absolute_url()))
        assert "alice invited dave@example.org" in text
        assert "bob accepted the invitation of dave@example.org as reader R2" in text


class TestOpening:
    def test_the_page_says_what_the_study_is_and_who_invites(self, client, study):
        response = opened(client, invite(study))
        text = text_of(response)
        assert response.status_code == 200
        for words in ("Polyps", "alice invites you to read images", "There are 4 cases"):
            assert words in text
        assert "no-store" in response["Cache-Control"]

    def test_it_names_no_arm(self, client, study):
        body = opened(client, invite(study)).content.decode()
        assert "Zanzibar" not in body
        assert study.slug not in body.replace(study.title, "")

    def test_a_person_with_an_account_signs_in_and_accepts(self, client, study, bob):
        invitation = invite(study)
        body = opened(client, invitation).content.decode()
        sign_in = html.unescape(re.search(r'href="([^"]*login[^"]*)"', body)[1])
        data = {"username": "bob", "password": "bob", "next": PAGE}
        page = client.post(sign_in, data, REMOTE_ADDR="127.0.0.1", follow=True)
        assert "Accept as bob" in text_of(page)
        response = client.post(PAGE)
        assert response.url == reverse("annotation:reader-study", args=[study.slug])
        invitation.refresh_from_db()
        assert invitation.reader.user == bob
        assert invitation.accepted_at
        assert invitation.reader.readings.count() == 4

    def test_a_new_person_sets_up_an_account_and_is_a_reader_who_is_signed_in(self, client, study):
        opened(client, invite(study, "dave@example.org"))
        assert 'value="dave@example.org"' in client.get(PAGE).content.decode()
        response = client.post(PAGE, NEW, follow=True)
        assert "0 of 4 cases done" in text_of(response)
        dave = User.objects.get(username="dave")
        assert dave.email == "dave@example.org"
        assert dave.check_password("polyps-and-folds")
        assert not dave.is_staff
        assert not dave.groups.exists()
        assert study.readers.filter(user=dave).exists()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"username": "Carol"}, "already exists"),
            ({"email": ""}, "required"),
            ({"password1": "12345678", "password2": "12345678"}, "too common"),
            ({"password2": "other"}, "match"),
        ],
    )
    def test_what_is_wrong_with_an_account_is_said_and_nothing_made(
        self, client, study, carol, change, words
    ):
        opened(client, invite(study))
        before = User.objects.count()
        text = text_of(client.post(PAGE, {**NEW, **change}))
        assert words in text
        assert "Mend what is marked" in text
        assert User.objects.count() == before
        assert Invitation.objects.get().open

    def test_no_account_is_made_where_the_invitation_ended_meanwhile(
        self, client, study, monkeypatch
    ):
        invitation = invite(study)
        opened(client, invitation)
        monkeypatch.setattr("annotation.views.invitations.check_open", lambda found: None)
        Study.objects.update(state=State.CLOSED)
        assert "takes no more readers" in text_of(client.post(PAGE, NEW))
        assert not User.objects.filter(username="dave").exists()

    def test_a_link_is_accepted_once(self, client, study, bob, django_user_model):
        invitation = invite(study)
        invitations.accept(invitation=invitation, account=lambda: bob)
        dan = builders.a_user("dan")
        with pytest.raises(links.InvitationError, match="accepted already"):
            invitations.accept(invitation=invitation, account=lambda: dan)
        client.force_login(dan)
        response = opened(client, invitation)
        assert response.status_code == 403
        assert "accepted already" in text_of(response)
        assert not Reader.objects.filter(user=dan).exists()

    def test_who_accepted_comes_back_by_the_same_link(self, client, study, bob):
        invitation = invite(study)
        invitations.accept(invitation=invitation, account=lambda: bob)
        body = opened(client, invitation).content.decode()
        study_page = reverse("annotation:reader-study", args=[study.slug])
        assert f"?next={study_page}" in body
        client.force_login(bob)
        assert opened(client, invitation).redirect_chain[-1][0] == study_page

    @pytest.mark.parametrize(
        ("name", "fields", "words"),
        [
            ("alice", {}, "owns this study"),
            ("root", {"is_staff": True}, "can see the plan in the admin"),
            ("carol", {}, "You read this study already. The link stays good for another."),
        ],
    )
    def test_who_cannot_read_the_study_is_told_why_and_the_link_stays_open(
        self, client, study, name, fields, words
    ):
        invitation = invite(study)
        client.force_login(builders.a_user(name, **fields))
        for response in (opened(client, invitation), client.post(PAGE)):
            assert response.status_code == 403
            assert words in text_of(response)
        assert f"I am not {name}: sign out" in text_of(response)
        invitation.refresh_from_db()
        assert invitation.open

    def test_somebody_else_signs_out_and_is_back_at_the_invitation(self, client, study, bob):
        invitation = invite(study)
        client.force_login(bob)
        body = opened(client, invitation).content.decode()
        back = re.search(r'name="next" value="(/invitation/[^"]+)"', body)[1]
        page = client.post(reverse("logout"), {"next": back}, follow=True)
        assert "I am new here" in text_of(page)

    def test_a_reader_whose_part_has_ended_does_not_come_back_by_a_link(self, client, study, carol):
        revoke_reader(study=study, reader=study.readers.get(), by=study.owner, reason="Left.")
        client.force_login(carol)
        assert "Your part in this study has ended" in text_of(opened(client, invite(study)))
        assert study.readers.get().state == Reader.State.REVOKED

    def test_a_guessed_link_is_refused_before_the_database_is_asked(
        self, study, django_assert_num_queries
    ):
        link = links.link_of(invite(study))
        name, signature = link.split(".")
        for guess in (name, f"{name}.{signature[:-2]}AA", f"x{link}", "", "\0"):
            with (
                django_assert_num_queries(0),
                pytest.raises(links.InvitationError, match="not complete"),
            ):
                links.find_link(Invitation, guess)

    def test_without_a_link_the_page_asks_for_it(self, client):
        assert "This link is not complete" in text_of(client.get(PAGE))


class TestSecrecy:
    def test_what_the_database_holds_opens_nothing(self, client, study):
        invitation = invite(study)
        response = client.get(
            reverse("annotation:invitation-open", args=[invitation.token]), follow=True
        )
        assert "This link is not complete" in text_of(response)

    def test_neither_the_admin_nor_the_record_nor_the_log_shows_a_link(
        self, client, study, admin_user, caplog
    ):
        caplog.set_level(logging.DEBUG)
        invitation = invite(study, "dave@example.org")
        opened(client, invitation)
        client.post(PAGE, {"username": ""})
        client.force_login(admin_user)
        pages = [
            client.get(reverse("admin:annotation_invitation_changelist")),
            client.get(reverse("admin:annotation_invitation_change", args=[invitation.pk])),
        ]
        assert "dave@example.org" in text_of(pages[0])
        shown = [page.content.decode() for page in pages]
        shown += [str(event.detail) for event in AuditEvent.objects.all()] + [caplog.text]
        assert not any(invitation.token in text for text in shown)

    def test_the_address_after_the_first_holds_no_link(self, client, study):
        response = client.get(path_of(invite(study)))
        assert response.url == PAGE
        assert client.get(path_of(invite(study)))["Referrer-Policy"] == "same-origin"


def test_links_differ_and_are_long_enough_never_to_be_guessed(study):
    made = [invite(study) for _ in range(5)]
    assert len({invitation.token for invitation in made}) == 5
    assert all(len(invitation.token) == 32 for invitation in made)  # 192 bits


def test_the_whole_address_is_that_of_the_site(study):
    request = RequestFactory().get("/", SERVER_NAME="localhost", secure=True)
    address = links.address_of(invite(study), request)
    assert address.startswith("https://localhost/invitation/")


@pytest.mark.services
@pytest.mark.usefixtures("connections_of_their_own")
def test_of_many_who_accept_at_once_one_is_a_reader(study):
    invitation = invite(study)
    people = [builders.a_user(f"reader-{n}") for n in range(4)]
    errors = at_once(
        [
            partial(invitations.accept, invitation=invitation, account=lambda user=user: user)
            for user in people
        ]
    )
    assert [type(error) for error in errors] == [links.InvitationError] * 3
    assert study.readers.filter(user__in=people).count() == 1


@pytest.mark.services
@pytest.mark.usefixtures("connections_of_their_own")
def test_an_account_is_made_once_by_a_double_click(study):
    invitation = invite(study)
    forms = [AccountForm(NEW), AccountForm(NEW)]
    assert all(form.is_valid() for form in forms)
    errors = at_once(
        [partial(invitations.accept, invitation=invitation, account=form.save) for form in forms]
    )
    assert [type(error) for error in errors] == [links.InvitationError]
    assert User.objects.filter(username="dave").count() == 1
