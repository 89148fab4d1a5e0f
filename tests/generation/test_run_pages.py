from datetime import timedelta

import pytest
from django.urls import reverse

from generation.models import IMPORTED, Chunk, Image, Run
from tests.builders import a_dataset, a_generator, a_study, a_user
from tests.generation.a_run import a_run, fill

pytestmark = pytest.mark.django_db
Status = Run.Status
NEW = reverse("generation:run-new")
LIST = reverse("generation:run-list")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alice(client):
    user = a_user("alice", researcher=True)
    client.force_login(user)
    return user


@pytest.fixture
def queue(monkeypatch):
    """The queues to which nudges were sent."""
    from generation.tasks import work

    sent = []
    monkeypatch.setattr(work, "apply_async", lambda queue, **_: sent.append(queue))
    return sent


@pytest.fixture
def chunked(alice, monkeypatch):
    """A run of three chunks: the first done, one that failed, one that was not begun."""
    monkeypatch.setattr("generation.runs.CHUNK", 4)
    run = a_run(by=alice, pairs=3, images_per_set=2, filled=4)
    run.chunks.filter(number=2).update(status=Status.FAILED, attempts=5, error="It is <blank>.")
    run.sum_up()
    return run


def text(response):
    return " ".join(response.content.decode().split())


def act(client, run, name, **answers):
    return client.post(reverse("generation:run-act", args=[run.pk, name]), answers)


def page_of(client, run, **query):
    return text(client.get(run.get_absolute_url(), query))


# Asking for one


def test_without_generators_or_prompts_the_form_says_what_is_missing(client, alice):
    assert "No run yet" in text(client.get(LIST))
    assert "There is no generator that can be sampled yet" in text(client.get(NEW))
    a_generator()
    assert "manage.py import_prompts" in text(client.get(NEW))


def test_the_form_starts_a_run_of_all_that_it_says(
    client, alice, queue, django_capture_on_commit_callbacks
):
    generator, dataset = a_generator(), a_dataset(pairs=2, phantom=True)
    form = text(client.get(NEW, {"generator": generator.slug}))
    assert f'value="{generator.slug}" selected' in form
    assert "(4 prompts, phantoms)" in form
    answers = {
        "generator": generator.slug,
        "prompts": dataset.slug,
        "images_per_set": 3,
        "seed": 41,
        "priority": Run.Priority.LOW,
    }
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(NEW, answers)
    run = Run.objects.get()
    assert response.url == run.get_absolute_url()
    assert (run.generator, run.created_by, run.total) == (generator, alice, 12)
    assert (run.images_per_set, run.seed, run.priority) == (3, 41, Run.Priority.LOW)
    assert {s.prompt for s in run.image_sets.all()} == set(dataset.prompts.all())
    assert queue == ["gpu"]
    again = client.get(NEW, {"like": run.pk}).context["form"]
    assert {name: str(again[name].value()) for name in answers} == {
        name: str(value) for name, value in answers.items()
    }


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"images_per_set": 0}, "greater than or equal to 1"),
        ({"images_per_set": 25}, "less than or equal to 24"),
        ({"images_per_set": ""}, "This field is required"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"seed": 2**63}, "less than or equal to 9223372036854775807"),
        ({"seed": "x"}, "Enter a whole number"),
        ({"priority": 5}, "Select a valid choice"),
        ({"generator": "none"}, "Select a valid choice"),
        ({"generator": "elsewhere"}, "Select a valid choice"),
        ({"prompts": ""}, "This field is required"),
    ],
)
def test_a_form_that_can_t_be_says_what_is_wrong_and_starts_nothing(
    client, alice, changes, complaint
):
    a_generator(slug="elsewhere", family=IMPORTED)
    answers = {
        "generator": a_generator().slug,
        "prompts": a_dataset().slug,
        "images_per_set": 2,
        "seed": 77,
        "priority": 0,
        **changes,
    }
    page = client.post(NEW, answers)
    assert "Nothing was started" in text(page)
    assert complaint in text(page)
    assert {name: page.context["form"][name].value() for name in changes} == {
        name: str(value) for name, value in changes.items()
    }
    assert not Run.objects.exists()


# Looking at one


def test_the_list_shows_this_researcher_s_runs_and_polls_while_one_is_unfinished(client, alice):
    run = a_run(by=alice, images_per_set=2, filled=1)
    page = text(client.get(LIST))
    for part in (run.generator.name, run.get_absolute_url(), "1 of 4", "every 4s", "waiting"):
        assert part in page
    fill(run, 3)
    assert "every 4s" not in text(client.get(LIST))
    assert "<html" not in text(client.get(LIST, headers=HTMX))


