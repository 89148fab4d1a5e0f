import pytest
from django.urls import reverse
from PIL import Image as Pillow

from generation.imports import add_generator
from generation.models import Training
from tests.builders import a_study, a_user
from tests.generation.a_training import a_training, a_training_set

pytestmark = pytest.mark.django_db
Status = Training.Status
NEW = reverse("generation:training-new")


@pytest.fixture
def alice(client):
    user = a_user("alice", researcher=True)
    client.force_login(user)
    return user


@pytest.fixture
def squares(tmp_path):
    return a_training_set(tmp_path / "drawn")


@pytest.fixture
def training(squares, alice):
    return a_training(squares, by=alice, validation_prompts=("a red square.", "<b>blue</b>"))


@pytest.fixture
def queue(monkeypatch):
    """What was put on the queue once the transaction was through."""
    from generation.tasks import work

    sent = []
    monkeypatch.setattr(work, "apply_async", lambda queue, **_: sent.append(queue))
    return sent


def text(response):
    return " ".join(response.content.decode().split())


def filled(squares, **changes):
    return {
        "family": "msdm",
        "preset": "small",
        "dataset": squares.slug,
        "split": "train",
        "name": "Alder",
        "settings": "learning_rate = 5e-5\nunet_block_out_channels = [32, 64]",
        **changes,
    }


def become(training, **fields):
    Training.objects.filter(pk=training.pk).update(**fields)
    training.refresh_from_db()


def test_the_form_starts_a_training_of_all_that_it_says(
    client, alice, squares, queue, django_capture_on_commit_callbacks
):
    assert NEW in text(client.get(reverse("generation:generator-list")))
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(NEW, filled(squares))
    training = Training.objects.get()
    assert response.url == training.get_absolute_url()
    assert queue == ["gpu"]
    assert (training.created_by, training.dataset, training.name) == (alice, squares, "Alder")
    assert training.config["learning_rate"] == 5e-5
    assert training.config["unet_block_out_channels"] == [32, 64]
    assert training.config["vae_max_train_steps"] == 700, "the preset's"
    assert training.total == 700 + 1200
    listed = text(client.get(reverse("generation:generator-list")))
    assert "Alder" in listed
    assert "waiting for a worker" in listed


def test_a_family_that_starts_from_a_base_asks_for_it_and_shows_its_preset(client, alice, squares):
    page = text(client.get(NEW, {"family": "flux", "preset": "demo", "settings": "seed = 7"}))
    assert 'value="black-forest-labs/FLUX.1-dev"' in page
    assert "seed = 7" in page, "what was typed is kept"
    assert "mixed_precision = &quot;bf16&quot;" in page, "it has no preset “demo”: its first"
    assert "pretrained_prior" not in page
    assert "pretrained_prior_model_name_or_path" in text(client.get(NEW, {"family": "kandinsky"}))
    assert "pretrained_model_name_or_path" not in text(client.get(NEW))
    client.post(
        NEW,
        filled(
            squares,
            family="flux",
            pretrained_model_name_or_path="someone/their-flux",
            revision="abc",
            settings='rank = "none"\nvalidation_prompts = ["a, b", "c"]',
        ),
    )
    config = Training.objects.get().config
    assert config["pretrained_model_name_or_path"] == "someone/their-flux"
    assert (config["revision"], config["rank"]) == ("abc", None)
    assert config["validation_prompts"] == ["a, b", "c"]


