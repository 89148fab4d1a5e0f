"""It is erased who a reader is; the answers stay, and the record of acts stays whole."""

from io import StringIO

import pytest
from axes.models import AccessLog
from django.apps import apps
from django.contrib.auth.models import User
from django.core import serializers
from django.core.management import CommandError, call_command
from django.urls import reverse

from annotation.erasure import erase_reader
from annotation.errors import StudyError
from annotation.invitations import accept, invite
from annotation.models import Reader, Score
from annotation.readers import revoke_reader
from annotation.record import faults
from tests import builders

pytestmark = pytest.mark.django_db


def everything():
    """All rows of all tables as text."""
    models = [model for model in apps.get_models() if model._meta.label != "sessions.Session"]
    rows = [row for model in models for row in model.objects.all()]
    return serializers.serialize("json", rows)


@pytest.fixture
def study(running_study, alice):
    """Read by quentin too, who was invited by e-mail, signed in and rated a case."""
    invitation = invite(study=running_study, by=alice, email="q.quill@hospital.example")
    quentin = builders.a_user(
        "quentin", first_name="Quentin", last_name="Quill", email="quill@home.example"
    )
    accept(invitation=invitation, account=lambda: quentin)
    builders.rate(builders.a_reading(running_study, "quentin"))
    AccessLog.objects.create(username="quentin", path_info="/", user_agent="", http_accept="")
    return running_study


def test_no_row_names_them_any_more_and_all_answers_stay(study, alice):
    before = list(Score.objects.order_by("pk").values())
    reader = study.readers.get(user__username="quentin")
    revoke_reader(study=study, reader=reader, by=alice, reason="Quentin moved to Quill House.")
    assert "quill" in everything().lower()
    assert erase_reader(study=study, reader=reader, by=alice)
    for name in ("quentin", "quill"):
        assert name not in everything().lower()
    assert list(Score.objects.order_by("pk").values()) == before
    study.refresh_from_db()
    assert faults(study) == []
    reader.refresh_from_db()
    assert reader.pseudonym == "R3"
    assert not reader.user.is_active
    assert study.events.get(act="revoke reader").told["reason"] == "(erased)"
    assert study.events.get(act="accept invitation").who == "R3"
    assert study.events.get(act="create").who == "alice"  # others stay named


def test_who_reads_elsewhere_too_keeps_the_account(study, alice, mallory):
    other = Reader.objects.get(user=mallory).study
    bob = builders.a_user("bob")
    Reader.objects.create(study=other, user=bob, number=9, slot=9)
    assert not erase_reader(study=study, reader=study.readers.get(user=bob), by=alice)
    assert User.objects.filter(username="bob").exists()
    assert not study.readers.filter(user=bob).exists()
    assert not any("bob" in str(event.personal) for event in study.events.all())


def test_nobody_is_erased_twice(study, alice, carol):
    reader = study.readers.get(user=carol)
    erase_reader(study=study, reader=reader, by=alice)
    with pytest.raises(StudyError, match="was erased already"):
        erase_reader(study=study, reader=reader, by=alice)


def test_whoever_was_erased_is_signed_out(study, alice, client):
    client.force_login(builders.a_user("bob"))
    assert client.get(reverse("home")).status_code == 200
    erase_reader(study=study, reader=study.readers.get(user__username="bob"), by=alice)
    assert client.get(reverse("home")).status_code == 302


def test_the_page_says_what_goes_and_does_it(study, alice, client):
    client.force_login(alice)
    address = reverse("annotation:reader-erase", args=[study.slug, 1])
    assert "nobody can go on with this part" in client.get(address).content.decode()
    page = client.post(address, follow=True).content.decode()
    assert "It is erased who R1 is; the account is deleted." in page
    assert ">erased</span>" in page
    assert "The answers are kept." in client.get(address).content.decode()


def test_a_co_investigator_erases_nobody(study, alice, client):
    victor = builders.a_user("victor", researcher=True)
    study.members.create(user=victor, role="co-investigator")
    client.force_login(victor)
    address = reverse("annotation:reader-erase", args=[study.slug, 1])
    assert client.post(address).status_code == 404
    assert not Reader.objects.exclude(erased_at=None).exists()


def test_the_command(study):
    out = StringIO()
    call_command("erase_reader", study.slug, "R3", "--json", stdout=out)
    assert '"account_deleted": true' in out.getvalue()
    with pytest.raises(CommandError, match="No reader “R9” in “Polyps”; there are: R1, R2, R3"):
        call_command("erase_reader", study.slug, "R9")
