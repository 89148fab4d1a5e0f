"""The first page leads each person to their work; sign-in; signs of life; pages for errors."""

import html
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from annotation.models import Reader, Reading, Study
from tests import builders

pytestmark = pytest.mark.django_db
HOME = "/"


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


def signed_in(client, name, **fields):
    client.force_login(builders.a_user(name, **fields))
    return client


def test_who_is_not_signed_in_is_asked_to_and_comes_back(client):
    builders.a_user("bob")
    response = client.get(HOME, follow=True)
    assert "Sign in" in text_of(response)
    response = client.post(
        response.redirect_chain[-1][0],
        {"username": "bob", "password": "bob", "next": HOME},
        REMOTE_ADDR="127.0.0.1",
        follow=True,
    )
    assert "My readings" in text_of(response)


def test_a_wrong_password_is_answered_in_words_and_keeps_the_name(client):
    builders.a_user("bob")
    response = client.post(reverse("login"), {"username": "bob", "password": "nonsense"})
    assert "don't match" in text_of(response)
    assert 'value="bob"' in response.content.decode()


def test_signing_out_takes_a_button_and_not_a_link(client):
    signed_in(client, "bob")
    assert client.get(reverse("logout")).status_code == 405
    assert client.post(reverse("logout")).url == reverse("login")
    assert client.get(HOME).status_code == 302


def test_a_researcher_is_led_to_the_studies(client):
    signed_in(client, "alice", researcher=True)
    assert client.get(HOME).url == reverse("annotation:study-list")


def test_a_reader_is_shown_their_readings_and_how_far_they_are(client):
    study = builders.a_study()
    builders.rate(builders.a_reading(study, "bob"))
    signed_in(client, "bob")
    response = client.get(HOME)
    assert "Polyps 1 of 4 cases done Go on" in text_of(response)
    assert reverse("annotation:reader-study", args=[study.slug]) in response.content.decode()
    assert "Studies" not in text_of(response)
    assert "Generators" not in text_of(response)


def test_a_case_that_is_begun_is_gone_on_with_not_started(client):
    study = builders.a_study()
    signed_in(client, "bob")
    assert "0 of 4 cases done Start" in text_of(client.get(HOME))
    Reading.objects.filter(pk=builders.a_reading(study).pk).update(started_at=timezone.now())
    assert "0 of 4 cases done Go on" in text_of(client.get(HOME))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (Study.State.SEALED, "has not been opened yet"),
        (Study.State.CLOSED, "is closed. Thank you"),
    ],
)
def test_a_study_that_does_not_run_says_so_and_has_no_way_in(client, state, words):
    builders.a_study(state=state)
    response = signed_in(client, "bob").get(HOME)
    assert words in text_of(response)
    assert "/read/" not in response.content.decode()


def test_a_revoked_reader_and_a_reader_of_nothing_see_no_study(client):
    study = builders.a_study()
    Reader.objects.filter(study=study, user__username="bob").update(state=Reader.State.REVOKED)
    for name in ("bob", "nobody"):
        text = text_of(signed_in(client, name).get(HOME))
        assert "You have no study to read yet" in text
        assert "Polyps" not in text


def test_a_researcher_who_reads_elsewhere_has_both(client):
    builders.a_study(readers=("erin",))
    text = text_of(signed_in(client, "erin", researcher=True).get(HOME))
    assert "My readings Studies Data Generators" in text
    assert "0 of 4 cases done" in text


def test_health_is_told_to_anyone(client):
    response = client.get("/health/")
    assert (response.status_code, response.content) == (200, b"ok\n")


def test_errors_have_pages_of_their_own(client):
    signed_in(client, "bob")
    assert "There is no such page" in text_of(client.get("/nothing/"))
    assert "not for the account" in text_of(client.get(reverse("annotation:study-list")))


def test_no_page_holds_inline_script_or_style_and_each_forbids_them(client):
    study = builders.a_study(state=Study.State.IMAGES, readers=())
    signed_in(client, "alice", researcher=True)
    for address in (
        reverse("annotation:study-list"),
        study.get_absolute_url(),
        reverse("analysis:gallery", args=[study.slug]),
        reverse("generation:generator-list"),
        reverse("generation:generator", args=[study.arms.first().generator.slug]),
    ):
        response = client.get(address)
        body = response.content.decode()
        assert response.status_code == 200
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", body), address
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
