"""Real workers on a real queue: killed, cut off and starved of disk; sharing runs."""

import os
import random
import time
from itertools import cycle

import pytest
from django.db import connection

from generation.models import Run
from tests.generation.node import Node, Proxy

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

PROMPTS, IMAGES = 48, 10  # prompts, and images for each
STEPS = 60  # about a second for a batch
KILLS = 25
BROKER = os.environ.get("BROKER_URL", "")


@pytest.fixture(scope="module")
def undisturbed(checkpoint, tmp_path_factory):
    """The same run, sampled in one go in a process that nobody disturbs."""
    node = Node(tmp_path_factory.mktemp("undisturbed"))
    node.furnish(checkpoint, prompts=PROMPTS, steps=STEPS)
    asked = ["--generator=tiny", "--prompts-dataset=squares", f"--images-per-set={IMAGES}"]
    node.manage("generate", *asked, "--seed=3")
    [run] = node.runs()
    assert (run["status"], len(run["images"])) == ("done", PROMPTS * IMAGES)
    return run


@pytest.fixture
def node(tmp_path, checkpoint):
    proxy = Proxy(BROKER) if BROKER else None
    node = Node(tmp_path / "node", database=database(), broker=proxy.address if proxy else "")
    node.proxy = proxy
    node.lose_messages()
    mounted = node.mount_media("16m")
    node.has_own_disk = mounted
    yield node
    node.stop()
    if mounted:
        node.unmount_media()
    if proxy:
        proxy.close()


def database():
    """A file of the node's own, or the test database where the tests run on a server."""
    if connection.vendor == "sqlite":
        return ""
    s = connection.settings_dict
    return f"postgres://{s['USER']}:{s['PASSWORD']}@{s['HOST']}:{s['PORT']}/{s['NAME']}"


def test_whatever_is_killed_every_image_is_there_once_with_the_same_pixels(
    node, checkpoint, undisturbed, capsys
):
    chance = random.Random(20261121)
    processes = 2 if BROKER else 1
    node.furnish(checkpoint, prompts=PROMPTS, steps=STEPS)
    node.queue((PROMPTS, IMAGES))
    node.start_workers(processes)
    began = time.monotonic()
    disturbances = cycle([None, None, lose_messages, None, cut_database, fill_disk])
    done = {"kills": 0, "kills of all": 0}
    for disturb, _ in zip(disturbances, range(KILLS), strict=False):
        wanted = min(node.stored() + chance.choice([0, 1, 1, 4, 8, 12]), PROMPTS * IMAGES)
        node.wait(lambda n=wanted: node.stored() >= n, "further images")
        time.sleep(chance.random())
        if disturb and (name := disturb(node)):
            done[name] = done.get(name, 0) + 1
        if chance.random() < 0.2 or not node.children():
            node.workers[-1].kill()
            node.workers[-1].wait()
            node.start_workers(processes)
            done["kills of all"] += 1
        else:
            chance.choice(node.children()).kill()
        done["kills"] += 1
    node.wait(lambda: node.stored() == PROMPTS * IMAGES, "all images", seconds=240)
    node.wait(lambda: node.runs()[0]["status"] not in ("queued", "running"), "the end")
    seconds = time.monotonic() - began

    [run] = node.runs()
    assert (run["status"], run["error"], run["done"]) == ("done", "", PROMPTS * IMAGES)
    assert {chunk["status"] for chunk in run["chunks"]} == {"done"}
    assert run["images"] == undisturbed["images"]
    assert done["kills"] == KILLS
    lost = (seconds - undisturbed["seconds"]) / KILLS
    with capsys.disabled():
        print(f"\n{done}: {lost:.1f} s lost for each kill, {undisturbed['seconds']:.0f} s sampling")


def lose_messages(node):
    """The broker is started again: connections end, what it held is gone."""
    if node.proxy:
        node.proxy.close()
        node.lose_messages(BROKER)
        time.sleep(1)
        node.proxy.open()
    else:  # its file can't be reached for longer than workers wait for it
        with node.locked("queue.sqlite3") as queue:
            queue.execute("DELETE FROM kombu_message")
            time.sleep(7)
    return "broker restarts"


def cut_database(node):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return "database connections dropped"
    # A SQLite database has no connection to lose; it can be locked for longer than one waits.
    if node.locked_once:
        return None
    node.locked_once = True
    with node.locked("db.sqlite3"):
        time.sleep(25)
    return "database locked"


def fill_disk(node):
    if not node.has_own_disk:
        return None
    with node.full_disk():
        time.sleep(3)
    return "full disks"


def test_two_workers_share_a_run_and_do_nothing_twice(node, checkpoint, undisturbed):
    node.furnish(checkpoint, prompts=PROMPTS, steps=STEPS)
    node.start_workers(2)
    node.wait(lambda: node.log.exists() and node.log.read_text().count(" ready.") == 2, "both")
    node.queue((PROMPTS, IMAGES))
    node.wait(lambda: node.stored() == PROMPTS * IMAGES, "all images", seconds=240)
    node.wait(lambda: node.runs()[0]["status"] == "done", "the end")
    [run] = node.runs()
    assert {chunk["attempts"] for chunk in run["chunks"]} == {1}
    by = [chunk["holder"].rpartition("-")[0] for chunk in run["chunks"]]
    assert len(set(by)) == 2
    assert min(by.count(worker) for worker in by) >= 3, by
    assert run["images"] == undisturbed["images"]


def test_of_ten_studies_the_small_one_does_not_wait_for_the_large(node, checkpoint):
    node.furnish(checkpoint, prompts=12, steps=4)
    node.queue(*[(12, 20)] * 9, (1, 5))
    node.start_workers()
    total = 9 * 12 * 20 + 5
    node.wait(lambda: node.log.exists() and ended(node), f"{total} images", seconds=400)
    *large, small = node.runs()
    assert {run["status"] for run in [*large, small]} == {"done"}
    assert [len(run["images"]) for run in [*large, small]] == [240] * 9 + [5]
    assert small["finished"] < min(run["finished"] for run in large)


def test_what_is_urgent_goes_first_and_what_is_cancelled_stops(node, checkpoint):
    node.furnish(checkpoint, prompts=PROMPTS, steps=STEPS)
    node.queue((PROMPTS, IMAGES))
    node.start_workers()
    node.wait(lambda: node.stored() >= IMAGES, "a first batch")
    node.queue((4, IMAGES), priority=Run.Priority.HIGH.value)
    node.wait(lambda: node.runs()[1]["status"] == "done", "the urgent one")
    assert node.runs()[0]["status"] == "running"
    node.cancel(0)
    node.wait(lambda: node.runs()[0]["status"] == "cancelled", "the end", seconds=30)
    cancelled, urgent = node.runs()
    assert {chunk["status"] for chunk in cancelled["chunks"]} == {"done", "cancelled"}
    assert 0 < cancelled["done"] < cancelled["total"]
    assert urgent["done"] == 4 * IMAGES
    stored = node.stored()
    time.sleep(3)
    assert node.stored() == stored


def ended(node):
    time.sleep(1)  # each look is a process of its own
    return all(run["status"] == "done" for run in node.runs())