def test_a_run_s_page_shows_its_images_as_they_arrive(client, alice):
    run = a_run(by=alice, images_per_set=3, phantom=True)
    page = page_of(client, run)
    for part in ("Waiting for a worker", "0 of 6 images", "seed 7", "No images yet", "phantoms:"):
        assert part in page
    assert reverse("generation:run-download", args=[run.pk]) not in page
    fill(run, 2)
    polled = text(client.get(run.get_absolute_url(), {"there": 0}, headers=HTMX))
    assert "<html" not in polled
    assert "2 of 6 images" in polled
    assert 'id="sets" aria-labelledby="sets-title" hx-swap-oob="true"' in polled
    for image in Image.objects.all():
        assert reverse("generation:image-provenance", args=[image.pk]) in polled
        assert f'{reverse("generation:image", args=[image.pk])}"' in polled
    assert "there=2" in polled
    polled = text(client.get(run.get_absolute_url(), {"there": 2}, headers=HTMX))
    assert 'id="sets"' not in polled, "there is nothing new"
    fill(run, 4)
    polled = client.get(run.get_absolute_url(), {"there": 2}, headers=HTMX)
    assert polled["HX-Refresh"] == "true"
    page = page_of(client, run)
    assert "Done" in page
    assert "2 of 2 sets" in page
    assert "every 2s" not in page


def test_a_run_at_work_says_how_fast_it_is_and_what_it_does(client, alice):
    run = a_run(by=alice, images_per_set=10, filled=6)
    run.chunks.update(status=Status.RUNNING, message="Sampling images")
    Run.objects.update(started_at=run.queued_at - timedelta(seconds=10))
    run.sum_up()
    page = page_of(client, run)
    for part in ("Sampling images", "6 of 20 images", "images a second", "left", "since"):
        assert part in page
    run.chunks.update(cancel_requested=True)
    Run.objects.update(cancel_requested=True)
    assert "Stopping after this batch" in page_of(client, run)


def test_images_that_were_drawn_again_are_counted_with_the_reason(client, alice):
    run = a_run(by=alice, images_per_set=4, filled=5)
    fill(run, 2, rejected=[{"seed": 1, "reason": "blank"}, {"seed": 2, "reason": "blank"}])
    fill(run, 1, rejected=[{"seed": 1, "reason": "the same as another of its set"}])
    page = page_of(client, run)
    assert "4 images that were blank, 1 image that was the same as another of its set." in page


def test_a_long_run_is_paged_and_its_sets_keep_their_numbers(client, alice):
    run = a_run(by=alice, pairs=8, images_per_set=1, filled=16)
    first, second = page_of(client, run), page_of(client, run, page=2)
    assert ("Set 12" in first, "Set 13" in first, "1 to 12 of 16" in first) == (True, False, True)
    assert ("Set 12" in second, "Set 13" in second, "Set 16" in second) == (False, True, True)


# Trouble


def test_what_failed_is_shown_with_its_reason_and_tried_again_as_a_whole(
    client, chunked, queue, django_capture_on_commit_callbacks
):
    Chunk.objects.filter(status=Status.QUEUED).update(status=Status.CANCELLED)
    chunked.sum_up()
    page = page_of(client, chunked)
    assert "Failed in part" in page
    assert "It is &lt;blank&gt;." in page
    assert "4 images missing in chunk 2." in page
    assert "<details open>" in page
    with django_capture_on_commit_callbacks(execute=True):
        assert act(client, chunked, "retry").url == chunked.get_absolute_url()
    assert list(chunked.chunks.values_list("status", "attempts")) == [
        (Status.DONE, 1), (Status.QUEUED, 0), (Status.QUEUED, 0),
    ]  # fmt: skip
    assert set(queue) == {"gpu"}
    assert "What failed" not in page_of(client, chunked)
    again = client.post(reverse("generation:run-act", args=[chunked.pk, "retry"]), follow=True)
    assert "There is nothing to try again" in text(again)


def test_one_chunk_is_tried_again_alone(client, chunked):
    chunked.chunks.update(status=Status.FAILED)
    chunked.sum_up()
    act(client, chunked, "retry", chunk="3")
    statuses = dict(chunked.chunks.values_list("number", "status"))
    assert statuses == {1: Status.FAILED, 2: Status.FAILED, 3: Status.QUEUED}
    for nonsense in ("99", "x", "-1"):
        act(client, chunked, "retry", chunk=nonsense)
        assert dict(chunked.chunks.values_list("number", "status")) == statuses


