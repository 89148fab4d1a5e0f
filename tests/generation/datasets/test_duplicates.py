import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from generation.datasets import DatasetError
from generation.datasets.checking import check
from generation.datasets.duplicates import DISTANCE, near_duplicates
from generation.datasets.inspection import fingerprint
from generation.datasets.layouts import read_dataset
from generation.datasets.records import Listing, Record
from tests.generation.datasets.pictures import encode, jpeg, picture


def listing(**images):
    """A listing of name=(bytes, split)."""
    found = Listing()
    for name, (data, split) in images.items():
        found.records[name] = Record(name, lambda data=data: data, split, ["a caption"])
    return found


@pytest.mark.parametrize(
    "changed",
    [
        jpeg(1, quality=40),
        encode(picture(1).resize((48, 48)), "PNG"),
        encode(ImageEnhance.Brightness(picture(1)).enhance(1.15)),
        encode(picture(1, size=400)),
    ],
    ids=["re-encoded", "halved", "brightened", "enlarged"],
)
def test_a_changed_copy_in_another_split_is_refused_with_both_names(changed):
    found = listing(one=(jpeg(1), "train"), two=(jpeg(2), "train"), copy=(changed, "test"))
    with pytest.raises(DatasetError) as caught:
        check(found)
    [problem] = caught.value.problems
    assert problem.startswith("one (train) and copy (test) show the same picture: leave one out")


def test_the_same_bytes_in_two_splits_are_refused_once():
    found = listing(one=(jpeg(1), "train"), copy=(jpeg(1), "test"), two=(jpeg(2), "test"))
    with pytest.raises(DatasetError) as caught:
        check(found)
    [problem] = caught.value.problems
    assert problem.startswith("copy (test) and one (train) are the same image: keep one")


def test_near_duplicates_within_a_split_may_stay():
    records = check(listing(a=(jpeg(1), "train"), b=(jpeg(1, quality=40), "train")))
    assert [record.split for record in records] == ["train", "train"]


def test_all_pairs_are_named_and_twenty_shown():
    images = {}
    for number in range(25):
        images[f"a{number}"] = (jpeg(number), "train")
        images[f"b{number}"] = (jpeg(number, quality=60), "validation")
    with pytest.raises(DatasetError) as caught:
        check(listing(**images))
    assert len(caught.value.problems) == 25
    assert str(caught.value).splitlines()[-1] == "… and 5 more"


def test_leaving_one_out_mends_it():
    found = listing(one=(jpeg(1), "train"), copy=(jpeg(1, quality=60), "test"))
    assert [record.name for record in check(found, leave_out={"copy"})] == ["one"]


def test_a_name_to_leave_out_that_is_not_there_is_a_problem():
    with pytest.raises(DatasetError, match="no image nobody to leave out"):
        check(listing(one=(jpeg(1), "train")), leave_out={"nobody"})


def test_splitting_anew_mends_it_and_keeps_the_copies_together():
    images = {f"n{number}": (jpeg(number), "train") for number in range(10)}
    for seed in range(5):
        found = listing(**images, copy=(jpeg(3, quality=60), "test"))
        split = {r.name: r.split for r in check(found, holdout=0.3, split_seed=seed)}
        assert split["n3"] == split["copy"]


def test_the_distance_can_be_set():
    found = listing(one=(jpeg(1), "train"), two=(jpeg(2), "test"))
    assert len(check(found)) == 2
    with pytest.raises(DatasetError, match="same picture"):
        check(found, distance=256)


def test_pairs_are_found_across_the_blocks_of_a_large_comparison(monkeypatch):
    monkeypatch.setattr("generation.datasets.duplicates._CELLS", 700)
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 256, (300, 32), dtype=np.uint8)
    bits[299] = bits[4]
    bits[150] = bits[149]
    bits[150, 0] ^= 0b111
    found = near_duplicates([row.tobytes() for row in bits], distance=3)
    assert sorted(map(tuple, found)) == [(4, 299), (149, 150)]
    assert len(near_duplicates([row.tobytes() for row in bits], distance=2)) == 1


def test_real_polyps_and_chests_have_one_near_duplicate_and_it_crosses_no_split(shared_data):
    """The pair is one moment of an examination: only the burned-in clock differs."""
    polyps = read_dataset("folder", shared_data / "polyps-kvasir-seg")
    pairs = near_duplicates([record.fingerprint for record in polyps])
    assert [{polyps[i].name, polyps[j].name} for i, j in pairs] == [
        {"cju886ryxnsl50801r93jai7q.jpg", "cju8amfdtqi4x09871tygrgqe.jpg"}
    ]
    chests = read_dataset("folder", shared_data / "chest-xray-hannover")
    assert len(near_duplicates([record.fingerprint for record in chests])) == 0
    nearest = near_duplicates([record.fingerprint for record in chests], distance=DISTANCE + 30)
    assert len(nearest) == 0


def test_re_encoded_and_scaled_real_images_are_all_found(shared_data):
    files = sorted((shared_data / "polyps-kvasir-seg" / "images").iterdir())[:40]
    for file in files:
        with Image.open(file) as image:
            image.load()
        small = image.resize((128, 100))
        worse = Image.open(io.BytesIO(encode(image, quality=30)))
        for changed in (small, worse):
            assert len(near_duplicates([fingerprint(image), fingerprint(changed)])) == 1
