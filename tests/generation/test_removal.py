"""A data set is deleted by who brought it in, as long as nothing was made of it."""

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse

from analysis.models import Restore
from annotation.cases import exclude_case
from generation.models import Dataset, Generator, Image, Prompt, Rephrasing, Training, Upload
from generation.removal import DatasetInUse, delete_dataset
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client):
    user = builders.a_user("alice", researcher=True)
    client.force_login(user)
    return user


@pytest.fixture
def dataset(alice):
    made = builders.a_dataset()
    made.created_by = alice
    made.save()
    return made


def page(client, name, slug):
    address = reverse(f"generation:{name}", args=[slug])
    response = (
        client.post(address, follow=True) if name == "dataset-delete" else client.get(address)
    )
    return " ".join(response.content.decode().split())


def test_it_goes_with_prompts_images_and_files_that_nothing_else_has(
    client, dataset, django_capture_on_commit_callbacks
):
    other = builders.a_dataset(pairs=1, images_per_pair=1)
    gone, kept = dataset.images.first(), other.images.first()
    twin = dataset.images.last()
    Image.objects.filter(pk=twin.pk).update(file=kept.file.name)
    assert "Delete data set" in page(client, "dataset", dataset.slug)
    with django_capture_on_commit_callbacks(execute=True):
        assert f"“{dataset}” is deleted." in page(client, "dataset-delete", dataset.slug)
    assert list(Dataset.objects.all()) == [other]
    assert set(Prompt.objects.values_list("dataset", flat=True)) == {other.pk}
    assert not default_storage.exists(gone.file.name)
    assert default_storage.exists(kept.file.name)


def test_uploads_for_its_prompts_that_failed_go_too_and_that_is_said_before(client, dataset):
    victor = builders.a_user("victor", researcher=True)
    sent = {"file_name": "x.zip", "status": Upload.Status.FAILED, "created_by": victor}
    Upload.objects.create(kind="sets", name="Fern", prompts=dataset, **sent)
    other = Upload.objects.create(kind="dataset", name="X", **sent)
    said = "uploads of image sets for its prompts, anybody’s, that failed or were cancelled"
    assert said in page(client, "dataset", dataset.slug)
    assert f"“{dataset}” is deleted." in page(client, "dataset-delete", dataset.slug)
    assert list(Upload.objects.all()) == [other]


@pytest.mark.parametrize("left_out", [False, True])
def test_a_study_keeps_it_and_is_named(client, alice, left_out):
    study = builders.a_study(state="checked", readers=[])
    dataset = study.cases.first().prompt.dataset
    Dataset.objects.filter(pk=dataset.pk).update(created_by=alice)
    if left_out:
        exclude_case(study=study, case=study.cases.first(), by=alice, reason="odd")
        study.cases.all().delete()
    text = page(client, "dataset-delete", dataset.slug)
    assert f"Not deleted: “{dataset}” is used by" in text
    assert "the study “Polyps”" in text
    assert "the run “" in text
    assert dataset.images.exists()


def test_of_what_readers_see_the_study_is_named(client, alice):
    study = builders.a_study(state="running", readers=["bob"])
    dataset = study.cases.first().prompt.dataset
    with pytest.raises(DatasetInUse) as refused:
        delete_dataset(dataset=dataset, by=alice)
    used_by = str(refused.value).removeprefix(f"“{dataset}” is used by ")
    assert {one.split(" “")[0] for one in used_by.split(", ")} == {
        "the generator",
        "the run",
        "the study",
    }
    assert used_by.count("the study “Polyps”") == 1


def test_what_others_made_of_it_is_told_by_its_owner_alone(dataset):
    victor = builders.a_user("victor", researcher=True)
    training = {"family": "msdm", "dataset": dataset, "preset": "small", "config": {}}
    Training.objects.create(name="Secret", output="a", created_by=victor, **training)
    Training.objects.create(name="Elm", output="b", created_by=dataset.created_by, **training)
    Generator.objects.create(name="Fern", slug="fern", family="msdm", checkpoint="x",
                             trained_on=dataset)  # fmt: skip
    with pytest.raises(DatasetInUse) as refused:
        delete_dataset(dataset=dataset, by=dataset.created_by)
    said = f"“{dataset}” is used by a training of victor, the generator “Fern”, the training “Elm”."
    assert str(refused.value) == said


def test_work_under_way_keeps_it(dataset):
    job = Rephrasing.objects.create(dataset=dataset, source="rules")
    with pytest.raises(DatasetInUse, match="is being rephrased"):
        delete_dataset(dataset=dataset, by=dataset.created_by)
    job.delete()
    for job in (
        Upload.objects.create(kind="dataset", name="X", file_name="x.zip"),
        Restore.objects.create(file_name="study.zip"),
    ):
        with pytest.raises(DatasetInUse, match="being imported"):
            delete_dataset(dataset=dataset, by=dataset.created_by)
        job.delete()


@pytest.mark.parametrize("trouble", ["an import begins", "the storage is out of reach"])
def test_what_can_not_be_removed_is_logged(
    dataset, trouble, caplog, monkeypatch, django_capture_on_commit_callbacks
):
    files = {image.file.name for image in dataset.images.all()}
    with django_capture_on_commit_callbacks() as then:
        delete_dataset(dataset=dataset, by=dataset.created_by)
    with monkeypatch.context() as patch:
        if trouble == "an import begins":
            Upload.objects.create(kind="dataset", name="X", file_name="x.zip")
        else:
            patch.setattr(default_storage, "delete", out_of_reach)
        for callback in then:
            callback()
    assert all(default_storage.exists(name) and name in caplog.text for name in files)


def out_of_reach(name):
    raise OSError("the bucket can't be reached")


def test_others_can_not_delete_it(client, dataset):
    client.force_login(builders.a_user("victor", researcher=True))
    assert "Delete data set" not in page(client, "dataset", dataset.slug)
    assert client.post(reverse("generation:dataset-delete", args=[dataset.slug])).status_code == 404
    address = f"/api/v1/datasets/{dataset.slug}/"
    assert client.delete(address).status_code == 404
    client.force_login(dataset.created_by)
    assert client.delete(address).status_code == 204
    assert not Dataset.objects.exists()