def test_all_is_folded_where_all_is_well(client, alice):
    page = page_of(client, a_run(by=alice, filled=4))
    assert "<details>" in page
    assert "What failed" not in page


def test_of_very_many_chunks_only_those_with_trouble_are_listed(client, chunked, monkeypatch):
    monkeypatch.setattr("generation.run_views.CHUNKS_LISTED", 2)
    listed = client.get(chunked.get_absolute_url()).context["listed"]
    assert [chunk.number for chunk in listed] == [2]
    assert "are left out" in page_of(client, chunked)


def test_cancel_is_asked_once_more_and_a_cancelled_run_goes_on(client, alice):
    run = a_run(by=alice, filled=1)
    page = page_of(client, run)
    assert 'href="#confirm-cancel"' in page
    assert "Cancel this run?" in page
    act(client, run, "cancel")
    run.refresh_from_db()
    assert run.status == Status.CANCELLED
    assert "Go on" in page_of(client, run)
    act(client, run, "retry")
    run.refresh_from_db()
    assert (run.status, run.done, run.cancel_requested) == (Status.QUEUED, 1, False)


def test_its_priority_changes_what_comes_first(client, alice):
    first, second = a_run(by=alice), a_run(by=alice)
    assert Chunk.objects.next_up()[0].run == first
    act(client, second, "priority", priority="1")
    assert Chunk.objects.next_up()[0].run == second
    for nonsense in ("7", "x", ""):
        response = client.post(
            reverse("generation:run-act", args=[second.pk, "priority"]),
            {"priority": nonsense},
            follow=True,
        )
        assert "There is no priority" in text(response)
    assert act(client, second, "explode").status_code == 404


def test_the_study_and_the_generator_lead_to_their_runs(client, alice):
    study = a_study(state="images", readers=[])
    run = study.arms.first().run
    Run.objects.filter(pk=run.pk).update(status=Status.RUNNING)
    assert run.get_absolute_url() in text(client.get(study.get_absolute_url()))
    slug = run.generator.slug
    page = text(client.get(reverse("generation:generator", args=[slug])))
    assert run.get_absolute_url() in page
    assert f"{NEW}?generator={slug}" in page


# Who may


@pytest.mark.parametrize(
    ("who", "own", "common"),
    [
        ("alice", 200, 200),  # who asked for it
        ("root", 200, 200),
        ("victor", 404, 200),  # another researcher
        ("bob", 403, 403),  # a reader of the study that shows these images
        ("mallory", 403, 403),
        (None, 302, 302),
    ],
)
def test_a_run_and_its_images_are_seen_and_steered_by_who_asked_for_them(client, who, own, common):
    study = a_study(readers=["bob"])  # of alice
    a_user("victor", researcher=True)
    a_user("root", is_superuser=True)
    shown = study.arms.first().run
    waiting = a_run(by=study.owner)
    image = Image.objects.filter(image_set__run=shown).first()
    if who:
        client.force_login(a_user(who))
    expected = {
        LIST: common,
        NEW: common,
        f"{NEW}?like={shown.pk}": own,
        shown.get_absolute_url(): own,
        waiting.get_absolute_url(): own,
        reverse("generation:run-download", args=[shown.pk]): own,
        reverse("generation:image-provenance", args=[image.pk]): own,
        reverse("generation:image-download", args=[image.pk]): own,
    }
    assert {url: client.get(url).status_code for url in expected} == expected
    polled = client.get(waiting.get_absolute_url(), headers=HTMX).status_code
    assert polled == own
    answers = {"cancel": {}, "retry": {}, "priority": {"priority": "1"}}
    steered = {
        name: act(client, waiting, name, **given).status_code for name, given in answers.items()
    }
    assert steered == dict.fromkeys(answers, 302 if own == 200 else own)
    waiting.refresh_from_db()
    assert waiting.priority == (Run.Priority.HIGH if own == 200 else Run.Priority.NORMAL)
    if common != 200:
        assert client.post(NEW, {}).status_code == common
    else:
        assert (shown.get_absolute_url() in text(client.get(LIST))) == (own == 200)


def test_acts_are_posted(client, alice):
    run = a_run(by=alice)
    address = reverse("generation:run-act", args=[run.pk, "cancel"])
    assert client.get(address).status_code == 405
    assert client.post(LIST).status_code == 405
