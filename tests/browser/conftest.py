"""A real Chromium against a real server."""

import os
import shutil

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests import builders

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright runs a loop of its own


def pytest_collection_modifyitems(items):
    skip = pytest.mark.skip(reason="no Chromium: apt-get install chromium, or run `make chromium`")
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)
            if not CHROMIUM:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def browser_type_launch_args():
    return {"executable_path": CHROMIUM, "args": FLAGS, "headless": True}


@pytest.fixture
def context(context):
    """Nothing is sent after the test, while the database is being emptied."""
    yield context
    context.set_offline(True)


@pytest.fixture
def sign_in(page, live_server):
    """Sign in by the form; the password is the name."""

    def enter(name):
        page.goto(f"{live_server.url}/accounts/login/")
        page.fill("#id_username", name)
        page.fill("#id_password", name)
        page.click("main button[type=submit]")

    return enter


@pytest.fixture
def study():
    return builders.a_study(pairs=1)


@pytest.fixture
def first_case(page, live_server, study, sign_in):
    """Bob before the sets of his first case."""
    sign_in("bob")
    page.goto(live_server.url + reverse("annotation:reading", args=[study.slug, 1]))
    page.click("text=Go on to the sets")
    expect(page.locator(".scale.marked")).to_be_visible()


def saved(page):
    expect(page.locator("#status")).to_have_text("Saved ✓")