@pytest.mark.parametrize(
    ("changes", "complaints"),
    [
        ({"settings": "mixed_precision = bf16"}, ["line 1", "in quotes"]),
        ({"settings": 'resolution = 33\nsee = 1\nseed = "x"'},
         ["resolution is 33", "no setting &#x27;see&#x27;; its settings are: resolution",
          "a whole number"]),
        ({"settings": "[unet]\nlearning_rate = 1"}, ["no setting &#x27;unet&#x27;"]),
        ({"split": "test"}, ["has no such split; it has: train."]),
        ({"name": "Tiny"}, ["There is a generator “Tiny” already"]),
        ({"name": ""}, ["This field is required"]),
        ({"dataset": "none"}, ["Select a valid choice"]),
        ({"preset": "huge"}, ["Select a valid choice"]),
        ({"family": "gan"}, ["Select a valid choice"]),
        ({"family": "flux", "settings": 'revision = "x"'}, ["revision: use the field above"]),
    ],
)  # fmt: skip
def test_a_form_that_can_t_be_says_all_that_is_wrong_and_keeps_what_was_typed(
    client, alice, squares, checkpoint, changes, complaints
):
    add_generator(name="Tiny", checkpoint=str(checkpoint))
    answers = filled(squares, **changes)
    page = client.post(NEW, answers)
    shown = text(page)
    assert "Nothing was started" in shown
    for complaint in complaints:
        assert complaint in shown
    assert page.context["form"]["settings"].value() == answers["settings"]
    assert page.context["form"]["name"].value() == answers["name"]
    assert not Training.objects.exists()


def test_the_page_shows_where_a_training_is_and_polls_only_that(client, training):
    become(
        training, status=Status.RUNNING, stage="vae", done=3, loss=0.25, stage_seconds_left=70,
        message="Training", history=[["vae", 1, 0.5], ["vae", 3, 0.25]],
    )  # fmt: skip
    page = text(client.get(training.get_absolute_url()))
    for part in ("Training: vae", "3 of 9 steps", "loss 0.2500", "about 2 min left in this stage",
                 "then unet with 5 steps", "every 2s", "Cancel"):  # fmt: skip
        assert part in page
    polled = client.get(training.get_absolute_url(), headers={"HX-Request": "true"})
    assert "3 of 9 steps" in text(polled)
    assert "<html" not in text(polled)
    become(training, status=Status.DONE)
    polled = client.get(training.get_absolute_url(), headers={"HX-Request": "true"})
    assert polled["HX-Refresh"] == "true"


def test_the_loss_is_drawn_with_a_panel_for_each_stage(client, training):
    address = reverse("generation:training-loss", args=[training.pk])
    assert client.get(address).status_code == 404, "nothing to draw yet"
    become(training, history=[["vae", 1, 0.5], ["vae", 4, 0.25], ["unet", 1, 0.9]])
    chart = client.get(address)
    assert chart["Content-Type"] == "image/svg+xml"
    assert chart.content.count(b'id="axes_') == 2
    page = text(client.get(training.get_absolute_url()))
    assert f"{address}?v=queued--0" in page
    become(training, status=Status.DONE)
    assert f"{address}?v=done" in text(client.get(training.get_absolute_url())), "drawn anew"


def test_without_a_data_set_the_form_says_how_to_get_one(client, alice):
    assert "manage.py import_dataset" in text(client.get(NEW))


def test_validation_grids_appear_and_no_other_file_can_be_had(client, training):
    training.grids.mkdir(parents=True)
    Pillow.new("RGB", (4, 4), "red").save(training.grids / "unet-00000200.png")
    (training.grids.parent / "secret.png").write_bytes(b"secret")
    (training.grids / "secret.txt").write_bytes(b"secret")
    page = text(client.get(training.get_absolute_url()))
    assert "unet, step 200" in page
    assert "&lt;b&gt;blue&lt;/b&gt;" in page
    address = reverse("generation:training-grid", args=[training.pk, "unet-00000200.png"])
    assert address in page
    grid = client.get(address)
    assert grid.status_code == 200
    assert b"".join(grid.streaming_content).startswith(b"\x89PNG")
    folder = address.removesuffix("unet-00000200.png")
    for name in ("secret.txt", "../secret.png", "..%2Fsecret.png", "*.png", ".", "%00"):
        assert client.get(folder + name).status_code == 404, name


