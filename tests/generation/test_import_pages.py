"""A researcher uploads images on the page; a worker brings them in."""

import io
import zipfile
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from generation import jobs
from generation.jobs import perform
from generation.models import Generator, Image, Job, Run, Upload
from generation.storage import FolderStorage
from generation.upload_views import SHOWN
from tests.builders import a_dataset, a_generator, a_user
from tests.generation.datasets.pictures import encode, picture

pytestmark = pytest.mark.django_db
PAGE = "/generators/import/"


@pytest.fixture
def alice(client):
    user = a_user("alice", researcher=True)
    client.force_login(user)
    return user


@pytest.fixture
def dataset():
    return a_dataset(images_per_pair=0)


@pytest.fixture
def send(client, django_capture_on_commit_callbacks):
    """Upload, let a worker do it, and look at the page again."""

    def sent(data, page=PAGE):
        response = client.post(page, data)
        if response.status_code != 302:
            return response
        upload = Upload.objects.first()
        with django_capture_on_commit_callbacks(execute=True):
            assert perform(Upload, upload.pk)
        return client.get(response.url)

    return sent


def text(response):
    return " ".join(response.content.decode().split())


def a_zip(*, prompts=4, images=2, damaged=0):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n in range(prompts * images):
            data = b"no image" if n < damaged else encode(picture(n, size=64), "PNG")
            archive.writestr(f"{n // images + 1}/{n % images}.png", data)
    return SimpleUploadedFile("theirs.zip", out.getvalue(), content_type="application/zip")


def answer(dataset, **changes):
    given = {"name": "Quagga", "source": "A paper", "licence": "CC0", "prompts": dataset.slug}
    return {**given, "archive": a_zip(), **changes}


def test_a_zip_comes_in_and_its_generator_says_what_there_is(client, alice, dataset, send):
    assert "Imported “Quagga”: 8 images, 2 for each of 4 prompts." in text(send(answer(dataset)))
    page = text(client.get(reverse("generation:generator", args=["quagga"])))
    run = Run.objects.get()
    for part in (
        "<dt>Where from</dt><dd>A paper</dd>",
        "theirs.zip",
        run.generator.digest,
        f"Run {run.pk}</a>: done, 8 of 8 images<",
    ):
        assert part in page
    for misleading in ("Token length", "Checkpoint", "None", "Ask for images", "seed"):
        assert misleading not in page, misleading
    assert run.created_by == alice


def test_the_run_and_its_images_say_where_they_came_from(client, alice, dataset, send):
    send(answer(dataset))
    run = Run.objects.get()
    page = text(client.get(run.get_absolute_url()))
    assert "imported <time" in page
    for misleading in ("seed", "Another like it", "Chunks of work", "None"):
        assert misleading not in page, misleading
    image = Image.objects.generated().first()
    page = text(client.get(reverse("generation:image-provenance", args=[image.pk])))
    assert "Where it came from" in page
    assert "1/0.png" in page
    assert "Further" not in page
    assert client.get(reverse("generation:image-download", args=[image.pk])).status_code == 200
    assert client.get(reverse("generation:run-download", args=[run.pk])).status_code == 200


def test_another_researcher_is_told_that_the_images_are_not_theirs(client, alice, dataset, send):
    send(answer(dataset))
    client.force_login(a_user("victor", researcher=True))
    page = text(client.get(reverse("generation:generator", args=["quagga"])))
    assert "Another researcher imported these images" in page
    assert client.get(Run.objects.get().get_absolute_url()).status_code == 404


def test_all_that_is_wrong_with_the_zip_is_said_and_what_was_typed_stays(
    client, alice, dataset, send
):
    page = text(send(answer(dataset, archive=a_zip(prompts=3, damaged=2))))
    assert "Nothing was brought in" in page
    for part in (
        "1/0.png can&#x27;t be decoded",
        "1/1.png can&#x27;t be decoded",
        "1 of 4 prompts has",
    ):
        assert part in page
    assert not Generator.objects.exists()
    page = text(client.get(f"{PAGE}?like={Upload.objects.get().pk}"))
    assert 'value="Quagga"' in page
    assert 'value="A paper"' in page
    assert f'value="{dataset.slug}" selected' in page
    assert "Imported “Quagga”" in text(send(answer(dataset, archive=a_zip(prompts=3), some="on")))


def test_a_damaged_file_ends_the_list_of_problems_as_little_as_an_encrypted_one(
    alice, dataset, send
):
    data = bytearray(a_zip(prompts=3).read())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        entries = archive.infolist()
    broken, locked = entries[0], entries[3]
    data[broken.header_offset + 60] ^= 0xFF  # within its bytes: the checksum doesn't fit
    for place in (locked.header_offset + 6, data.rindex(locked.filename.encode()) - 46 + 8):
        data[place] |= 0x1
    archive = SimpleUploadedFile("theirs.zip", bytes(data))
    page = text(send(answer(dataset, archive=archive)))
    for part in ("1/0.png can&#x27;t be", "2/1.png is encrypted", "1 of 4 prompts has"):
        assert part in page
    assert page.count("2/1.png") == 1


