"""Consent: asked before anything is seen, kept with its version, and no answer is lost by it."""

import html
import re

import pytest
from django.urls import reverse

from annotation.consent import give_consent
from annotation.errors import AnswerError
from annotation.models import AuditEvent, Reader, Score, Study
from tests import builders

pytestmark = pytest.mark.django_db
TEXTS = {
    "consent": "You look at images.\n\nNothing is done to <patients>.",
    "consent_version": "7",
    "translations": {"ru": {"consent": "Вы смотрите на изображения."}},
}


@pytest.fixture
def study(alice, bob, carol):
    return builders.a_study(pairs=1, protocol=builders.a_protocol(**TEXTS))


@pytest.fixture
def reader(study):
    return study.readers.get(user__username="bob")


@pytest.fixture
def browser(client, reader):
    client.force_login(reader.user)
    return client


def address(name, study, *arguments):
    return reverse(f"annotation:{name}", args=[study.slug, *arguments])


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


def agree(browser, study, version="7"):
    return browser.post(address("consent", study), {"version": version})


@pytest.mark.parametrize("name", ["reader-study", "reading", "briefing", "guess"])
def test_every_page_leads_to_the_text_until_it_is_agreed_to(browser, study, name):
    arguments = [1] if name == "reading" else []
    page = browser.get(address(name, study, *arguments), follow=True)
    assert page.redirect_chain[-1][0] == address("consent", study)
    text = text_of(page)
    assert "You look at images. Nothing is done to <patients>." in text
    assert "Version 7 of this text." in text


def test_nothing_of_the_cases_is_shown_before(browser, study, reader):
    shown = reader.readings.first().shown_images.first()
    image = address("reading-image", study, 1, shown.token)
    assert browser.get(image).status_code == 404
    page = browser.get(address("consent", study)).content.decode()
    assert "polyps." not in page
    assert "<img" not in page


def test_who_agrees_is_led_to_the_briefing_and_time_and_version_are_kept(browser, study, reader):
    assert agree(browser, study).url == address("briefing", study)
    reader.refresh_from_db()
    assert reader.consented_at
    assert reader.consent_version == "7"
    event = AuditEvent.objects.get(act="consent")
    assert event.actor == reader.user
    assert event.detail == {"reader": "R1", "version": "7", "language": "en"}
    assert browser.get(address("reading", study, 1)).status_code == 200


def test_the_text_stands_in_the_reader_s_language_and_that_is_kept(browser, study, settings):
    browser.cookies[settings.LANGUAGE_COOKIE_NAME] = "ru"
    page = browser.get(address("consent", study))
    assert "Вы смотрите на изображения." in text_of(page)
    assert '<div class="prose" lang="ru">' in page.content.decode()
    agree(browser, study)
    assert AuditEvent.objects.get(act="consent").detail["language"] == "ru"


def test_who_agrees_twice_has_agreed_once(browser, study, reader):
    agree(browser, study)
    first = Reader.objects.get(pk=reader.pk).consented_at
    agree(browser, study)
    assert Reader.objects.get(pk=reader.pk).consented_at == first
    assert AuditEvent.objects.filter(act="consent").count() == 1


def test_the_text_can_be_read_again_with_when_it_was_agreed_to(browser, study):
    agree(browser, study)
    text = text_of(browser.get(address("consent", study)))
    assert "You agreed to version 7 on" in text
    assert "I agree" not in text


def test_who_would_rather_not_is_told_that_nothing_happens_and_how_to_come_back(
    browser, study, reader
):
    page = browser.get(address("consent", study)).content.decode()
    decline = re.search(r'href="([^"]*declined)"', page)[1]
    text = text_of(browser.get(decline))
    assert "Nothing was recorded" in text
    assert "come back to this page" in text
    reader.refresh_from_db()
    assert reader.consented_at is None
    assert "I agree" in text_of(browser.get(address("reader-study", study), follow=True))


def test_another_version_than_the_one_shown_is_not_agreed_to(browser, study, reader):
    response = agree(browser, study, version="6")
    assert response.status_code == 400
    assert "read it again" in text_of(response)
    reader.refresh_from_db()
    assert reader.consented_at is None


def test_an_answer_from_before_is_refused_aloud_so_that_the_browser_keeps_it(
    browser, study, reader
):
    answer = {"letter": "A", "criterion": "clinical_realism", "value": "7", "sequence": "1"}
    assert browser.post(address("reading-score", study, 1), answer).status_code == 404
    assert not Score.objects.exists()


def test_a_reader_who_has_answers_and_lost_the_consent_loses_none_of_them(browser, study, reader):
    agree(browser, study)
    builders.rate(reader.readings.first())
    given = Score.objects.count()
    Reader.objects.update(consented_at=None)
    assert browser.get(address("reading", study, 1)).url == address("consent", study)
    agree(browser, study)
    assert "1 of 2 cases done" in text_of(browser.get(address("reader-study", study)))
    assert Score.objects.count() == given


@pytest.mark.parametrize("state", [Study.State.SEALED, Study.State.CLOSED])
def test_a_study_that_is_not_open_asks_for_nothing(browser, study, reader, state):
    Study.objects.update(state=state)
    text = text_of(browser.get(address("consent", study), follow=True))
    assert "You look at images" not in text
    agree(browser, study)
    reader.refresh_from_db()
    assert reader.consented_at is None
    reader.study.refresh_from_db()
    with pytest.raises(AnswerError, match="not open"):
        give_consent(reader=reader, version="7", language="en")


def test_a_study_without_a_text_asks_for_no_consent(client, running_study, bob):
    client.force_login(bob)
    assert client.get(address("reader-study", running_study)).status_code == 200
    response = client.get(address("consent", running_study))
    assert response.url == address("reader-study", running_study)


def test_others_have_no_page_of_consent(client, study, mallory):
    client.force_login(mallory)
    assert client.get(address("consent", study)).status_code == 404
    assert client.post(address("consent", study), {"version": "7"}).status_code == 404
    revoked = study.readers.get(user__username="carol")
    Reader.objects.filter(pk=revoked.pk).update(state=Reader.State.REVOKED)
    client.force_login(revoked.user)
    assert client.get(address("consent", study)).status_code == 404
