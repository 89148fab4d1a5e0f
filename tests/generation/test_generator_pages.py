import pytest
from django.urls import reverse

from generation.imports import add_generator
from generation.models import Image, Run
from generation.runs import create_run
from tests.builders import a_dataset, a_draft, a_study, a_user, an_image, complete_sets, png

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client):
    user = a_user("alice", researcher=True)
    client.force_login(user)
    return user


def text(response):
    return " ".join(response.content.decode().split())


def test_without_a_generator_the_page_says_how_to_get_one(client, alice):
    page = text(client.get(reverse("generation:generator-list")))
    assert "There is no generator yet" in page
    assert "manage.py add_generator" in page


def test_the_card_says_what_the_checkpoint_is_and_what_was_asked_of_it(client, alice, checkpoint):
    dataset = a_dataset(phantom=True)
    generator = add_generator(name="Tiny", checkpoint=str(checkpoint), trained_on=dataset)
    prompts = list(dataset.prompts.all())
    run = create_run(generator=generator, prompts=prompts, images_per_set=3, seed=41, by=alice)
    Run.objects.filter(pk=run.pk).update(status="failed", error="The disk is full.")
    other = a_user("victor", researcher=True)
    create_run(generator=generator, prompts=prompts, images_per_set=3, seed=9999, by=other)
    listed = text(client.get(reverse("generation:generator-list")))
    assert "Tiny" in listed
    assert "32×32" in listed
    page = text(client.get(reverse("generation:generator", args=["tiny"])))
    for part in (generator.digest, dataset.name, "msdm", "ddim", "The disk is full.", "seed 41"):
        assert part in page
    assert "9999" not in page, "another researcher's run"


def test_an_image_comes_as_it_was_stored(client, alice):
    image = an_image(dataset=a_dataset(), content=png(5))
    response = client.get(reverse("generation:image", args=[image.pk]))
    assert b"".join(response.streaming_content) == png(5)
    assert response["Content-Type"] == "image/png"
    assert "private" in response["Cache-Control"]


def test_an_image_says_how_it_was_made(client, alice):
    complete_sets(a_draft(owner=alice))
    image = Image.objects.generated().first()
    Image.objects.filter(pk=image.pk).update(provenance={"scheduler": "ddim", "steps": 50})
    page = text(client.get(reverse("generation:image-provenance", args=[image.pk])))
    assert image.sha256 in page
    assert "ddim" in page


@pytest.mark.parametrize(
    ("who", "generated", "real", "generators"),
    [
        ("alice", 200, 200, 200),
        ("victor", 404, 200, 200),  # a researcher, but not of this run
        ("bob", 403, 403, 403),  # a reader
        (None, 302, 302, 302),
    ],
)
def test_images_are_seen_by_who_asked_for_them(client, who, generated, real, generators):
    study = a_study()
    a_user("victor", researcher=True)
    if who:
        client.force_login(a_user(who))
    made, drawn = Image.objects.generated().first(), Image.objects.real().first()
    generator = study.arms.first().generator.slug
    expected = {
        reverse("generation:image", args=[made.pk]): generated,
        reverse("generation:image-provenance", args=[made.pk]): generated,
        reverse("generation:image", args=[drawn.pk]): real,
        reverse("generation:generator-list"): generators,
        reverse("generation:generator", args=[generator]): generators,
    }
    assert {url: client.get(url).status_code for url in expected} == expected