def test_an_encrypted_mapping_is_named_once_and_no_image_is_missed(alice, dataset, send):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mapping.csv", "prompt,image\n1,a.png\n")
        archive.writestr("a.png", encode(picture(1, size=64), "PNG"))
        locked = archive.infolist()[0]
    data = bytearray(out.getvalue())
    for place in (locked.header_offset + 6, data.rindex(locked.filename.encode()) - 46 + 8):
        data[place] |= 0x1
    page = text(send(answer(dataset, archive=SimpleUploadedFile("theirs.zip", bytes(data)))))
    assert "Nothing was imported: 1 problem in the file." in page
    assert "mapping.csv is encrypted: pack it without a password." in page


def test_hundreds_of_problems_are_counted_not_listed(client, alice, send):
    many = a_dataset(pairs=SHOWN // 4, images_per_pair=0)
    archive = a_zip(prompts=SHOWN // 2, images=3, damaged=SHOWN + 7)
    page = text(send(answer(many, archive=archive)))
    assert page.count("decoded as an image") == SHOWN
    assert "… and 7 more." in page


def test_the_file_goes_when_the_upload_is_over_however_it_ended(
    client, alice, dataset, send, django_capture_on_commit_callbacks
):
    send(answer(dataset, archive=a_zip(damaged=1)))
    send(answer(dataset))
    client.post(PAGE, answer(dataset, name="Okapi"))
    waiting = Upload.objects.first()
    assert default_storage.exists(waiting.file.name)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("generation:upload-act", args=[waiting.pk, "cancel"]))
    assert "Cancelled" in text(client.get(waiting.get_absolute_url()))
    assert [default_storage.exists(upload.file.name) for upload in Upload.objects.all()] == [
        False,
        False,
        False,
    ]


class CancelledAtTheThirdImage(FolderStorage):
    """Somebody cancels all uploads while the third image is stored."""

    def _save(self, name, content):
        if len(list(Path(self.location).glob("images/*/*.png"))) == 2:
            Upload.objects.update(cancel_requested=True)
        return super()._save(name, content)


def test_an_import_that_is_cancelled_half_way_leaves_nothing(
    client, alice, dataset, settings, monkeypatch
):
    client.post(PAGE, answer(dataset))
    storage = {"BACKEND": f"{__name__}.{CancelledAtTheThirdImage.__name__}"}
    settings.STORAGES = {**settings.STORAGES, "default": storage}
    monkeypatch.setattr(jobs, "_SHOWN_EVERY", 0)  # else it is noticed half a second later
    perform(Upload, Upload.objects.get().pk)
    upload = Upload.objects.get()
    assert (upload.status, upload.done, upload.total) == (Job.Status.CANCELLED, 3, 8)
    assert not Generator.objects.exists()
    assert not list((settings.MEDIA_ROOT / "images").rglob("*.png"))


def test_an_upload_done_again_after_a_crash_adds_nothing(client, alice, dataset, send):
    send(answer(dataset))
    Upload.objects.update(status=Job.Status.QUEUED)
    assert perform(Upload, Upload.objects.get().pk)
    assert Upload.objects.get().status == Job.Status.DONE
    assert (Run.objects.count(), Image.objects.count()) == (1, 8)


def test_a_name_that_is_being_imported_is_taken(client, alice, dataset):
    client.post(PAGE, answer(dataset))
    assert "“Quagga” is being imported already" in text(client.post(PAGE, answer(dataset)))
    assert Upload.objects.count() == 1


def test_uploads_are_their_researchers_alone(client, alice, dataset):
    client.post(PAGE, answer(dataset))
    upload = Upload.objects.get()
    client.force_login(a_user("victor", researcher=True))
    assert client.get(upload.get_absolute_url()).status_code == 404
    assert "Quagga" not in text(client.get(f"{PAGE}?like={upload.pk}"))
    cancel = reverse("generation:upload-act", args=[upload.pk, "cancel"])
    assert client.post(cancel).status_code == 404
    client.force_login(a_user("bob"))
    assert client.get(upload.get_absolute_url()).status_code == 403


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "FERN"}, "There is a generator “FERN” already"),
        ({"name": ""}, "This field is required"),
        ({"source": ""}, "This field is required"),
        ({"prompts": "nowhere"}, "Select a valid choice"),
        ({"archive": ""}, "This field is required"),
        ({"archive": SimpleUploadedFile("a.zip", b"GIF89a")}, "a.zip is no ZIP"),
        ({"archive": SimpleUploadedFile("a.zip", b"")}, "The submitted file is empty"),
    ],
)
def test_what_is_missing_or_can_t_be_is_said(client, alice, dataset, send, change, words):
    a_generator(name="Fern", slug="fern")
    assert words in text(send(answer(dataset, **change)))
    assert Generator.objects.count() == 1


def test_without_prompts_the_page_says_how_to_get_some(client, alice):
    assert reverse("generation:import-prompts") in text(client.get(PAGE))


def test_the_page_is_for_researchers_and_the_list_of_generators_leads_to_it(client, alice):
    assert PAGE in text(client.get(reverse("generation:generator-list")))
    client.force_login(a_user("bob"))
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {}).status_code == 403
    client.logout()
    assert client.get(PAGE).status_code == 302
