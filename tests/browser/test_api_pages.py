"""The page of access tokens and the description of the API, in a browser under the site's CSP."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests import builders


@pytest.fixture
def alice(transactional_db, sign_in):
    user = builders.a_user("alice", researcher=True)
    sign_in("alice")
    return user


@pytest.mark.parametrize("width", [1440, 768])
def test_a_token_is_made_and_revoked_by_a_page_that_everyone_can_use(
    alice, page, live_server, width
):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{live_server.url}/accounts/")
    page.click("text=Access tokens")
    page.fill("#id_name", "Nightly export")
    page.click("text=Make token")
    assert page.input_value("#token").startswith("br_")
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("text=Revoke")
    expect(page.locator("main")).to_contain_text("“Nightly export” is revoked")


def test_the_description_is_drawn_and_operations_can_be_tried(alice, page, live_server):
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{live_server.url}/api/v1/docs/")
    operation = page.locator("#operations-Account-me_retrieve")
    expect(operation).to_be_visible(timeout=30_000)  # the first time it is put together
    assert Axe().run(page).response["violations"] == []
    operation.locator(".opblock-summary").click()
    operation.locator("text=Try it out").click()
    operation.locator("text=Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text('"username": "alice"')
    assert said == []
