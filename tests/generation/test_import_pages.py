"""A researcher imports images on the page."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from generation.import_form import SHOWN
from generation.models import Generator, Image, Run
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


def test_a_zip_comes_in_and_its_generator_says_what_there_is(client, alice, dataset):
    response = client.post(PAGE, answer(dataset), follow=True)
    assert response.redirect_chain[-1][0] == reverse("generation:generator", args=["quagga"])
    page = text(response)
    run = Run.objects.get()
    for part in (
        "Imported “Quagga”: 8 images, 2 for each of 4 prompts.",
        "<dt>Where from</dt><dd>A paper</dd>",
        "theirs.zip",
        run.generator.digest,
        f"Run {run.pk}</a>: done, 8 of 8 images<",
    ):
        assert part in page
    for misleading in ("Token length", "Checkpoint", "None", "Ask for images", "seed"):
        assert misleading not in page, misleading
    assert run.created_by == alice


def test_the_run_and_its_images_say_where_they_came_from(client, alice, dataset):
    client.post(PAGE, answer(dataset))
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


def test_another_researcher_is_told_that_the_images_are_not_theirs(client, alice, dataset):
    client.post(PAGE, answer(dataset))
    client.force_login(a_user("victor", researcher=True))
    page = text(client.get(reverse("generation:generator", args=["quagga"])))
    assert "Another researcher imported these images" in page
    assert client.get(Run.objects.get().get_absolute_url()).status_code == 404


def test_all_that_is_wrong_with_the_zip_is_said_and_what_was_typed_stays(client, alice, dataset):
    page = text(client.post(PAGE, answer(dataset, archive=a_zip(prompts=3, damaged=2))))
    assert "Nothing was imported" in page
    for part in (
        "1/0.png can&#x27;t be decoded",
        "1/1.png can&#x27;t be decoded",
        "1 of 4 prompts has",
    ):
        assert part in page
    assert 'value="Quagga"' in page
    assert 'value="A paper"' in page
    assert f'value="{dataset.slug}" selected' in page
    assert not Generator.objects.exists()
    response = client.post(PAGE, answer(dataset, archive=a_zip(prompts=3), some="on"))
    assert response.status_code == 302


def test_hundreds_of_problems_are_counted_not_listed(client, alice):
    many = a_dataset(pairs=SHOWN // 4, images_per_pair=0)
    archive = a_zip(prompts=SHOWN // 2, images=3, damaged=SHOWN + 7)
    page = text(client.post(PAGE, answer(many, archive=archive)))
    assert page.count("decoded as an image") == SHOWN
    assert "… and 7 more." in page


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
def test_what_is_missing_or_can_t_be_is_said(client, alice, dataset, change, words):
    a_generator(name="Fern", slug="fern")
    assert words in text(client.post(PAGE, answer(dataset, **change)))
    assert Generator.objects.count() == 1


def test_without_prompts_the_page_says_how_to_get_some(client, alice):
    assert "manage.py import_prompts" in text(client.get(PAGE))


def test_the_page_is_for_researchers_and_the_list_of_generators_leads_to_it(client, alice):
    assert PAGE in text(client.get(reverse("generation:generator-list")))
    client.force_login(a_user("bob"))
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {}).status_code == 403
    client.logout()
    assert client.get(PAGE).status_code == 302
