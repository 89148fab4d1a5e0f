"""Researchers: named and invited by the administrator; whoever is invited accepts once."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from annotation.accounts import accept_researcher, invite_researcher
from annotation.links import InvitationError, link_of
from annotation.models import ResearcherInvitation
from generation.permissions import is_researcher
from tests import builders
from tests.annotation.test_accounts import NEW

pytestmark = pytest.mark.django_db
PAGE = "/researchers/"


@pytest.fixture
def root(client):
    user = builders.a_user("root", is_superuser=True, is_staff=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def path_of(invitation):
    return reverse("annotation:researcher-invitation-open", args=[link_of(invitation)])


def test_the_page_and_its_buttons_are_the_administrators(client, alice):
    client.force_login(alice)
    assert client.get(PAGE).status_code == 403
    for name, args in (
        ("researcher-invite", []), ("researcher-add", []), ("researcher-end", [alice.pk]),
        ("researcher-uninvite", [1]), ("researcher-renew", [1]),
    ):  # fmt: skip
        assert client.post(reverse(f"annotation:{name}", args=args)).status_code == 403
    assert not ResearcherInvitation.objects.exists()


def test_an_invitation_is_sent_in_its_language_and_makes_a_researcher_once(root, client):
    root.post(PAGE + "invitations/", {"email": "olga@example.org", "language": "ru"})
    (message,) = mail.outbox
    assert message.to == ["olga@example.org"]
    assert re.search("[а-я]{4}", message.body)
    link = re.search(r"http://testserver(/join/\S+)", message.body)[1]
    client.logout()
    page = client.get(link, follow=True)
    assert "root invites you to run reader studies" in page.content.decode()
    assert client.post("/join/", NEW).url == "/"
    assert is_researcher(User.objects.get(username="olga"))
    assert client.get("/").url == reverse("annotation:study-list")
    client.logout()
    again = client.get(link, follow=True)
    assert again.status_code == 403
    assert "accepted already" in again.content.decode()


def test_somebody_with_an_account_accepts_as_who_they_are(client, bob):
    invitation = invite_researcher(by=builders.a_user("root", is_superuser=True))
    client.force_login(bob)
    client.get(path_of(invitation))
    assert not is_researcher(bob)
    client.post("/join/")
    assert is_researcher(User.objects.get(pk=bob.pk))


def test_a_link_expires_is_renewed_and_revoked(root, bob):
    invitation = invite_researcher(by=User.objects.get(username="root"), email="o@example.org")
    ResearcherInvitation.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    invitation.refresh_from_db()
    with pytest.raises(InvitationError, match="expired"):
        accept_researcher(invitation=invitation, account=lambda: bob)
    assert "expired" in root.get(PAGE).content.decode()
    root.post(reverse("annotation:researcher-renew", args=[invitation.pk]))
    assert len(mail.outbox) == 1
    invitation.refresh_from_db()
    assert invitation.open
    root.post(reverse("annotation:researcher-uninvite", args=[invitation.pk]))
    with pytest.raises(InvitationError, match="withdrawn"):
        accept_researcher(invitation=invitation, account=lambda: bob)
    assert not is_researcher(bob)


def test_a_readers_link_makes_no_researcher(client, alice):
    from annotation import invitations

    study = builders.a_study()
    link = link_of(invitations.invite(study=study, by=alice))
    assert client.get(f"/join/{link}/", follow=True).status_code == 403


def test_the_right_is_given_and_taken_by_name_but_not_from_the_administrator(root, bob):
    root.post(PAGE + "add/", {"username": "bob"})
    assert is_researcher(User.objects.get(pk=bob.pk))
    root.post(reverse("annotation:researcher-end", args=[bob.pk]))
    assert not is_researcher(User.objects.get(pk=bob.pk))
    page = root.post(PAGE + "add/", {"username": "nobody"}, follow=True)
    assert "There is no account" in page.content.decode()
    boss = User.objects.get(username="root")
    page = root.post(reverse("annotation:researcher-end", args=[boss.pk]), follow=True)
    assert "administers this site" in page.content.decode()
