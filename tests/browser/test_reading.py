"""A reader at work: by mouse, by keyboard, without a network, in both themes."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Ranking, Score
from tests.browser.conftest import saved

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_reader_reads_a_case_by_keyboard_alone(page, first_case):
    for _ in range(3):
        for key in "01579x":
            page.keyboard.press(key)
    for key in "bca":
        page.keyboard.press(key)
    saved(page)
    page.keyboard.press("n")
    expect(page.locator("text=Look at them, then go on")).to_be_visible()
    values = Score.objects.current().order_by("sequence").values_list("value", flat=True)
    assert list(values) == [0, 1, 5, 7, 9, 10] * 3
    assert Ranking.objects.current().get().tiers == [["B"], ["C"], ["A"]]


def test_the_guide_opens_and_closes_by_its_buttons(page, first_case):
    page.click("[data-dialog=guide]")
    guide = page.locator("#guide")
    guide.get_by_role("button", name="Close").click()
    expect(guide).not_to_be_visible()
    expect(page.locator("[data-dialog=guide]")).to_be_focused()


def test_answers_given_without_a_network_wait_and_go_through(page, context, first_case):
    page.keyboard.press("4")
    saved(page)
    context.set_offline(True)
    page.keyboard.press("5")
    page.keyboard.press("6")
    expect(page.locator("#status")).to_have_text("Offline. Kept here and sent later: 2")
    assert Score.objects.count() == 1
    context.set_offline(False)
    saved(page)
    assert sorted(Score.objects.values_list("value", flat=True)) == [4, 5, 6]


def test_answers_that_wait_survive_a_reload(page, live_server, first_case):
    page.route("**/score/", lambda route: route.abort())
    page.keyboard.press("8")
    expect(page.locator("#status")).to_contain_text("sent later: 1")
    page.reload()
    expect(page.locator("#status")).to_contain_text("sent later: 1")
    expect(page.locator("[data-rubric=A] .scale").first.get_by_label("8")).to_be_checked()
    page.unroute("**/score/")
    saved(page)
    assert Score.objects.get().value == 8


def test_an_expired_session_keeps_the_answers(page, context, live_server, first_case, study):
    cookies = context.cookies()
    context.clear_cookies(name="sessionid")
    page.keyboard.press("3")
    expect(page.locator("#status")).to_contain_text("Sign in again")
    assert not Score.objects.exists()
    context.add_cookies(cookies)
    saved(page)
    assert Score.objects.get().value == 3


def test_a_double_click_saves_once(page, first_case):
    page.locator("[data-rubric=A] .scale").first.locator("label", has_text="6").dblclick()
    saved(page)
    assert Score.objects.count() == 1


def test_not_applicable_can_be_chosen_by_key_and_by_mouse_where_it_may_be(page, first_case):
    page.keyboard.press("-")  # realism: always applicable
    page.keyboard.press("7")
    page.keyboard.press("7")
    page.keyboard.press("-")
    saved(page)
    rubric = page.locator("[data-rubric=A]")
    expect(rubric.get_by_label("not applicable")).to_be_checked()
    assert sorted(Score.objects.values_list("criterion", "value")) == [
        ("clinical_realism", 7),
        ("detectability", None),
        ("prompt_faithfulness", 7),
    ]
    page.click("[data-show=B]")
    page.locator("[data-rubric=B] label", has_text="not applicable").click()
    saved(page)
    assert Score.objects.filter(value=None).count() == 2


def test_two_tabs_keep_the_later_answer(page, context, first_case):
    other = context.new_page()
    other.goto(page.url)
    page.keyboard.press("2")
    saved(page)
    other.keyboard.press("9")
    saved(other)
    assert Score.objects.current().get().value == 9
    assert Score.objects.count() == 2


def test_an_image_opens_large_beside_a_reference(page, first_case):
    page.locator(".set:not([hidden]) .shot").first.click()
    expect(page.locator("#viewer-image-caption")).to_have_text("Set A, image 1 of 2")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer-image-caption")).to_have_text("Set A, image 2 of 2")
    expect(page.locator("#viewer-scale")).to_contain_text("×")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).not_to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_a_case_has_an_accessibility_violation(
    page, live_server, study, sign_in, scheme
):
    errors = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.emulate_media(color_scheme=scheme)
    sign_in("bob")
    page.goto(live_server.url + reverse("annotation:reading", args=[study.slug, 1]))
    found = {"references": Axe().run(page)}
    page.click("text=Go on to the sets")
    expect(page.locator(".scale.marked")).to_be_visible()
    found["case"] = Axe().run(page)
    page.keyboard.press("n")
    page.wait_for_url("**?missing")
    found["missing"] = Axe().run(page)
    page.keyboard.press("?")
    found["guide"] = Axe().run(page)
    problems = {
        name: result.generate_report() for name, result in found.items() if result.violations_count
    }
    assert not problems, "\n".join(problems.values())
    assert not errors


def test_the_rubric_and_the_ranking_fit_the_screen(page, first_case):
    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.evaluate("document.documentElement.scrollHeight") <= 900
    for width, height in [(1440, 900), (1024, 768), (768, 1024), (320, 640)]:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_references_are_one_key_away_and_back(page, first_case):
    page.keyboard.press("r")
    expect(page.locator(".stage")).to_be_hidden()
    expect(page.locator("#references-toggle")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("r")
    expect(page.locator(".stage")).to_be_visible()


def test_compare_shows_every_set_at_once(page, first_case):
    expect(page.locator(".set:visible")).to_have_count(1)
    page.keyboard.press("v")
    expect(page.locator(".set:visible")).to_have_count(3)


def test_whether_answers_are_saved_is_always_in_sight(page, first_case):
    page.set_viewport_size({"width": 768, "height": 600})
    page.keyboard.press("ArrowUp")
    for key in "45678":
        page.keyboard.press(key)
    saved(page)
    assert page.evaluate("scrollY") > 0
    expect(page.locator("#status")).to_be_in_viewport()
    expect(page.locator(".scale.marked")).to_be_in_viewport()


def test_keys_can_be_turned_off(page, first_case):
    page.keyboard.press("?")
    page.get_by_label("Use the keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("7")
    expect(page.locator(".scale input:checked")).to_have_count(0)
    page.locator(".set:visible .shot").first.click()
    page.keyboard.press("1")
    expect(page.locator(".flags [aria-pressed=true]")).to_have_count(0)
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("7")
    expect(page.locator(".scale input:checked")).to_have_count(0)
    assert not Score.objects.exists()


def test_a_ranking_against_the_scores_is_pointed_out_gently(page, first_case):
    for value in "258":
        for _ in range(6):
            page.keyboard.press(value)
    for key in "abc":
        page.keyboard.press(key)
    expect(page.locator("#note")).to_contain_text("That is fine if you mean it")
    saved(page)
