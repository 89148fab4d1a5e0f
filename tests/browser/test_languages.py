"""The reader's way in each language but English: nothing cut off, nothing that axe finds, and keys
that work with that language's keyboard."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from annotation.invitations import invite
from annotation.links import link_of
from annotation.models import Reading, Score, Study
from annotation.protocols import load_protocol
from annotation.readings import see_references
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)

LANGUAGES = [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
SIZES = [(1440, 900), (1024, 768), (768, 1024)]
CUT_OFF = """() => {
  const page = document.querySelector("dialog[open]") || document;
  const words = "button, .btn, a, legend, label span, h1, h2, h3, p, li, th, td, dd";
  const shown = [...page.querySelectorAll(words)].filter((element) =>
    element.checkVisibility({ visibilityProperty: true })
    && !element.closest(".visually-hidden, .skip"));
  const cut = shown.filter((element) => {
    const { left, right } = element.getBoundingClientRect();
    const outer = element.parentElement.getBoundingClientRect();
    if (left < -1 || right > innerWidth + 1 || right > outer.right + 1) return true;
    const block = getComputedStyle(element).display !== "inline";
    return block && element.scrollWidth > element.clientWidth + 1;
  });
  return cut.map((element) => element.textContent.trim().slice(0, 80));
}"""


# In a Cyrillic language a Latin word is one that nobody translated, but for names and keys.
LATIN = """() => {
  const ours = /Blindread|Polyps|alice|bob|Shift|Enter|Esc|dr@example.org/g;
  const said = [["title", document.title]];
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest("[lang=en], script, template, noscript, kbd")) continue;
    for (const node of element.childNodes)
      if (node.nodeType === Node.TEXT_NODE) said.push([element.tagName, node.data]);
    for (const name of ["aria-label", "alt", "title", "placeholder"])
      said.push([name, element.getAttribute(name) || ""]);
  }
  return said.filter(([, text]) => /[a-z]{2}/i.test(text.replace(ours, "")))
    .map(([place, text]) => `${place}: ${text.trim().slice(0, 80)}`);
}"""


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture
def browser_context_args(browser_context_args, language):
    return {**browser_context_args, "locale": language}


@pytest.fixture
def study():
    """With everything that a protocol may ask."""
    preset = load_protocol("prompt-to-polyp")
    protocol = builders.a_protocol(
        practice=1, guess=True, minimal_width=700, ties_allowed=True,
        consent=preset.consent, consent_version=preset.consent_version,
    )  # fmt: skip
    return builders.a_study(pairs=3, protocol=protocol, phantom=True)


def faults(page, name):
    """What is cut off at one size or another, and what axe finds in one theme or another."""
    found = []
    if page.get_attribute("html", "lang") == "ru":
        found += [f"{name}: not translated: {words}" for words in page.evaluate(LATIN)]
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{name}, {width} wide: cut off: {words}" for words in page.evaluate(CUT_OFF)]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        result = Axe().run(page)
        if result.violations_count:
            found.append(f"{name}, {scheme}: {result.generate_report()}")
    page.set_viewport_size({"width": 1440, "height": 900})
    return found


def answer_all(study):
    for sequence, reading in enumerate(Reading.objects.filter(reader__user__username="bob"), 1):
        see_references(reading)
        builders.rate(reading, sequence=10**12 + sequence)


def test_the_pages_around_the_cases(page, live_server, study, sign_in, language):
    def go(name, *arguments):
        page.goto(live_server.url + reverse(f"annotation:{name}", args=arguments))
        expect(page.locator("html")).to_have_attribute("lang", language)

    link = link_of(invite(study=study, by=study.owner, email="dr@example.org"))
    go("invitation-open", link)
    found = faults(page, "invitation")
    go("invitation-open", "nonsense")
    found += faults(page, "invitation refused")
    page.goto(f"{live_server.url}/accounts/login/")
    found += faults(page, "sign-in")
    sign_in("bob")
    found += faults(page, "home")
    go("consent", study.slug)
    found += faults(page, "consent")
    page.click("main a.btn")
    found += faults(page, "consent not given")
    go("consent", study.slug)
    page.click("main button.btn-primary")
    go("briefing", study.slug)
    found += faults(page, "briefing")
    go("reader-study", study.slug)
    found += faults(page, "overview")
    answer_all(study)
    go("reader-study", study.slug)
    found += faults(page, "done")
    go("guess", study.slug)
    page.click("main button.btn-primary")
    found += faults(page, "last question, an answer missing")
    Study.objects.filter(pk=study.pk).update(state=Study.State.CLOSED, closed_at=timezone.now())
    go("reader-study", study.slug)
    found += faults(page, "closed")
    assert not found, "\n".join(found)


@pytest.fixture
def case(page, live_server, study, sign_in):
    """Bob before his first case."""
    study.readers.update(
        consented_at=timezone.now(), consent_version="1", briefed_at=timezone.now()
    )
    sign_in("bob")
    page.goto(live_server.url + reverse("annotation:reading", args=[study.slug, 1]))


def test_a_case(page, case):
    found = faults(page, "references")
    page.click("main button.btn-primary")
    expect(page.locator(".scale.marked")).to_be_visible()
    page.keyboard.press("7")
    found += faults(page, "case")
    page.keyboard.press("v")
    found += faults(page, "sets beside each other")
    page.keyboard.press("v")
    page.keyboard.press("n")
    page.wait_for_url("**?missing")
    found += faults(page, "answers missing")
    page.keyboard.press("?")
    found += faults(page, "guide")
    page.keyboard.press("Escape")
    page.locator(".set:visible .shot").first.click()
    page.keyboard.press("1")
    found += faults(page, "large view")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 600, "height": 800})
    expect(page.locator("#narrow")).to_be_visible()
    assert page.evaluate(CUT_OFF) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(page.locator(".scale.marked")).to_be_visible()
    page.context.set_offline(True)
    page.keyboard.press("3")
    expect(page.locator("#status")).to_have_attribute("data-kind", "bad")
    found += faults(page, "offline")
    page.context.set_offline(False)
    assert not found, "\n".join(found)


def type_cyrillic(page, *keys):
    """What a keyboard with the Russian layout sends: (letter, place on the keyboard)."""
    for letter, place in keys:
        page.evaluate(
            """([key, code]) => document.activeElement.dispatchEvent(
              new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }))""",
            [letter, f"Key{place}"],
        )


@pytest.mark.parametrize("language", ["ru"], indirect=True)
def test_keys_work_with_a_cyrillic_keyboard(page, case):
    page.click("main button.btn-primary")
    expect(page.locator(".scale.marked")).to_be_visible()
    type_cyrillic(page, ("и", "B"), ("ч", "X"))
    expect(page.locator("#status")).to_have_text("Сохранено ✓")
    score = Score.objects.get()
    assert (score.reading_set.letter, score.value) == ("B", 10)
    type_cyrillic(page, ("м", "V"))
    expect(page.locator(".set:visible")).to_have_count(3)


@pytest.mark.parametrize("language", ["ru"], indirect=True)
def test_a_reader_chooses_english_and_keeps_it(page, live_server, study, sign_in):
    sign_in("bob")
    page.click("text=English")
    expect(page.get_by_role("heading", name="My readings")).to_be_visible()
    page.click("text=Start")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.click("text=Русский")
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    assert reverse("annotation:consent", args=[study.slug]) in page.url
