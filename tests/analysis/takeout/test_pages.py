"""Pages on which a study is taken home, and brought in."""

import hashlib

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from analysis.models import Export, Restore
from annotation.models import Study
from annotation.studies import unblind_study
from generation.jobs import perform
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def exports(closed_study):
    return reverse("analysis:exports", args=[closed_study.slug])


def body(response):
    return b"".join(response.streaming_content)


def test_an_archive_is_asked_for_made_and_downloaded(client, closed_study, exports):
    client.force_login(closed_study.owner)
    assert "Make the archive" in client.get(exports).content.decode()
    for _ in range(2):  # a double click
        client.post(exports)
    export = Export.objects.get()
    assert "Waiting for a worker" in client.get(exports).content.decode()
    assert "Waiting" in client.get(exports, headers={"HX-Request": "true"}).content.decode()
    assert perform(Export, export.pk)
    export.refresh_from_db()
    assert (export.status, export.error) == ("done", "")
    assert "HX-Refresh" in client.get(exports, headers={"HX-Request": "true"}).headers
    address = reverse("analysis:export-download", args=[export.pk])
    assert address in client.get(exports).content.decode()
    response = client.get(address)
    assert response.headers["Content-Disposition"] == 'attachment; filename="polyps.zip"'
    archive = body(response)
    assert (len(archive), hashlib.sha256(archive).hexdigest()) == (export.size, export.sha256)


def test_a_newer_archive_takes_the_place_of_the_one_before(client, closed_study, exports):
    client.force_login(closed_study.owner)
    for _ in range(2):
        client.post(exports, {"images": "no"})
        assert perform(Export, Export.objects.first().pk)
    new, old = Export.objects.all()
    assert (old.file.name, new.images) == ("", False)
    assert default_storage.exists(new.file.name)
    assert new.sha256 == old.sha256
    assert client.get(reverse("analysis:export-download", args=[old.pk])).status_code == 404


def test_one_that_waits_is_cancelled(client, closed_study, exports):
    client.force_login(closed_study.owner)
    client.post(exports)
    client.post(reverse("analysis:export-cancel", args=[Export.objects.get().pk]))
    assert Export.objects.get().status == "cancelled"


def test_a_file_that_is_gone_is_named(client, closed_study, exports):
    client.force_login(closed_study.owner)
    image = closed_study.cases.first().references.first()
    default_storage.delete(image.file.name)
    client.post(exports)
    assert perform(Export, Export.objects.get().pk)
    page = client.get(exports).content.decode()
    assert "The archive could not be made" in page
    assert image.file.name in page


def test_while_results_are_hidden_nothing_leaves(client):
    study = builders.a_study()
    client.force_login(study.owner)
    exports = reverse("analysis:exports", args=[study.slug])
    assert "until the study is closed" in client.get(exports).content.decode()
    page = client.post(exports, follow=True).content.decode()
    assert "its data stay here until it is closed or unblinded" in page
    assert not Export.objects.exists()
    unblind_study(study=study, by=study.owner, reason="For the interim analysis.")
    client.post(exports)
    assert Export.objects.exists()


WHO = {
    "alice": 200,  # its owner
    "coco": 200,  # its co-investigator
    "mona": 404,  # its monitor
    "victor": 404,  # another researcher
    "bob": 403,  # its reader
    None: 302,
}


@pytest.mark.parametrize("who", WHO)
def test_who_may_take_it_home(client, closed_study, exports, who):
    for name, role in (("coco", "co-investigator"), ("mona", "monitor")):
        user = builders.a_user(name, researcher=True)
        closed_study.members.create(user=user, role=role)
    builders.a_user("victor", researcher=True)
    export = Export.objects.create(study=closed_study)
    assert perform(Export, export.pk)
    if who:
        client.force_login(builders.a_user(who))
    assert client.get(exports).status_code == WHO[who]
    download = reverse("analysis:export-download", args=[export.pk])
    assert client.get(download).status_code == WHO[who]
    asked = client.post(exports)
    cancelled = client.post(reverse("analysis:export-cancel", args=[export.pk]))
    wanted = 302 if WHO[who] == 200 else WHO[who]
    assert (asked.status_code, cancelled.status_code) == (wanted, wanted)
    assert (Export.objects.count() == 2) == (WHO[who] == 200)


def upload(client, content, name="polyps.zip"):
    client.force_login(builders.a_user("zoe", researcher=True))
    file = SimpleUploadedFile(name, content, content_type="application/zip")
    return client.post(reverse("analysis:restore-new"), {"file": file})


def test_an_archive_is_uploaded_and_comes_in(client, archive, django_capture_on_commit_callbacks):
    response = upload(client, archive.read_bytes())
    restore = Restore.objects.get()
    assert response.url == restore.get_absolute_url()
    assert "Waiting for a worker" in client.get(response.url).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert perform(Restore, restore.pk)
    study = Study.objects.get()
    assert study.get_absolute_url() in client.get(response.url).content.decode()
    page = client.get(study.get_absolute_url()).content.decode()
    assert "polyps-r1" in page
    reader = reverse("annotation:study-reader", args=[study.slug, 1])
    assert "Erase" not in client.get(reader).content.decode()  # nobody here knows who it is
    restore.refresh_from_db()
    assert not default_storage.exists(restore.file.name)


def test_what_is_wrong_with_it_is_said(client, archive):
    content = archive.read_bytes()
    response = upload(client, content[: len(content) // 2], name="half.zip")
    assert perform(Restore, Restore.objects.get().pk)
    page = client.get(response.url).content.decode()
    assert "Nothing was imported" in page
    assert "half.zip is no ZIP, or only a part of one" in page
    assert not Study.objects.exists()


def test_without_a_file_the_form_says_so(client, db):
    client.force_login(builders.a_user("zoe", researcher=True))
    page = client.post(reverse("analysis:restore-new")).content.decode()
    assert "This field is required" in page


def test_an_import_is_its_uploaders_alone(client, archive, django_capture_on_commit_callbacks):
    response = upload(client, archive.read_bytes())
    client.force_login(builders.a_user("victor", researcher=True))
    assert client.get(response.url).status_code == 404
    pk = Restore.objects.get().pk
    assert client.post(reverse("analysis:restore-cancel", args=[pk])).status_code == 404
    client.force_login(builders.a_user("bob"))
    assert client.get(reverse("analysis:restore-new")).status_code == 403
    client.force_login(builders.a_user("zoe"))
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("analysis:restore-cancel", args=[pk]))
    restore = Restore.objects.get()
    assert restore.status == "cancelled"
    assert not default_storage.exists(restore.file.name)
