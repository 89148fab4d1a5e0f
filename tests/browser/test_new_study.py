"""A researcher sets a study up, and sees what it would take while filling it in."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Study
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(sign_in):
    user = builders.a_user("alice", researcher=True)
    sign_in("alice")
    return user


@pytest.fixture
def material():
    """Eight pairs of prompts, real images for them, and three generators."""
    for name in ("Elm", "Larch", "Yew"):
        builders.a_generator(name=name, slug=name.lower())
    return builders.a_dataset(pairs=8, images_per_pair=6)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page_of_a_new_study(page, live_server, alice, scheme):
    page.emulate_media(color_scheme=scheme)
    address = live_server.url + reverse("annotation:study-new")
    found, errors = {}, []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)

    def look(name):
        found[name] = Axe().run(page)
        for width, height in [(320, 640), (768, 1024), (1440, 900)]:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)

    page.goto(address)
    look("empty")
    for name in ("Elm", "Larch", "Yew"):
        builders.a_generator(name=name, slug=name.lower())
    builders.a_dataset(pairs=8, images_per_pair=6)
    page.goto(address)
    look("begun")
    page.get_by_label("Elm").check()
    page.get_by_label("Yew").check()
    expect(page.locator("#estimate")).to_contain_text("It can find")
    look("estimate")
    page.get_by_role("button", name="Make study").click()
    expect(page.locator("[role=alert]")).to_contain_text("Nothing was made")
    look("refused")
    problems = {
        name: result.generate_report() for name, result in found.items() if result.violations_count
    }
    assert not problems
    assert not errors


def test_the_estimate_follows_every_change_and_the_study_is_made(
    page, live_server, alice, material
):
    page.goto(live_server.url + reverse("annotation:study-list"))
    page.get_by_role("link", name="New study", exact=True).first.click()
    page.fill("#id_title", "Polyps by page")
    estimate = page.locator("#estimate")
    expect(estimate).to_contain_text("Still to choose: generators")
    page.get_by_label("Elm").check()
    page.get_by_label("Larch").check()
    expect(estimate).to_contain_text("16 cases: 14 of the study, 1 for practice, 1 a second time")
    expect(estimate).to_contain_text("300")
    page.fill("#id_pairs", "4")
    expect(estimate).to_contain_text("8 of the study")
    page.fill("#id_images_per_set", "2")
    expect(estimate).to_contain_text("36")
    page.fill("#id_references_per_case", "7")
    expect(estimate).to_contain_text("Too few test images")
    page.fill("#id_references_per_case", "2")
    expect(estimate).not_to_contain_text("Too few")
    expect(page.locator("#id_title")).to_have_value("Polyps by page")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Polyps by page")
    study = Study.objects.get()
    assert (study.cases.count(), study.arms.count(), study.protocol.images_per_set) == (9, 2, 2)


def test_without_javascript_the_page_does_the_same(browser, live_server, material):
    builders.a_user("alice", researcher=True)
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{live_server.url}/accounts/login/")
        page.fill("#id_username", "alice")
        page.fill("#id_password", "alice")
        page.click("main button[type=submit]")
        page.goto(live_server.url + reverse("annotation:study-new"))
        page.get_by_label("Elm").check()
        page.get_by_role("button", name="Estimate").click()
        expect(page.locator("#estimate")).to_contain_text("A reader sees")
        assert page.get_by_label("Elm").is_checked()
        page.fill("#id_title", "By hand")
        page.get_by_role("button", name="Make study").click()
        expect(page.locator("h1")).to_have_text("By hand")


def test_a_study_is_sealed_without_javascript(browser, live_server, client):
    """What can't be undone is asked once more, by the address alone."""
    study = builders.a_study(state=Study.State.CHECKED, readers=[])
    client.force_login(study.owner)
    with browser.new_context(java_script_enabled=False) as context:
        cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
        context.add_cookies([{**cookie, "url": live_server.url}])
        page = context.new_page()
        page.goto(live_server.url + study.get_absolute_url())
        dialog = page.locator("#confirm")
        expect(dialog).to_be_hidden()
        page.click("text=Seal study…")
        expect(dialog).to_be_visible()
        dialog.get_by_role("link", name="Not now").click()
        expect(dialog).to_be_hidden()
        page.click("text=Seal study…")
        dialog.get_by_role("button", name="Seal study").click()
        page.wait_for_selector("text=There is no reader yet")
    study.refresh_from_db()
    assert study.state == Study.State.SEALED


def test_the_link_to_a_confirmation_opens_a_tab_where_that_is_asked_for(page, live_server, sign_in):
    study = builders.a_study(state=Study.State.CHECKED, readers=[])
    sign_in("alice")
    page.goto(live_server.url + study.get_absolute_url())
    with page.context.expect_page():
        page.click("text=Seal study…", modifiers=["Control"])
    expect(page.locator("#confirm")).to_be_hidden()
    page.click("text=Seal study…")
    page.locator("#confirm").get_by_role("link", name="Not now").click()
    expect(page.locator("#confirm")).to_be_hidden()
