"""What is given beside scores: flags, comments, words; and studies of other kinds."""

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Activity, Comment, Flag, Reading, Score
from annotation.protocols import Criterion, load_protocol
from tests import builders
from tests.browser.conftest import saved

pytestmark = pytest.mark.django_db(transaction=True)


def first_shot(page):
    return page.locator(".set:not([hidden]) .shot").first


def reason():
    return Flag.objects.current().get().reason


# Flags


def test_an_image_is_flagged_by_key_and_the_flag_withdrawn_again(page, first_case):
    first_shot(page).focus()
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Artefact")).to_be_focused()
    page.keyboard.press("Enter")
    saved(page)
    assert reason() == "artefact"
    page.keyboard.press("2")
    saved(page)
    assert reason() == "anatomy"
    page.keyboard.press("Escape")
    expect(first_shot(page)).to_contain_text("Implausible anatomy")
    page.reload()
    expect(first_shot(page)).to_contain_text("Implausible anatomy")
    first_shot(page).click()
    button = page.get_by_role("button", name="Implausible anatomy").last
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    saved(page)
    assert reason() == "withdrawn"
    page.keyboard.press("Escape")
    expect(first_shot(page).locator(".flagged")).to_be_hidden()
    assert not Score.objects.exists()


def test_undo_takes_a_flag_back(page, first_case):
    first_shot(page).click()
    page.keyboard.press("4")
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    saved(page)
    assert reason() == "withdrawn"
    expect(first_shot(page).locator(".flagged")).to_be_hidden()


def test_a_flag_given_offline_goes_through_after_a_reload(page, first_case):
    page.route("**/flag/", lambda route: route.abort())
    first_shot(page).click()
    page.keyboard.press("3")
    expect(page.locator("#status")).to_contain_text("sent later: 1")
    page.reload()
    expect(first_shot(page)).to_contain_text("Identifiable text")
    page.unroute("**/flag/")
    saved(page)
    assert reason() == "text"


# Comments


def comment(page, letter="A"):
    return page.locator(f"[name=comment-{letter}]")


def test_a_comment_is_saved_after_a_pause_in_typing(page, first_case):
    comment(page).press_sequentially("Too sm")
    assert not Comment.objects.exists()
    comment(page).press_sequentially("ooth 7")
    saved(page)
    expect(comment(page)).to_be_focused()
    assert Comment.objects.get().text == "Too smooth 7"
    assert not Score.objects.exists()  # a digit in a text is no score


def test_a_comment_is_saved_when_it_is_left_and_when_the_case_is(page, first_case):
    comment(page).fill("one")
    comment(page).blur()
    saved(page)
    assert Comment.objects.current().get().text == "one"
    comment(page).press_sequentially(" two")
    page.goto("about:blank")
    page.go_back()
    expect(comment(page)).to_have_value("one two")
    saved(page)
    assert Comment.objects.current().get().text == "one two"


def test_a_comment_typed_in_one_tab_is_seen_in_the_other(page, context, first_case):
    other = context.new_page()
    other.goto(page.url)
    comment(page).fill("seen")
    comment(page).blur()
    expect(comment(other)).to_have_value("seen")


# Other kinds of study


@pytest.fixture
def single(page, live_server, sign_in):
    """The first page of a study of single images: practice, Likert scales, yes or no, words."""
    protocol = load_protocol("medisyn")
    more = (
        Criterion("anatomy", "Plausible anatomy?", "", kind="yes_no", maximum=1),
        Criterion("remarks", "Remarks", "What gives it away?", kind="text"),
    )
    protocol = replace(
        protocol,
        criteria=(*protocol.criteria, *more),
        consent="",
        consent_version="",
        image_size=32,
    )
    study = builders.a_study(pairs=1, protocol=protocol, readers=["bob"])
    sign_in("bob")
    page.goto(live_server.url + reverse("annotation:reading", args=[study.slug, 1]))
    expect(page.locator(".scale.marked")).to_be_visible()
    return page


