import io
import json
import zipfile

import pytest
from django.urls import reverse
from PIL import Image as Pillow

from generation.models import Image
from generation.provenance import grouped
from tests.builders import a_user
from tests.generation.a_run import a_run, fill

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client):
    user = a_user("alice", researcher=True)
    client.force_login(user)
    return user


def text(response):
    return " ".join(response.content.decode().split())


def test_an_image_s_page_says_in_groups_how_it_was_made(client, alice):
    run = a_run(by=alice, images_per_set=3)
    fill(run, 3, run_seed=7, rejected=[{"seed": 5, "reason": "blank"}], later={"a": [1, 2]})
    before, image, after = Image.objects.order_by("index")
    response = client.get(reverse("generation:image-provenance", args=[image.pk]))
    page = text(response)
    groups = response.context["groups"]
    assert list(groups) == [
        "What made it", "How it was sampled", "Seeds", "Software and device", "Further",
    ]  # fmt: skip
    assert ("Guidance scale", "4.5") in groups["How it was sampled"]
    assert ("Drawn before and rejected", "seed 5, reason blank") in groups["Seeds"]
    assert ("torch", "2.14.1") in groups["Software and device"]
    assert groups["Further"] == [("Later, a", "1, 2")]
    for part in (
        image.sha256,
        image.image_set.prompt.text,
        run.get_absolute_url(),
        "image 2 of 3",
        reverse("generation:image-download", args=[image.pk]),
        reverse("generation:image-provenance", args=[before.pk]),
        reverse("generation:image-provenance", args=[after.pk]),
    ):
        assert part in page


def test_provenance_of_a_lora_on_a_base_is_told_part_by_part():
    said = grouped(
        {
            "base": {"prior": {"source": "a/b", "revision": "", "digest": "d"}},
            "lora": {"rank": 4, "alpha": 4, "targets": {"unet": ["to_q", "to_k"]}},
            "rejected": [],
        }
    )
    assert said == {
        "What made it": [
            ("Base, prior, source", "a/b"),
            ("Base, prior, revision", "none"),
            ("Base, prior, digest", "d"),
            ("LoRA, rank", "4"),
            ("LoRA, alpha", "4"),
            ("LoRA, targets, unet", "to_q, to_k"),
        ],
        "Seeds": [("Drawn before and rejected", "none")],
    }


def test_a_downloaded_image_says_how_it_was_made(client, alice):
    run = a_run(by=alice, filled=1)
    image = Image.objects.get()
    response = client.get(reverse("generation:image-download", args=[image.pk]))
    assert response["Content-Type"] == "image/png"
    assert f'filename="run-{run.pk}-' in response["Content-Disposition"]
    assert "private" in response["Cache-Control"]
    said = json.loads(Pillow.open(io.BytesIO(response.content)).info["blindread"])
    assert said["provenance"] == image.provenance
    image.file.storage.delete(image.file.name)
    gone = client.get(reverse("generation:image-download", args=[image.pk]))
    assert gone.status_code == 500
    assert "back from a backup" in text(gone)


def test_a_run_is_downloaded_as_a_stream(client, alice):
    run = a_run(by=alice, filled=4)
    response = client.get(reverse("generation:run-download", args=[run.pk]))
    assert response.streaming
    assert response["Content-Disposition"].endswith('.zip"')
    assert "private" in response["Cache-Control"]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    assert len(archive.namelist()) == 6
    empty = reverse("generation:run-download", args=[a_run(by=alice).pk])
    assert client.get(empty).status_code == 404
