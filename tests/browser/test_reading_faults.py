"""Answers on bad networks and dying servers: what is stored is what was given."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Ranking, Reading, Score
from annotation.readings import reading_state
from tests.browser.conftest import saved

pytestmark = pytest.mark.django_db(transaction=True)


def stored(position=1):
    """The current scores by set, in the order of the criteria."""
    reading = Reading.objects.get(reader__user__username="bob", position=position)
    scores = reading_state(reading)["scores"]
    return {letter: list(given.values()) for letter, given in scores.items() if given}


class Server:
    """The server as a process of its own, on the test's database and files, that can be killed."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", str(self.port)],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
                "MEDIA_ROOT": str(settings.MEDIA_ROOT),
                "SECRET_KEY": settings.SECRET_KEY,
                "DEBUG": "True",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(300):
            try:
                urlopen(f"{self.url}/health/", timeout=5)
                return
            except (URLError, OSError):
                time.sleep(0.1)
        raise TimeoutError("The server doesn't answer.")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_server():
    server = Server()
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the server finds a file, no service")
def test_a_server_killed_while_it_saves_loses_and_doubles_nothing(page, client, study):
    with running_server() as server:
        client.force_login(get_user_model().objects.get(username="bob"))
        session = client.cookies["sessionid"].value
        page.context.add_cookies([{"name": "sessionid", "value": session, "url": server.url}])
        page.goto(server.url + reverse("annotation:reading", args=[study.slug, 1]))
        page.click("text=Go on to the sets")
        expect(page.locator(".scale.marked")).to_be_visible()
        for key in "123":
            page.keyboard.press(key)
        server.kill()  # with some of them under way
        for key in "456987":
            page.keyboard.press(key)
        expect(page.locator("#status")).to_contain_text("Offline")
        server.start()
        expect(page.locator("#status")).to_have_text("Saved ✓", timeout=30_000)
        assert stored() == {"A": [1, 2, 3, 4, 5, 6], "B": [9, 8, 7]}
        assert Score.objects.count() == 9
        page.reload()
        assert page.locator("[data-rubric] .scale input:checked").count() == 9
        page.context.set_offline(True)


@pytest.fixture
def slow(page):
    """Half a second for each way, and 50 kB a second."""
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    client.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 500, "downloadThroughput": 5e4, "uploadThroughput": 5e4},
    )


def test_on_a_slow_network_nothing_is_called_saved_before_it_is(page, first_case, slow):
    page.keyboard.press("5")
    expect(page.locator("#status")).to_have_text("Saving…")
    for key in "67":
        page.keyboard.press(key)
    expect(page.locator("#status")).to_have_text("Saved ✓")
    assert stored() == {"A": [5, 6, 7]}


def test_going_on_waits_until_a_slow_network_has_taken_all(page, first_case, slow):
    for letter in "ABC":
        for _ in range(6):
            page.keyboard.press({"A": "1", "B": "2", "C": "3"}[letter])
    for key in "cba":
        page.keyboard.press(key)
    page.keyboard.press("n")
    page.keyboard.press("n")
    expect(page.get_by_text("Look at them, then go on")).to_be_visible(timeout=30_000)
    assert stored() == {"A": [1] * 6, "B": [2] * 6, "C": [3] * 6}
    assert Ranking.objects.get().tiers == [["C"], ["B"], ["A"]]
    assert Reading.objects.get(reader__user__username="bob", position=1).submitted_at


def test_a_case_begun_offline_is_handed_in_when_the_network_is_back(page, context, first_case):
    context.set_offline(True)
    for _ in range(18):
        page.keyboard.press("4")
    for key in "abc":
        page.keyboard.press(key)
    page.keyboard.press("n")
    expect(page.locator("#note")).to_contain_text("wait in this browser")
    assert not Score.objects.exists()
    context.set_offline(False)
    saved(page)
    page.keyboard.press("n")
    expect(page.get_by_text("Look at them, then go on")).to_be_visible()
    assert stored() == {letter: [4] * 6 for letter in "ABC"}


def test_a_tab_does_not_say_saved_while_another_tabs_answer_waits(page, context, first_case):
    page.keyboard.press("4")
    saved(page)
    other = context.new_page()
    other.goto(page.url)
    saved(other)
    context.set_offline(True)
    page.keyboard.press("5")
    expect(page.locator("#status")).to_contain_text("sent later: 1")
    expect(other.locator("#status")).not_to_have_text("Saved ✓")
    context.set_offline(False)
    saved(page)
    saved(other)
    assert stored() == {"A": [4, 5]}


def test_a_browser_whose_storage_is_full_still_saves(page, first_case):
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    page.route("**/score/", lambda route: route.abort())
    page.keyboard.press("5")
    expect(page.locator("#status")).to_contain_text("sent later: 1")
    page.unroute("**/score/")
    saved(page)
    assert stored() == {"A": [5]}