def test_single_images_are_read_by_keys_and_words(single):
    expect(single.get_by_text("Practice: this case does not count")).to_be_visible()
    for key in ("9", "4", "2", "1"):  # no 9 on a scale of five
        single.keyboard.press(key)
    expect(single.locator("#note")).to_be_empty()
    single.keyboard.press("ArrowDown")
    single.keyboard.press("Enter")
    single.keyboard.type("Too smooth, n and 5")
    saved(single)
    single.keyboard.press("Escape")
    single.locator("[name=text-A-remarks]").blur()
    single.keyboard.press("n")
    expect(single.get_by_text("case 2 of")).to_be_visible()
    practice = Reading.objects.get(kind="practice")
    given = Score.objects.current().filter(reading_set__reading=practice)
    assert set(given.values_list("criterion", "value", "text")) == {
        ("realism", 4, ""),
        ("match", 2, ""),
        ("anatomy", 1, ""),
        ("remarks", None, "Too smooth, n and 5"),
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_single_images_and_the_large_view_are_accessible(single, scheme):
    single.emulate_media(color_scheme=scheme)
    found = {"single": Axe().run(single)}
    single.locator(".shot").first.click()
    single.keyboard.press("1")
    found["viewer"] = Axe().run(single)
    single.keyboard.press("Escape")
    found["flagged"] = Axe().run(single)
    problems = [r.generate_report() for r in found.values() if r.violations_count]
    assert not problems, "\n".join(problems)


def test_a_small_screen_is_refused_politely_and_nothing_is_lost(page, live_server, sign_in):
    protocol = builders.a_protocol(minimal_width=1000)
    study = builders.a_study(pairs=1, protocol=protocol, readers=["bob"])
    sign_in("bob")
    page.goto(live_server.url + reverse("annotation:reading", args=[study.slug, 1]))
    page.click("text=Go on to the sets")
    expect(page.locator(".scale.marked")).to_be_visible()
    page.keyboard.press("7")
    saved(page)
    page.set_viewport_size({"width": 768, "height": 1024})
    expect(page.get_by_role("alert")).to_contain_text("1000 pixels wide")
    expect(page.locator("#answers")).to_be_hidden()
    page.keyboard.press("5")
    assert not Axe().run(page).violations_count
    page.set_viewport_size({"width": 1024, "height": 768})  # turned
    expect(page.locator("#answers")).to_be_visible()
    assert Score.objects.get().value == 7


# Activity


def test_time_viewport_and_order_of_actions_are_recorded(page, first_case):
    page.clock.install()
    page.keyboard.press("b")
    page.clock.run_for(10_000)
    page.keyboard.press("7")
    saved(page)
    page.clock.run_for(200_000)  # away: half a minute of it counts
    page.mouse.move(200, 200)
    first_shot(page).click()
    page.keyboard.press("-")
    said = page.locator("#viewer-scale").inner_text()
    page.mouse.wheel(0, 100)
    expect(page.locator("#viewer-scale")).not_to_have_text(said)
    page.keyboard.press("Escape")
    page.goto("about:blank")
    for _ in range(50):
        if Activity.objects.filter(act="zoom").count() == 2:
            break
        page.wait_for_timeout(100)
    acts = list(Activity.objects.values_list("act", "detail"))
    names = [act for act, _ in acts if act not in ("active", "viewport")]
    assert names == ["set", "look", "zoom", "zoom"]
    assert ("set", {"set": "B"}) in acts
    assert ("look", {"set": "B", "image": 1}) in acts
    assert [detail["width"] for act, detail in acts if act == "viewport"] == [1280] * 2
    seconds = sum(detail["seconds"] for act, detail in acts if act == "active")
    assert 39 <= seconds <= 60


def test_what_was_chosen_before_the_scripts_came_is_saved(page, first_case):
    held = []
    page.route("**/reading-save.js", lambda route: held.append(route))
    page.reload(wait_until="commit")
    page.locator("[data-rubric=A] .scale").first.locator("label", has_text="6").click()
    for route in held:
        route.continue_()
    saved(page)
    assert Score.objects.get().value == 6
