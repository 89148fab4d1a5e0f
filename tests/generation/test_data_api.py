"""Data sets, generators, runs, trainings and uploads by the API."""

import hashlib

import pytest

from generation.jobs import perform
from generation.models import Dataset, Proposal, Run, Training, Upload
from generation.tokens import create_token
from tests import builders
from tests.generation.a_run import a_run
from tests.generation.test_import_pages import a_zip

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return builders.a_user("alice", researcher=True)


@pytest.fixture
def ask(client, alice):
    """Send JSON, or files where there are some, as alice's program."""
    _, token = create_token(user=alice, name="Test", scopes=["data:read", "data:write"], days=1)
    headers = {"authorization": f"Bearer {token}"}

    def send(method, address, body=None, *, files=None, **query):
        where = f"/api/v1/{address}"
        if method == "get":
            answer = client.get(where, query, headers=headers)
        elif files:
            answer = client.post(where, {**(body or {}), **files}, headers=headers)
        else:
            answer = getattr(client, method)(where, body, "application/json", headers=headers)
        is_json = "json" in answer.headers.get("Content-Type", "")
        return answer.status_code, answer.json() if is_json else answer

    return send


def test_prompts_come_in_all_or_none(ask):
    prompts = [{"prompt": "One polyp.", "rephrasing": "A single polyp."}, {"prompt": "Two."}]
    status, made = ask("post", "datasets/", {"slug": "p", "name": "P", "prompts": prompts})
    assert (status, made["prompts"], made["splits"]) == (201, 3, {})
    rows = ask("get", "datasets/p/prompts/")[1]["results"]
    assert [(row["text"], row["rephrasing_of"]) for row in rows] == [
        ("One polyp.", None), ("A single polyp.", rows[0]["id"]), ("Two.", None),
    ]  # fmt: skip
    assert ask("get", "datasets/p/prompts/", original=False)[1]["count"] == 1
    assert ask("get", "datasets/p/prompts/", original="true")[1]["count"] == 2
    status, said = ask("get", "datasets/p/prompts/", original=7)
    assert (status, said["detail"]) == (400, "original: Give true or false.")
    assert ask("post", "datasets/", {"slug": "p", "name": "Q", "prompts": prompts})[0] == 409
    twice = {"slug": "q", "name": "Q", "prompts": [prompts[1], prompts[1]]}
    status, said = ask("post", "datasets/", twice)
    assert (status, said["errors"][0]["field"]) == (400, "prompts")
    assert Dataset.objects.count() == 1


def test_rephrasings_are_proposed_by_a_worker_and_approved_by_a_person(ask):
    dataset = builders.a_dataset(pairs=1, images_per_pair=0)
    status, job = ask("post", f"datasets/{dataset.slug}/rephrasings/", {"source": "rules"})
    assert (status, job["status"]) == (202, "queued")
    original = dataset.prompts.first()
    proposals = [
        Proposal.objects.create(prompt=original, text=text, origin="a rule").pk
        for text in ("Paint one polyp.", "Sketch one polyp.")
    ]
    assert ask("get", f"datasets/{dataset.slug}/proposals/")[1]["count"] == 2
    address = f"datasets/{dataset.slug}/proposals"
    status, prompt = ask("post", f"{address}/{proposals[0]}/approve/", {"text": "Paint a polyp."})
    assert (status, prompt["text"], prompt["rephrasing_of"]) == (201, "Paint a polyp.", original.pk)
    assert ask("post", f"{address}/{proposals[1]}/reject/")[0] == 204
    assert ask("get", f"datasets/{dataset.slug}/proposals/")[1]["count"] == 0


def test_an_archive_of_image_sets_becomes_a_generator(ask):
    dataset = builders.a_dataset(images_per_pair=0)
    wishes = {"name": "Yew", "source": "A paper", "prompts": dataset.slug}
    status, upload = ask("post", "uploads/sets/", wishes, files={"archive": a_zip()})
    assert (status, upload["status"]) == (202, "queued"), upload
    assert perform(Upload, upload["id"])
    upload = ask("get", f"uploads/{upload['id']}/")[1]
    assert (upload["status"], upload["generator"]) == ("done", "yew")
    status, said = ask("post", "uploads/sets/", wishes, files={"archive": a_zip()})
    assert (status, said["errors"][0]["field"]) == (400, "name")


