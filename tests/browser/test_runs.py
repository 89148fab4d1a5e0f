"""A researcher watches runs: as images arrive, after a failure, with nothing there."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from generation.models import Image, Run
from tests.builders import a_user
from tests.generation.a_run import a_run, fill

pytestmark = pytest.mark.django_db(transaction=True)
Status = Run.Status


@pytest.fixture
def alice(sign_in):
    user = a_user("alice", researcher=True)
    sign_in("alice")
    return user


def failed(run):
    run.chunks.update(status=Status.FAILED, error="The disk is full.")
    run.sum_up()
    return run


def test_images_appear_while_the_page_is_open_and_what_was_opened_stays_open(
    page, live_server, alice
):
    run = a_run(by=alice, images_per_set=4, filled=2)
    page.goto(live_server.url + run.get_absolute_url())
    page.click("summary")
    thumbs = page.locator("#sets img")
    expect(thumbs).to_have_count(2)
    thumbs.first.evaluate("image => image.dataset.seen = 'yes'")
    fill(run, 3)
    expect(thumbs).to_have_count(5)
    expect(page.locator("#sets img[data-seen]")).to_have_count(1)  # not fetched or drawn again
    expect(page.locator("#progress")).to_contain_text("5 of 8 images")
    expect(page.locator("details")).to_have_attribute("open", "")
    fill(run, 3)
    expect(page.locator("#state-title")).to_have_text("Done")
    expect(page.locator("#chunks")).to_contain_text("1 of 1 done")
    expect(page.locator("#download")).to_contain_text("images and manifest")


def test_cancel_is_asked_once_more_while_the_page_goes_on_polling(page, live_server, alice):
    run = a_run(by=alice, images_per_set=4, filled=2)
    page.goto(live_server.url + run.get_absolute_url())
    page.click("#cancel")
    fill(run, 1)
    expect(page.locator("#progress")).to_contain_text("3 of 8 images")
    page.click("dialog button[type=submit]")
    expect(page.locator("#state-title")).to_have_text("Cancelled")
    page.click("text=Go on")
    expect(page.locator("#state-title")).to_have_text("Waiting for a worker")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages_of_runs(page, live_server, alice, scheme):
    errors = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.emulate_media(color_scheme=scheme)
    places = {"nothing": reverse("generation:run-list"), "new": reverse("generation:run-new")}
    found = {}

    def look(name, address):
        page.goto(live_server.url + address)
        found[name] = Axe().run(page)
        for width, height in [(1440, 900), (1024, 768), (320, 640)]:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)

    for name, address in places.items():
        look(name, address)
    at_work = a_run(by=alice, pairs=8, images_per_set=1, filled=14)
    places = {
        "list": places["nothing"],
        "at work": at_work.get_absolute_url(),
        "failed": failed(a_run(by=alice, filled=1)).get_absolute_url(),
        "done": a_run(by=alice, filled=4).get_absolute_url(),
        "image": reverse("generation:image-provenance", args=[Image.objects.first().pk]),
    }
    for name, address in places.items():
        look(name, address)
    problems = {
        name: result.generate_report() for name, result in found.items() if result.violations_count
    }
    assert not problems, "\n".join(problems.values())
    assert not errors
