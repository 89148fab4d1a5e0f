"""The ranking: by click, buttons, keys, mouse and finger; and undo."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Ranking, Score
from tests import builders
from tests.browser.conftest import saved

pytestmark = pytest.mark.django_db(transaction=True)


def name(page, letter):
    return page.locator(f"[data-card={letter}] .card-name")


def act(page, letter, what):
    page.click(f"[data-card={letter}] [data-do={what}]")


def tiers():
    return Ranking.objects.current().get().tiers


@pytest.fixture
def ranked(page, first_case):
    """A, B, C in this order."""
    for letter in "ABC":
        name(page, letter).click()
    saved(page)
    assert tiers() == [["A"], ["B"], ["C"]]
    return page


def drag(page, letter, to, by=0.0):
    """A card to a part of another card's width, by mouse."""
    box, end = (name(page, each).bounding_box() for each in (letter, to))
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] * by, end["y"] + 12, steps=6)
    page.mouse.up()


def test_nothing_is_ranked_before_the_reader_ranks_it(page, first_case):
    expect(page.locator("#order li")).to_have_count(0)
    expect(page.locator("#unranked .card-name")).to_have_text(["Set A", "Set B", "Set C"])
    name(page, "B").click()
    name(page, "C").click()
    expect(page.locator("#note")).to_contain_text("the ranking")
    assert not Ranking.objects.exists()


def test_buttons_move_a_set_by_one_rank(ranked):
    act(ranked, "C", "better")
    saved(ranked)
    assert tiers() == [["A"], ["C"], ["B"]]
    act(ranked, "A", "worse")
    saved(ranked)
    assert tiers() == [["C"], ["A"], ["B"]]


def test_a_card_is_dragged_to_its_rank(ranked):
    drag(ranked, "C", "A")
    saved(ranked)
    assert tiers() == [["C"], ["A"], ["B"]]


def test_a_card_that_is_not_ranked_yet_is_dragged_to_its_rank(page, first_case):
    for letter in "AB":
        name(page, letter).click()
    drag(page, "C", "A")
    saved(page)
    assert tiers() == [["C"], ["A"], ["B"]]


def test_a_finger_drags_a_card(ranked):
    client = ranked.context.new_cdp_session(ranked)
    start, end = (name(ranked, letter).bounding_box() for letter in "CA")

    def touch(kind, *point):
        points = [{"x": point[0], "y": point[1]}] if point else []
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", start["x"] + 12, start["y"] + 12)
    for part in (0.3, 0.6, 1.0):
        touch("touchMove", start["x"] + 12 + part * (end["x"] - start["x"] - 12), end["y"] + 12)
    touch("touchEnd")
    saved(ranked)
    assert tiers() == [["C"], ["A"], ["B"]]


def test_escape_lets_a_dragged_card_go_where_it_was(ranked):
    box = name(ranked, "C").bounding_box()
    ranked.mouse.move(box["x"] + 10, box["y"] + 10)
    ranked.mouse.down()
    ranked.mouse.move(box["x"] - 200, box["y"] + 10, steps=4)
    ranked.keyboard.press("Escape")
    ranked.mouse.up()
    expect(ranked.locator("#order .card-name")).to_have_text(["Set A", "Set B", "Set C"])
    assert Ranking.objects.count() == 1


def test_arrow_keys_move_the_card_that_has_the_focus_and_it_keeps_it(ranked):
    name(ranked, "C").focus()
    ranked.keyboard.press("ArrowLeft")
    ranked.keyboard.press("ArrowLeft")
    expect(name(ranked, "C")).to_be_focused()
    expect(name(ranked, "C")).to_have_accessible_name("Set C: rank 1. Arrow keys move it.")
    saved(ranked)
    assert tiers() == [["C"], ["A"], ["B"]]


def test_letters_name_the_order_anew_and_then_show_sets_again(ranked):
    ranked.keyboard.press("k")
    for key in "bca":
        ranked.keyboard.press(key)
    saved(ranked)
    assert tiers() == [["B"], ["C"], ["A"]]
    ranked.keyboard.press("c")
    expect(ranked.locator("[data-show=C]")).to_have_attribute("aria-pressed", "true")


@pytest.fixture
def tied(page, live_server, sign_in):
    """The first case of a study that allows ties and ranks the references too."""
    protocol = builders.a_protocol(ties_allowed=True, rank_references=True)
    study = builders.a_study(pairs=1, protocol=protocol)
    sign_in("bob")
    page.goto(live_server.url + reverse("annotation:reading", args=[study.slug, 1]))
    page.click("text=Go on to the sets")
    expect(page.locator(".scale.marked")).to_be_visible()
    for letter in "RABC":
        name(page, letter).click()
    saved(page)
    return page


def test_sets_share_a_rank_by_button_by_key_and_by_dragging(tied):
    act(tied, "B", "tie")
    saved(tied)
    assert tiers() == [["R"], ["A", "B"], ["C"]]
    expect(tied.locator("#order > li").last).to_have_attribute("data-place", "4")
    act(tied, "B", "tie")
    drag(tied, "C", "R", by=0.8)
    saved(tied)
    assert tiers() == [["C", "R"], ["A"], ["B"]]
    tied.keyboard.press("k")
    for key in "a=br":
        tied.keyboard.press(key)
    saved(tied)
    assert tiers() == [["A", "B"], ["R"], ["C"]]


def test_without_ties_there_is_no_button_for_one(ranked):
    expect(ranked.locator("#order [data-do=tie]")).to_have_count(0)


# Undo


def test_undo_gives_the_answer_before_as_a_new_revision(page, first_case):
    page.keyboard.press("4")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("9")
    page.keyboard.press("u")
    saved(page)
    expect(page.locator("[data-rubric=A] .scale").first.get_by_label("4")).to_be_checked()
    expect(page.locator("#note")).to_contain_text("Undone")
    values = Score.objects.order_by("sequence").values_list("value", flat=True)
    assert list(values) == [4, 9, 4]


def test_undo_of_a_first_answer_leads_back_to_it(page, first_case):
    page.keyboard.press("4")
    page.click("#undo")
    expect(page.locator("#note")).to_contain_text("no answer before")
    expect(page.locator("[data-rubric=A] .scale").first).to_contain_class("marked")
    page.click("#undo")
    expect(page.locator("#note")).to_contain_text("nothing to undo")
    saved(page)
    assert Score.objects.get().value == 4


def test_undo_takes_a_ranking_back(ranked):
    act(ranked, "C", "better")
    ranked.keyboard.press("u")
    saved(ranked)
    expect(ranked.locator("#order .card-name")).to_have_text(["Set A", "Set B", "Set C"])
    assert tiers() == [["A"], ["B"], ["C"]]
    assert Ranking.objects.count() == 3