def test_all_that_is_wrong_in_an_archive_is_told(ask):
    dataset = builders.a_dataset(images_per_pair=0)
    wishes = {"name": "Yew", "source": "A paper", "prompts": dataset.slug}
    upload = ask("post", "uploads/sets/", wishes, files={"archive": a_zip(damaged=2)})[1]
    assert perform(Upload, upload["id"])
    upload = ask("get", f"uploads/{upload['id']}/")[1]
    assert upload["status"] == "failed"
    assert len(upload["problems"]) == 2


def test_a_run_is_asked_for_looked_at_and_cancelled(ask):
    dataset, generator = builders.a_dataset(images_per_pair=0), builders.a_generator()
    wishes = {"generator": generator.slug, "prompts": dataset.slug, "images_per_set": 3}
    status, run = ask("post", "runs/", wishes)
    assert (status, run["total"], run["image_sets"], run["seed"]) == (201, 12, 4, 0)
    assert ask("get", f"runs/{run['id']}/chunks/")[1]["results"][0]["total"] == 12
    assert ask("patch", f"runs/{run['id']}/", {"priority": 1})[1]["priority"] == 1
    assert ask("post", f"runs/{run['id']}/retry/")[0] == 409
    assert ask("post", f"runs/{run['id']}/cancel/")[1]["status"] == "cancelled"
    assert ask("post", f"runs/{run['id']}/retry/")[1]["status"] == "queued"
    status, said = ask("post", "runs/", {**wishes, "images_per_set": 99})
    assert (status, said["errors"][0]["field"]) == (400, "images_per_set")


def test_a_runs_images_come_as_files_and_as_a_zip(ask, alice):
    run = a_run(by=alice, filled=4)
    images = ask("get", "images/", run=run.pk)[1]["results"]
    assert [image["run"] for image in images] == [run.pk] * 4
    answer = ask("get", f"images/{images[0]['id']}/file/")[1]
    content = b"".join(answer.streaming_content)
    assert hashlib.sha256(content).hexdigest() == images[0]["sha256"]
    answer = ask("get", f"images/{images[0]['id']}/with-provenance/")[1]
    assert b"blindread" in answer.content
    answer = ask("get", f"runs/{run.pk}/archive/")[1]
    assert b"".join(answer.streaming_content).startswith(b"PK")


def test_images_of_somebody_elses_run_are_not_there(ask):
    run = a_run(by=builders.a_user("victor", researcher=True), filled=2)
    assert ask("get", "images/", run=run.pk)[1]["count"] == 0
    assert ask("get", "runs/")[1]["count"] == 0
    assert ask("get", f"runs/{run.pk}/archive/")[0] == 404


def test_a_lost_file_is_a_problem_that_names_it(ask, alice):
    run = a_run(by=alice, filled=2)
    image = run.image_sets.first().images.first()
    image.file.storage.delete(image.file.name)
    for address in (f"images/{image.pk}/file/", f"images/{image.pk}/with-provenance/"):
        status, said = ask("get", address)
        assert status == 409
        assert f"image {image.pk}" in said["detail"]


def test_a_training_is_asked_for_and_cancelled(ask):
    dataset = builders.a_dataset(images_per_pair=3)
    wishes = {
        "family": "msdm", "preset": "small", "dataset": dataset.slug, "split": "test",
        "name": "Oak", "settings": {"max_train_steps": 10, "resolution": 32},
    }  # fmt: skip
    status, training = ask("post", "trainings/", wishes)
    assert (status, training["status"]) == (201, "queued"), training
    assert training["config"]["max_train_steps"] == 10
    assert ask("post", f"trainings/{training['id']}/cancel/")[1]["status"] == "cancelled"
    status, said = ask("post", "trainings/", {**wishes, "settings": {"max_steps": 10}})
    assert (status, said["errors"][0]["field"]) == (400, "settings")
    assert Training.objects.count() == 1
    assert Run.objects.count() == 0
