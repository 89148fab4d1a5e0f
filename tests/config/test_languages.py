"""Readers' pages speak the reader's language; researchers' pages speak English."""

import html
import re

import pytest
from babel.messages.mofile import read_mo
from django.conf import settings
from django.urls import reverse
from django.utils import translation

from annotation.readings import reading_state
from config.messages import LOCALE, marked_texts, read_catalogue
from tests import builders

pytestmark = pytest.mark.django_db
TRANSLATED = [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|\{\w*\}|<[^>]+>")


def strings(text):
    return tuple(text) if isinstance(text, tuple | list) else (text,)


def by_text(catalogue):
    """Translations by what they translate and its context; without the head."""
    found = {}
    for text in catalogue:
        if text.id:
            compiled = isinstance(text.context, bytes)  # as Babel reads it
            context = text.context.decode() if compiled else text.context
            found[strings(text.id), context] = strings(text.string)
    return found


@pytest.fixture(autouse=True)
def _language_stays_in_the_test():
    with translation.override("en"):
        yield


@pytest.fixture
def in_russian(client):
    """Bob's browser, once he has chosen Russian."""
    client.force_login(builders.a_user("bob"))
    client.post(reverse("set-language"), {"language": "ru", "next": "/"})
    return client


# The catalogues


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_no_translation_is_left_over(language):
    marked = set(by_text(marked_texts()))
    done = {text for text, string in by_text(read_catalogue(language)).items() if all(string)}
    assert marked - done == set(), "run `make messages`, then translate"
    assert done - marked == set(), "run `make messages`"


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_keep_what_is_put_in(language):
    for (text, _context), translated in by_text(read_catalogue(language)).items():
        for form in translated:  # the plural's: 21 takes Russian's first form
            assert set(PLACEHOLDER.findall(form)) == set(PLACEHOLDER.findall(text[-1])), form


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_compiled_is_what_is_written(language):
    with (LOCALE / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        assert by_text(read_mo(file)) == by_text(read_catalogue(language)), "run `make messages`"


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (1, "не хватает 1 оценки"),
        (2, "не хватает 2 оценок"),
        (5, "не хватает 5 оценок"),
        (21, "не хватает 21 оценки"),
    ],
)
def test_russian_numbers_take_the_right_form(n, words):
    with translation.override("ru"):
        text = translation.ngettext(
            "{n} score missing in set {letter}", "{n} scores missing in set {letter}", n
        )
        assert words in text.format(n=n, letter="B")


# The choice


def test_the_browser_is_answered_in_the_language_that_it_asks_for(client):
    builders.a_user("bob")  # else signing in leads to the first account
    body = client.get(reverse("login"), headers={"Accept-Language": "ru-RU,ru;q=0.9"}).content
    assert '<html lang="ru">' in body.decode()
    assert "Войти" in body.decode()
    for other in ("de", "", "xx-nonsense;;"):
        response = client.get(reverse("login"), headers={"Accept-Language": other})
        assert '<html lang="en">' in response.content.decode()


def test_a_choice_is_kept_and_leads_back_to_where_it_was_made(client):
    builders.a_user("bob")
    page = reverse("login") + "?next=/"
    assert 'value="ru" lang="ru">Русский</button>' in client.get(page).content.decode()
    response = client.post(reverse("set-language"), {"language": "ru", "next": page})
    assert response.url == page
    cookie = response.cookies["language"]
    assert (cookie.value, cookie["httponly"], cookie["samesite"]) == ("ru", True, "Lax")
    body = client.get(page, headers={"Accept-Language": "en"}).content.decode()
    assert "Войти" in body
    assert 'value="en" lang="en">English</button>' in body


def test_choosing_leads_to_no_other_site_and_takes_no_unknown_language(client):
    there = {"language": "ru", "next": "https://elsewhere.example/"}
    assert client.post(reverse("set-language"), there).url == "/"
    response = client.post(reverse("set-language"), {"language": "xx", "next": "/"})
    assert "language" not in response.cookies


# Pages


def test_a_readers_pages_are_in_the_readers_language(in_russian):
    study = builders.a_study(pairs=1)
    for address in (
        reverse("home"),
        reverse("annotation:reader-study", args=[study.slug]),
        reverse("annotation:reading", args=[study.slug, 1]),
    ):
        response = in_russian.get(address)
        assert response.headers["Content-Language"] == "ru"
        assert '<html lang="ru">' in response.content.decode()


def test_what_is_missing_and_why_an_answer_is_refused_is_said_in_russian(in_russian):
    reading = builders.a_reading(builders.a_study(pairs=1))
    with translation.override("ru"):
        assert reading_state(reading)["missing"][-1] == "места не расставлены"
    page = in_russian.get(reverse("annotation:reading", args=[reading.reader.study.slug, 1]))
    key = re.search(r'data-reader="([^"]+)"', page.content.decode())[1]
    data = {"reader": key, "letter": "Z", "criterion": "-", "value": "1", "sequence": "5"}
    response = in_russian.post(
        reverse("annotation:reading-score", args=[reading.reader.study.slug, 1]), data
    )
    assert response.json() == {"error": "Набора Z здесь нет."}


def test_researchers_pages_are_in_english_and_offer_no_other_language(client):
    study = builders.a_study(pairs=1, readers=("bob",))
    client.force_login(study.owner)
    client.cookies["language"] = "ru"
    for address in (
        reverse("annotation:study-list"),
        study.get_absolute_url(),
        reverse("generation:run-list"),
        reverse("analysis:report", args=[study.slug]),
    ):
        response = client.get(address)
        body = response.content.decode()
        assert response.headers["Content-Language"] == "en"
        assert '<html lang="en">' in body
        assert not re.search("[а-яё]", html.unescape(body), re.I)
        assert reverse("set-language") not in body


def test_a_page_for_researchers_refuses_a_reader_in_the_readers_language(in_russian):
    response = in_russian.get(reverse("annotation:study-list"))
    assert response.status_code == 403
    assert "не для этой учётной записи" in response.content.decode()
