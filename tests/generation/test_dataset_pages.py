"""Data sets on pages: what there is, found by its captions, and brought in as a ZIP."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image as Pillow

from generation.jobs import perform
from generation.models import Dataset, Upload
from tests.builders import a_dataset, a_user, an_image
from tests.generation.datasets.pictures import encode, picture

pytestmark = pytest.mark.django_db
UPLOAD = reverse("generation:import-dataset")


@pytest.fixture
def alice(client):
    user = a_user("alice", researcher=True)
    client.force_login(user)
    return user


def text(response):
    return " ".join(response.content.decode().split())


def a_zip(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return SimpleUploadedFile("polyps.zip", out.getvalue(), content_type="application/zip")


def pictures(number, *, folder="images/"):
    return {f"{folder}{n}.png": encode(picture(n, size=64), "PNG") for n in range(number)}


def table(number, *, splits=("train", "test")):
    rows = [f"{n}.png,{splits[n % len(splits)]},An image with {n} polyps." for n in range(number)]
    return "\n".join(["image,split,caption", *rows])


def send(client, files, **changes):
    given = {"name": "Polyps", "source": "A ward", "licence": "CC BY 4.0", "layout": "folder"}
    response = client.post(UPLOAD, {**given, "archive": a_zip(files), **changes})
    if response.status_code != 302:
        return text(response)
    perform(Upload, Upload.objects.latest("pk").pk)
    return text(client.get(response.url))


@pytest.mark.parametrize("top", ["", "polyps/", "my data/polyps/"])
def test_a_zip_of_images_and_captions_becomes_a_data_set(client, alice, top):
    files = {f"{top}captions.csv": table(4), **pictures(4, folder=f"{top}images/")}
    page = send(client, files)
    assert "Imported “Polyps”: 2 test, 2 train images, 4 captions." in page
    found = Dataset.objects.get()
    assert (found.slug, found.source, found.licence) == ("polyps", "A ward", "CC BY 4.0")
    assert found.images.get(name="1.png").prompts.get().text == "An image with 1 polyps."


def test_images_may_lie_beside_their_table_and_be_split_anew(client, alice):
    files = {"data.csv": "image,caption\n0.png,One.\n1.png,Two.\n2.png,Three.\n3.png,Four."}
    assert "1 test, 3 train" in send(client, {**files, **pictures(4, folder="")}, holdout="25")


def test_a_published_layout_comes_in_as_a_zip(client, alice):
    prompts = "Prompt;Filename\nGenerate an image with 1 polyp.;0\nGenerate polyps.;1"
    files = {"prompt-gt.csv": prompts, **pictures(2)}
    page = send(client, files, layout="medvqa-gi", holdout="50")
    assert "1 test, 1 train images, 2 captions" in page


def test_all_that_is_wrong_with_a_data_set_is_listed_at_once(client, alice):
    files = {
        "captions.csv": table(4) + "\n9.png,test,Gone.\n2.png,test,",
        **pictures(4),
        "images/1.png": b"no image",
    }
    page = send(client, files)
    for part in (
        "Nothing was imported: 3 problems in the file.",
        "there is no image “9.png”",
        "the caption of 2.png is empty",
        "1.png can&#x27;t be decoded",
    ):
        assert part in page
    assert "/tmp" not in page
    assert not Dataset.objects.exists()
    page = text(client.get(f"{UPLOAD}?like={Upload.objects.get().pk}"))
    assert 'value="Polyps"' in page
    assert 'value="A ward"' in page


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (pictures(1), "The ZIP needs a table captions.csv"),
        ({"../captions.csv": table(1)}, "names a place outside the ZIP"),
        ({"captions.csv": "picture,text\na,b"}, "has no column caption, image, split"),
        ({"a": b"1", "a/b": b"2"}, "a/b is a file, or lies in one, where there is a folder"),
        ({"a/b": b"2", "a": b"1"}, "a is a file, or lies in one, where there is a folder"),
    ],
)
def test_a_zip_that_can_t_be_a_data_set_says_why(client, alice, files, words):
    assert words in send(client, files)


def test_a_name_that_is_taken_is_refused_before_anything_is_uploaded(client, alice):
    Dataset.objects.create(name="Polyps", slug="polyps")
    page = send(client, {"captions.csv": table(1), **pictures(1)})
    assert "There is a data set “polyps” or “Polyps” already" in page
    assert 'value="A ward"' in page
    assert not Upload.objects.exists()


def test_images_are_found_by_split_and_by_words_of_their_captions(client, alice):
    dataset = a_dataset(pairs=2, images_per_pair=3)
    an_image(dataset=dataset, split="train", name="other.png")
    address = reverse("generation:dataset", args=[dataset.slug])
    page = text(client.get(address))
    assert "6 test, 1 train images" in page
    assert ">7 images" in page
    assert "Generate an image with 1 polyps." in page
    page = text(client.get(address, {"q": "WITH 2 POLYPS"}))
    assert ">3 images with" in page
    assert "with 1 polyps" not in page
    assert ">1 image<" in text(client.get(address, {"split": "train"}))
    assert ">1 image with" in text(client.get(address, {"q": "other"}))
    assert ">0 images with" in text(client.get(address, {"q": "x", "page": "99"}))
    assert ">7 images" in text(client.get(address, {"split": "nowhere"}))


def test_pages_of_images_keep_what_was_looked_for(client, alice):
    dataset = a_dataset(pairs=1, images_per_pair=50)
    address = reverse("generation:dataset", args=[dataset.slug])
    assert "?q=polyps&amp;page=2" in text(client.get(address, {"q": "polyps"}))
    assert "49 to 50 of 50" in text(client.get(address, {"q": "polyps", "page": "2"}))


def test_the_list_counts_images_prompts_and_rephrasings(client, alice):
    dataset = a_dataset(pairs=3, images_per_pair=2, phantom=True)
    page = text(client.get(reverse("generation:dataset-list")))
    assert "6 test" in page
    assert f'aria-label="3 prompts of {dataset}"' in page
    assert "phantoms" in page
    assert "No data yet" not in page


def test_without_data_the_list_says_what_to_bring(client, alice):
    assert "No data yet" in text(client.get(reverse("generation:dataset-list")))


def test_a_thumbnail_is_small_and_as_private_as_its_image(client, alice):
    image = an_image(dataset=a_dataset(pairs=1, images_per_pair=0), size=400)
    address = reverse("generation:image-thumbnail", args=[image.pk])
    response = client.get(address)
    with Pillow.open(io.BytesIO(response.content)) as small:
        assert small.size == (192, 192)
    assert response["Cache-Control"].startswith("private")
    client.force_login(a_user("bob"))
    assert client.get(address).status_code == 403


@pytest.mark.parametrize("name", ["dataset-list", "import-dataset", "import-prompts"])
def test_pages_of_data_are_for_researchers(client, name):
    client.force_login(a_user("bob"))
    assert client.get(reverse(f"generation:{name}")).status_code == 403


@pytest.mark.parametrize("name", ["dataset", "dataset-prompts"])
def test_a_data_set_s_pages_are_for_researchers(client, name):
    dataset = a_dataset(pairs=1, images_per_pair=0)
    client.force_login(a_user("bob"))
    assert client.get(reverse(f"generation:{name}", args=[dataset.slug])).status_code == 403
