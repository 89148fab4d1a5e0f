"""What must not go wrong at the reading page: stale tabs, the Back button, bad networks, focus."""

import json
from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Ranking, Reading, Score
from annotation.readings import reading_state
from tests.browser.conftest import saved

pytestmark = pytest.mark.django_db(transaction=True)


def scale(page, number, letter="A"):
    return page.locator(f"[data-rubric={letter}] .scale").nth(number)


def radio(page, number, value, letter="A"):
    return scale(page, number, letter).get_by_label(str(value), exact=True)


def answer_all(page, value="5"):
    """Every score and the ranking A, B, C, by keyboard, from the first criterion of set A."""
    for _ in range(18):
        page.keyboard.press(value)
    for letter in "abc":
        page.keyboard.press(letter)


def without_waiting(context):
    """The session for another device: signed in, with nothing in the browser's own storage."""
    return {"cookies": context.cookies(), "origins": []}


def current():
    """The current scores of set A, in the order of the criteria."""
    reading = Reading.objects.get(reader__user__username="bob", position=1)
    return list(reading_state(reading)["scores"]["A"].values())


# Stale tabs


def test_next_in_a_stale_tab_does_not_overwrite_a_newer_answer(page, context, first_case):
    answer_all(page, "2")
    saved(page)
    other = context.new_page()
    other.goto(page.url)
    other.keyboard.press("9")
    other.keyboard.press("k")
    for letter in "cba":
        other.keyboard.press(letter)
    saved(other)
    page.keyboard.press("n")
    expect(page.locator("text=Look at them, then go on")).to_be_visible()
    assert current() == [9, 2, 2, 2, 2, 2]
    assert Ranking.objects.current().get().tiers == [["C"], ["B"], ["A"]]


def test_next_in_a_stale_page_without_javascript_does_not_overwrite_a_newer_answer(
    browser, context, page, first_case, live_server
):
    answer_all(page, "2")
    saved(page)
    plain = browser.new_context(java_script_enabled=False, storage_state=context.storage_state())
    stale = plain.new_page()
    stale.goto(page.url)
    page.reload()
    page.keyboard.press("9")
    page.keyboard.press("k")
    for letter in "cba":
        page.keyboard.press(letter)
    saved(page)
    scale(stale, 1).locator("label", has_text="3").click()
    stale.click(".moves button")
    expect(stale.locator("text=Look at them, then go on")).to_be_visible()
    plain.close()
    assert current() == [9, 3, 2, 2, 2, 2]
    assert Ranking.objects.current().get().tiers == [["C"], ["B"], ["A"]]


def test_another_tab_shows_an_answer_as_soon_as_it_is_given(page, context, first_case):
    other = context.new_page()
    other.goto(page.url)
    page.keyboard.press("8")
    expect(radio(other, 0, 8)).to_be_checked()
    page.keyboard.press("k")
    for letter in "bca":
        page.keyboard.press(letter)
    expect(other.locator("#order .card-name")).to_have_text(["Set B", "Set C", "Set A"])


def test_an_answer_that_waited_gives_way_to_a_newer_one_in_sight(page, context, first_case):
    page.route("**/score/", lambda route: route.abort())
    page.keyboard.press("2")
    expect(page.locator("#status")).to_contain_text("sent later: 1")
    other = context.browser.new_context(storage_state=without_waiting(context))
    tablet = other.new_page()
    tablet.goto(page.url)
    tablet.keyboard.press("9")
    saved(tablet)
    other.close()
    expect(radio(page, 0, 2)).to_be_checked()
    page.unroute("**/score/")
    expect(radio(page, 0, 9)).to_be_checked()
    saved(page)
    assert current() == [9]
    assert Score.objects.count() == 2


# Back


def test_back_shows_what_is_stored(page, live_server, study, first_case):
    page.keyboard.press("4")
    saved(page)
    page.goto(live_server.url + reverse("annotation:reading", args=[study.slug, 2]))
    page.go_back()
    expect(radio(page, 0, 4)).to_be_checked()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("6")
    saved(page)
    assert current() == [6]


def test_a_page_out_of_the_browsers_memory_is_loaded_again(page, context, first_case):
    other = context.browser.new_context(storage_state=without_waiting(context))
    tablet = other.new_page()
    tablet.goto(page.url)
    tablet.keyboard.press("7")
    saved(tablet)
    other.close()
    page.route("**/score/", lambda route: route.abort())
    page.keyboard.press("ArrowDown")
    page.keyboard.press("3")
    expect(page.locator("#status")).to_contain_text("sent later: 1")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(radio(page, 0, 7)).to_be_checked()
    expect(radio(page, 1, 3)).to_be_checked()
    page.unroute("**/score/")
    saved(page)
    assert current() == [7, 3]


# Bad networks


def test_the_status_is_saved_as_soon_as_the_network_is_back(page, context, first_case):
    """Without waiting for the next try by the clock, which stands still here."""
    page.clock.install()
    page.clock.pause_at(datetime.now() + timedelta(seconds=30))
    context.set_offline(True)
    page.keyboard.press("5")
    expect(page.locator("#status")).to_contain_text("Offline. Kept here and sent later: 1")
    context.set_offline(False)
    saved(page)
    assert current() == [5]


