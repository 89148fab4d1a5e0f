"""Looking before sealing: the gallery, a preview, a dry run."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Reading, Score, Study
from generation.jobs import perform_next
from tests import builders
from tests.browser.conftest import saved

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study():
    return builders.a_study(state=Study.State.IMAGES, readers=[], pairs=2)


def accessible(page):
    report = Axe().run(page)
    assert report.violations_count == 0, report.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_images_are_inspected_and_a_case_is_left_out(page, live_server, study, sign_in, scheme):
    page.emulate_media(color_scheme=scheme)
    sign_in("alice")
    page.goto(live_server.url + reverse("annotation:study", args=[study.slug]))
    page.get_by_role("link", name="Gallery", exact=True).click()
    accessible(page)
    page.click("text=Inspect the images")
    page.wait_for_selector("text=Waiting for a worker")
    accessible(page)
    perform_next(["cpu"])
    page.wait_for_selector("text=Inspected 20")
    page.locator("#case-1 .gallery-out summary").click()
    page.locator("#case-1 summary", has_text="Sample this set again").first.click()
    accessible(page)
    page.locator("#case-1 .gallery-out input[name=reason]").fill("no polyp in it")
    page.locator("#case-1 .gallery-out button").click()
    page.wait_for_selector("text=Left out: cases 1 and 2.")
    expect(page.locator("#case-1")).to_have_count(0)
    expect(page.locator("#case-3")).to_be_visible()
    assert list(study.cases.values_list("position", flat=True)) == [3, 4]


def test_a_preview_is_the_reading_page_and_keeps_nothing(page, live_server, study, sign_in):
    sign_in("alice")
    page.goto(live_server.url + reverse("analysis:gallery", args=[study.slug]))
    page.click("text=Preview as a reader")
    page.click("text=Go on to the sets")
    expect(page.locator(".scale.marked")).to_be_visible()
    expect(page.get_by_text("Preview: nothing is kept")).to_be_visible()
    for _ in range(3 * 6):
        page.keyboard.press("7")
    for letter in "abc":
        page.keyboard.press(letter)
    saved(page)
    accessible(page)
    page.keyboard.press("n")
    page.wait_for_selector("text=case 2 of 4")
    assert not Score.objects.exists()
    assert not Reading.objects.exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_dry_run_leads_to_a_report_that_says_what_it_is(
    page, live_server, study, sign_in, scheme
):
    page.emulate_media(color_scheme=scheme)
    sign_in("alice")
    page.goto(live_server.url + reverse("analysis:dry-runs", args=[study.slug]))
    accessible(page)
    page.fill("[name=effect-2]", "1.5")
    page.click("text=Start")
    page.wait_for_selector("text=waiting for a worker")
    accessible(page)
    perform_next(["cpu"])
    page.wait_for_selector("text=Delete")
    page.get_by_role("link", name="Report").click()
    expect(page.get_by_text("Simulated readers: nobody gave these answers")).to_be_visible()
    accessible(page)