def test_a_failed_training_says_why_and_goes_on_with_settings_that_may_change(
    client, training, queue, django_capture_on_commit_callbacks
):
    become(training, status=Status.FAILED, error="The loss is nan.\nLower the learning rate.")
    page = text(client.get(training.get_absolute_url()))
    assert "The loss is nan.<br>Lower the learning rate." in page
    act = reverse("generation:training-act", args=[training.pk, "retry"])
    refused = text(client.post(act, {"settings": "resolution = 64"}))
    assert "resolution can&#x27;t change once a training has begun" in refused
    assert "resolution = 64</textarea>" in refused
    training.refresh_from_db()
    assert training.status == Status.FAILED
    with django_capture_on_commit_callbacks(execute=True):
        client.post(act, {"settings": "learning_rate = 1e-6"})
    training.refresh_from_db()
    assert (training.status, training.config["learning_rate"]) == (Status.QUEUED, 1e-6)
    assert queue == ["gpu"]


def test_cancel_ends_one_that_waits_and_asks_one_that_runs(client, training):
    act = reverse("generation:training-act", args=[training.pk, "cancel"])
    client.post(act)
    training.refresh_from_db()
    assert training.status == Status.CANCELLED
    become(training, status=Status.RUNNING)
    client.post(act)
    assert "Stopping after this step" in text(client.get(training.get_absolute_url()))
    assert client.get(act).status_code == 405
    other = reverse("generation:training-act", args=[training.pk, "explode"])
    assert client.post(other).status_code == 404


def test_a_finished_training_leads_to_its_generator_and_to_another_like_it(
    client, training, checkpoint
):
    generator = add_generator(name="Tiny", checkpoint=str(checkpoint))
    become(training, status=Status.DONE, generator=generator)
    page = text(client.get(training.get_absolute_url()))
    assert reverse("generation:generator", args=["tiny"]) in page
    assert f"{NEW}?like={training.pk}" in page
    assert f"{training.output}/.training/logs" in page, "where its curves lie now"
    form = client.get(NEW, {"like": training.pk}).context["form"]
    lines = form["settings"].value()
    assert "resolution = 32" in lines
    assert 'validation_prompts = ["a red square.", "<b>blue</b>"]' in lines
    assert "rephrasing" not in lines, "it does not differ from the preset"
    again = {name: form[name].value() for name in form.fields}
    client.post(NEW, {**again, "name": "Another"})
    assert Training.objects.get(name="Another").config == training.config


@pytest.mark.parametrize(
    ("who", "own", "common"),
    [
        ("alice", 200, 200),  # who began it
        ("root", 200, 200),
        ("victor", 404, 200),  # another researcher
        ("bob", 403, 403),  # a reader
        ("mallory", 403, 403),
        (None, 302, 302),
    ],
)
def test_a_training_is_seen_and_steered_by_who_began_it_and_superusers(
    client, training, who, own, common
):
    a_study(readers=["bob"])
    a_user("victor", researcher=True)
    a_user("root", is_superuser=True)
    become(training, history=[["vae", 1, 0.5]])
    training.grids.mkdir(parents=True)
    Pillow.new("RGB", (4, 4), "red").save(training.grids / "unet-00000200.png")
    client.logout()
    if who:
        client.force_login(a_user(who))
    expected = {
        NEW: common,
        f"{NEW}?like={training.pk}": own,
        training.get_absolute_url(): own,
        reverse("generation:training-loss", args=[training.pk]): own,
        reverse("generation:training-grid", args=[training.pk, "unet-00000200.png"]): own,
    }
    assert {url: client.get(url).status_code for url in expected} == expected
    steered = {
        reverse("generation:training-act", args=[training.pk, act]): own if own != 200 else 302
        for act in ("cancel", "retry")
    }
    assert {url: client.post(url).status_code for url in steered} == steered
    training.refresh_from_db()
    assert training.cancel_requested is False
    assert training.status == Status.QUEUED  # untouched, or cancelled and queued again
    if who:
        listed = text(client.get(reverse("generation:generator-list")))
        assert (training.get_absolute_url() in listed) == (own == 200)
