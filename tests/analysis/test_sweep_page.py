"""The page of LoRA ranks compared."""

import csv
import io
import re

import numpy as np
import pytest

from analysis.models import RankSweep
from analysis.sweeps import real_floor
from tests import builders

pytestmark = pytest.mark.django_db


def a_cell(rank, seed, distance):
    measures = {
        "frechet_distance": distance,
        "fidelity": 0.5,
        "diversity": 0.1,
        "agreement": None,
        "n_generated": 12,
        "n_real": 6,
    }
    return {
        "rank": rank,
        "seed": seed,
        "lora_parameters": 1000 * (rank or 0),
        "measures": measures,
        "checkpoint_digest": f"{rank}-{seed}",
    }


def a_sweep(**fields):
    given = {
        "output": "flux",
        "family": "flux",
        "split": "train",
        "evaluation_split": "test",
        "embedder": "EfficientNet-Lite0",
        "recipe": {},
        "asked": [[None, 1], [None, 2], [4, 1], [4, 2], [8, 1], [8, 2]],
        "results": [
            a_cell(None, 1, 9.0),
            a_cell(None, 2, 9.5),
            a_cell(4, 1, 2.0),
            a_cell(4, 2, 4.0),
            {"rank": 8, "seed": 1, "error": "The loss diverged."},
        ],
        "floor": {"value": 1.5, "low": 1.25, "high": 1.75, "n": 3, "draws": 40},
    }
    return RankSweep.objects.create(**given | fields)


def page_of(client):
    html = client.get("/sweeps/").content.decode()
    return " ".join(html.split())


def text_of(page):
    return " ".join(re.sub(r"</?(?:span|small)[^>]*>", "", page).split())


@pytest.fixture
def alice(client):
    alice = builders.a_user("alice", researcher=True)
    client.force_login(alice)
    return alice


def test_it_has_mean_sd_and_interval_by_rank_the_floor_and_what_is_missing(client, alice):
    sweep = a_sweep()
    generator = builders.a_generator(digest="4-2")
    page = page_of(client)
    assert "3.00 ± 1.41 [-9.71, 15.71]" in text_of(page)
    assert "1.50 [1.25, 1.75]" in text_of(page)
    assert "0 (1 failed)" in page
    assert "Trainings" not in page, "the base isn't trained"
    assert "Rank 8, seed 1 failed: The loss diverged." in page
    assert "Still missing:</strong> rank 8, seed 2. " in page
    assert f"{generator}</a> (rank 4, seed 2)." in page
    text = client.get(f"/sweeps/{sweep.pk}/table.csv").content.decode()
    base, four, eight = csv.DictReader(io.StringIO(text))
    assert (four["rank"], four["seeds"], four["frechet_distance_mean"]) == ("4", "2", "3.0")
    assert (base["rank"], eight["failed"]) == ("base, no LoRA", "1")
    cells = client.get(f"/sweeps/{sweep.pk}/results.csv").content.decode()
    assert cells.count("\r\n") == 1 + 5
    assert client.get(f"/sweeps/{sweep.pk}/others.csv").status_code == 404


def test_without_any_it_says_how_to_start_one_and_generators_lead_to_it(client, alice):
    assert "manage.py lora_sweep flux" in page_of(client)
    assert 'href="/sweeps/"' in client.get("/generators/").content.decode()


def test_the_floor_is_what_halves_of_the_real_images_are_apart():
    real = np.random.default_rng(0).normal(size=(21, 4))
    floor = real_floor(real)
    assert floor["n"] == 10
    assert 0 < floor["low"] < floor["value"] < floor["high"]
    assert real_floor(real) == floor
    assert real_floor(10 * real)["value"] == pytest.approx(100 * floor["value"])


def test_of_fewer_than_four_real_images_there_is_no_floor(client, alice):
    floor = real_floor(np.eye(3))
    assert floor["value"] is None
    a_sweep(floor=floor)
    page = page_of(client)
    assert "not estimable" in page
    assert "Real against real needs at least 4 held-out real images." in page
    assert "draws" not in page


def test_one_that_has_just_begun_has_its_cells_to_do_and_no_numbers(client, alice):
    sweep = a_sweep(results=[])
    page = page_of(client)
    assert "Still missing:</strong> base, seed 1; base, seed 2; rank 4, seed 1;" in page
    assert "measured against real images of test by EfficientNet-Lite0." in page
    assert ".csv" not in page
    assert "None of its trainings" not in page
    for table in ("table", "results"):
        assert client.get(f"/sweeps/{sweep.pk}/{table}.csv").status_code == 200


def test_a_superuser_takes_one_off_the_page_after_a_question(client, alice):
    sweep = a_sweep()
    assert "Take off this page" not in page_of(client)
    address = f"/admin/analysis/ranksweep/{sweep.pk}/delete/"
    assert client.post(address, {"post": "yes"}).status_code == 302
    assert RankSweep.objects.exists()
    client.force_login(builders.a_user("root", is_staff=True, is_superuser=True))
    assert f'href="{address}"' in page_of(client)
    assert "Are you sure" in client.get(address).content.decode()
    assert RankSweep.objects.exists()
    client.post(address, {"post": "yes"})
    assert not RankSweep.objects.exists()
