"""Readers who read a whole study: by mouse, by keyboard alone, and by finger on a tablet.

`BROWSER_PAIRS=20` makes it the paper's 40 cases.
"""

import os

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Ranking, Reader, Reading, Score
from tests import builders
from tests.browser.conftest import saved

pytestmark = pytest.mark.django_db(transaction=True)

PAIRS = int(os.environ.get("BROWSER_PAIRS", "1"))
ORDER = "CAB"  # of the ranking, in every case
VALUES = [7, 0, 10, 4, 5, 9]  # in the order of the criteria, for every set


@pytest.fixture
def study():
    return builders.a_study(pairs=PAIRS, readers=["bob"])


def read(page, live_server, sign_in, study, *, press, ready, case):
    """Read to the end: `press` a button, wait until the case is `ready`, answer the `case`."""
    sign_in("bob")
    for position in range(1, 2 * PAIRS + 1):
        if position == 1:
            page.goto(live_server.url + reverse("annotation:reading", args=[study.slug, 1]))
        press(page.get_by_role("button", name="Go on to the sets"))
        ready()
        case()
        saved(page)
        press(page.locator(".moves button"))
        page.wait_for_url(lambda url, at=position: not url.endswith(f"/{at}/"))
    assert not Reading.objects.filter(reader__study=study, submitted_at=None).exists()
    press(page.get_by_role("button", name="Finish"))
    page.get_by_role("heading", name="Done. Thank you.").wait_for()
    assert Reader.objects.get().state == Reader.State.FINISHED
    stored = Score.objects.current().order_by("sequence").values_list("value", flat=True)
    assert list(stored) == VALUES * 3 * 2 * PAIRS
    assert [r.tiers for r in Ranking.objects.current()] == [[[x] for x in ORDER]] * 2 * PAIRS


def answer_by(page, press):
    """All scores and the ranking, each by pressing what stands for it."""
    for letter in "ABC":
        press(page.locator(f"[data-show={letter}]"))
        for i, value in enumerate(VALUES):
            scale = page.locator(f"[data-rubric={letter}] .scale").nth(i)
            press(scale.locator(f'label:has([value="{value}"])'))
    for letter in ORDER:
        press(page.locator(f"[data-card={letter}] .card-name"))


def test_a_reader_reads_a_study_by_mouse(page, live_server, study, sign_in):
    page.set_viewport_size({"width": 1440, "height": 900})
    read(
        page,
        live_server,
        sign_in,
        study,
        press=lambda target: target.click(),
        ready=lambda: expect(page.locator(".scale.marked")).to_be_visible(),
        case=lambda: answer_by(page, lambda target: target.click()),
    )


def test_a_reader_reads_a_study_by_keyboard_alone(page, live_server, study, sign_in):
    page.set_viewport_size({"width": 1440, "height": 900})

    def press(target):
        """What has the focus of itself or after some tabs; in a case, the key for the next."""
        expect(target).to_be_visible()
        if page.locator("#answers").count():
            return page.keyboard.press("n")
        for _ in range(40):
            if target.evaluate("button => button === document.activeElement"):
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")

    def case():
        for _ in range(3):
            for value in VALUES:
                page.keyboard.press("x" if value == 10 else str(value))
        for letter in ORDER.lower():
            page.keyboard.press(letter)

    def ready():
        expect(page.locator(".scale.marked")).to_be_visible()

    read(page, live_server, sign_in, study, press=press, ready=ready, case=case)


@pytest.mark.browser_context_args(
    viewport={"width": 768, "height": 1024}, has_touch=True, is_mobile=True
)
def test_a_reader_reads_a_study_on_a_tablet(page, live_server, study, sign_in):
    read(
        page,
        live_server,
        sign_in,
        study,
        press=lambda target: target.tap(),
        ready=lambda: expect(page.locator(".scale.marked")).to_be_visible(),
        case=lambda: answer_by(page, lambda target: target.tap()),
    )


@pytest.mark.browser_context_args(
    viewport={"width": 768, "height": 1024}, has_touch=True, is_mobile=True
)
def test_the_guide_on_a_tablet_names_the_keys_and_buttons_do_not(page, first_case):
    expect(page.locator("[data-dialog=guide] kbd")).to_be_hidden()
    page.tap("[data-dialog=guide]")
    expect(page.locator("#guide .facts kbd").first).to_be_visible()
