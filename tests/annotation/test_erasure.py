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
from annotation.models import Comment, Reader, Score
from annotation.readers import revoke_reader
from annotation.readings import save_comment
from annotation.record import faults
from annotation.studies import unblind_study
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
    assert erase_reader(study=study, reader=reader, by=alice).account_deleted
    for name in ("quentin", "quill"):
        assert name not in everything().lower()
    assert list(Score.objects.order_by("pk").values()) == before
    study.refresh_from_db()
    assert faults(study) == []
    reader.refresh_from_db()
    assert reader.pseudonym == "R3"
    assert not reader.user.is_active
    assert study.events.get(act="revoke reader").told["reason"] == "(not kept)"
    assert study.events.get(act="accept invitation").who == "R3"
    assert study.events.get(act="create").who == "alice"  # others stay named


def test_who_reads_elsewhere_too_keeps_the_account(study, alice, mallory):
    other = Reader.objects.get(user=mallory).study
    bob = builders.a_user("bob")
    Reader.objects.create(study=other, user=bob, number=9, slot=9)
    done = erase_reader(study=study, reader=study.readers.get(user=bob), by=alice)
    assert not done.account_deleted
    assert User.objects.filter(username="bob").exists()
    assert not study.readers.filter(user=bob).exists()
    assert not any("bob" in str(event.personal) for event in study.events.all())


def test_their_name_is_masked_in_what_others_wrote(study, alice):
    reading = builders.a_reading(study, "carol")
    said = ("Quentin is right", "bob and q.quill@hospital.example", "No")
    for sequence, text in enumerate(said, 1):
        save_comment(reading=reading, letter="A", text=text, sequence=sequence)
    shown = reading.sets.first()
    Score.objects.create(reading_set=shown, criterion="remark", text="Ask Quill.", sequence=1)
    unblind_study(study=study, by=alice, reason="So that Quentin can see it.")
    done = erase_reader(study=study, reader=study.readers.get(number=3), by=alice)
    assert [comment.text for comment in Comment.objects.order_by("sequence")] == [
        "[name] is right", "bob and [name]", "No",
    ]  # fmt: skip
    assert Score.objects.get(criterion="remark").text == "Ask [name]."
    assert [str(passage) for passage in done.masked] == [
        "comment of R2 on set A of their reading 1: “[name] is right”",
        "comment of R2 on set A of their reading 1: “bob and [name]”",
        "answer in words of R2 on set A of their reading 1: “Ask [name].”",
        "record, reason of event 9 (unblind): “(not kept)”",
    ]
    assert done.to_read == []
    assert study.events.get(act="unblind").told["reason"] == "(not kept)"


def test_a_word_is_not_erased_as_if_it_were_a_name(study, alice):
    User.objects.filter(username="quentin").update(first_name="Will", last_name="An")
    unblind_study(study=study, by=alice, reason="It will give an answer. Will do.")
    done = erase_reader(study=study, reader=study.readers.get(number=3), by=alice)
    told = study.events.get(act="unblind").told
    assert told["reason"] == "It will give an answer. Will do."
    assert [passage.text for passage in done.to_read] == [told["reason"]]


def test_what_is_sealed_is_for_a_person_to_read(study, alice):
    study.title = "Quentin’s study"
    study.protocol_data["guide"] = "Ask Quill where in doubt."
    study.save()
    done = erase_reader(study=study, reader=study.readers.get(number=3), by=alice)
    assert {passage.where for passage in done.to_read} == {"title", "protocol"}
    assert done.masked == []


def test_a_name_from_before_is_masked_too(study, alice):
    User.objects.filter(username="quentin").update(
        username="x", first_name="", last_name="", email="x@x.example"
    )
    reading = builders.a_reading(study, "carol")
    save_comment(reading=reading, letter="A", text="quentin?", sequence=1)
    erase_reader(study=study, reader=study.readers.get(number=3), by=alice)
    assert Comment.objects.get().text == "[name]?"


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
    builders.a_user("bob")
    User.objects.filter(username="bob").update(first_name="Will")
    comment = save_comment(
        reading=builders.a_reading(study, "carol"), letter="A", text="As Will said.", sequence=1
    )
    page = client.get(address).content.decode()
    assert "comment of R2 on set A of their reading 1" in page
    assert "As [name] said." not in page  # not before results may be seen
    unblind_study(study=study, by=alice, reason="Will it be done again?")
    page = client.get(address).content.decode()
    assert "As [name] said." in page
    assert "“Will it be done again?”" in page
    comment.refresh_from_db()
    assert comment.text == "As Will said."  # as long as nothing was erased
    page = client.post(address, follow=True).content.decode()
    assert "It is erased who R1 is; the account is deleted; masked in 1 place." in page
    assert "Read these yourself, a name may still stand there: record, reason of event" in page
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
    out = StringIO()
    call_command("erase_reader", study.slug, "R1", stdout=out)
    assert out.getvalue() == "It is erased who R1 of “Polyps” is; the account is deleted.\n"
    with pytest.raises(CommandError, match="No reader “R9” in “Polyps”; there are: R1, R2, R3"):
        call_command("erase_reader", study.slug, "R9")