def test_the_status_goes_from_offline_over_saving_to_saved(page, first_case):
    page.route("**/score/", lambda route: route.abort())
    page.keyboard.press("5")
    expect(page.locator("#status")).to_contain_text("Offline. Kept here and sent later: 1")
    page.evaluate(
        """() => {
          window.seen = [];
          const status = document.getElementById("status");
          new MutationObserver(() => window.seen.push(status.textContent))
            .observe(status, { childList: true });
        }"""
    )
    page.unroute("**/score/")
    saved(page)
    seen = page.evaluate("window.seen")
    assert seen[-2:] == ["Saving…", "Saved ✓"]


@pytest.mark.parametrize(
    "reply",
    [
        {
            "status": 200,
            "content_type": "text/html",
            "body": "<h1>Guest Wi-Fi: please sign in</h1>",
        },
        {"status": 404, "content_type": "text/html", "body": "Not Found"},
        {"status": 409, "content_type": "application/json", "body": '{"error": "Sign in as B."}'},
        {"status": 400, "content_type": "text/html", "body": "Bad Request"},
        {"status": 502, "content_type": "text/html", "body": "Bad Gateway"},
    ],
    ids=lambda reply: str(reply["status"]),
)
def test_an_answer_that_the_server_did_not_take_is_kept(page, first_case, reply):
    page.route("**/score/", lambda route: route.fulfill(**reply))
    page.keyboard.press("5")
    expect(page.locator("#status")).to_have_attribute("data-kind", "bad")
    expect(radio(page, 0, 5)).to_be_checked()
    page.unroute("**/score/")
    saved(page)
    assert current() == [5]


def test_a_refused_answer_is_taken_back_and_the_others_go_through(page, first_case):
    refusal = json.dumps({"error": "Please choose again."})
    page.route(
        "**/score/",
        lambda route: route.fulfill(status=400, content_type="application/json", body=refusal),
        times=1,
    )
    page.keyboard.press("5")
    expect(page.locator("#status")).to_have_text("Not saved: Please choose again.")
    expect(scale(page, 0).locator("input:checked")).to_have_count(0)
    page.keyboard.press("6")
    saved(page)
    assert current() == [6]


def test_after_signing_in_again_in_another_tab_next_goes_on(page, context, first_case):
    answer_all(page)
    saved(page)
    context.clear_cookies(name="sessionid")
    page.keyboard.press("a")
    page.keyboard.press("3")
    expect(page.locator("#status")).to_contain_text("Sign in again")
    with context.expect_page() as opened:
        page.click("#sign-in")
    tab = opened.value
    tab.fill("#id_username", "bob")
    tab.fill("#id_password", "bob")
    tab.click("main button[type=submit]")
    expect(tab.locator("text=My readings").first).to_be_visible()
    tab.close()
    saved(page)
    page.keyboard.press("n")
    expect(page.locator("text=Look at them, then go on")).to_be_visible()
    assert current() == [3, 5, 5, 5, 5, 5]


def test_next_after_the_session_expired_comes_back_to_the_case(page, context, first_case):
    page.keyboard.press("5")
    saved(page)
    address = page.url
    context.clear_cookies(name="sessionid")
    page.keyboard.press("n")
    page.fill("#id_username", "bob")
    page.fill("#id_password", "bob")
    page.click("main button[type=submit]")
    page.wait_for_url(address)
    expect(radio(page, 0, 5)).to_be_checked()


def test_an_image_that_did_not_come_is_asked_for_again(page, first_case):
    page.route("**/image/**", lambda route: route.abort())
    page.reload()
    images = page.locator(".grid img")
    expect(images).to_have_count(2 + 3 * 2)
    for image in images.all():
        expect(image).to_have_js_property("naturalWidth", 0)
    page.unroute("**/image/**")
    for image in images.all():
        expect(image).to_have_js_property("naturalWidth", 32)


# Focus and keys


def test_a_digit_scores_the_criterion_that_has_the_focus(page, first_case):
    radio(page, 0, 0).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(scale(page, 2)).to_contain_class("marked")
    page.keyboard.press("7")
    expect(radio(page, 2, 7)).to_be_checked()
    saved(page)
    assert Score.objects.get().value == 7
    expect(scale(page, 3)).to_contain_class("marked")
    page.keyboard.press("Tab")
    expect(radio(page, 3, 0)).to_be_focused()


def test_the_focus_follows_the_keys_into_the_next_set(page, first_case):
    for _ in range(6):
        page.keyboard.press("4")
    expect(scale(page, 0, "B")).to_be_focused()
    page.keyboard.press("Tab")
    expect(radio(page, 0, 0, "B")).to_be_focused()


def test_a_digit_in_the_ranking_scores_nothing(page, first_case):
    page.locator(".card-name").first.focus()
    page.keyboard.press("7")
    expect(page.locator(".scale input:checked")).to_have_count(0)


def test_a_key_held_down_scores_one_criterion(page, first_case):
    page.keyboard.down("5")
    page.keyboard.down("5")  # what a held key sends
    page.keyboard.up("5")
    saved(page)
    assert current() == [5]
