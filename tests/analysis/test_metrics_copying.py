"""Copying: planted copies are found by what can find them, independent images are left in peace."""

import numpy as np
import pytest
from PIL import Image

from analysis.metrics.copying import copying, find_copies
from analysis.metrics.pixel_views import PIXEL_VIEWS, hash_distances, tile_distances
from generation.phantom import corpus

D = 12


def drawn(seed, n, d=D):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_images_independent_of_the_training_set_give_no_evidence():
    """An authenticity share would read .8 here; the calibrated one stays where chance puts it."""
    found = [
        find_copies(drawn(s, 40), drawn(s + 1000, 80), drawn(s + 2000, 60)) for s in range(200)
    ]
    assert np.mean([f.share for f in found]) == pytest.approx(found[0].expected, abs=0.01)
    assert np.mean([f.p < 0.05 for f in found]) <= 0.06
    assert sum(f.near_copies for f in found) == 0
    assert np.mean([f.ratio for f in found]) == pytest.approx(1, abs=0.03)
    assert np.std([f.z for f in found]) == pytest.approx(1, abs=0.25)
    quiet = next(f for f in found if f.p > 0.05)
    assert quiet.sentence().startswith("No evidence of copying: ")
    assert "private" not in quiet.sentence()


def test_planted_copies_come_first_and_are_evidence():
    training, held_out, generated = drawn(1, 100), drawn(2, 60), drawn(3, 40)
    generated[[5, 17, 30]] = training[[70, 2, 41]] + 0.01 * drawn(4, 3)
    found = find_copies(generated, training, held_out)
    top = found.top(3)
    assert {(row["generated"], row["training"]) for row in top} == {(5, 70), (17, 2), (30, 41)}
    assert all(row["held_out_as_near"] == 0 for row in top)
    assert found.share >= 3 / 40
    assert found.near_copies == 3
    assert found.sentence().startswith("Evidence of copying: 3 of 40 generated images lie")


def test_a_single_copy_among_many_images_is_evidence():
    """The share alone could not tell: one image of 40 may well come before 60 held-out ones."""
    training, generated = drawn(1, 100), drawn(3, 40)
    generated[8] = training[33] + 0.01
    found = find_copies(generated, training, drawn(2, 60))
    assert found.p > 0.05
    assert found.near_copies == 1
    assert found.sentence().startswith("Evidence of copying: 1 of 40")


def test_a_generator_that_only_copies_is_told_by_every_number():
    training = drawn(1, 100)
    found = find_copies(training[:40] + 0.1 * drawn(3, 40), training, drawn(2, 60))
    assert found.share == 1
    assert found.p < 1e-6
    assert found.ratio < 0.3
    assert found.z < -5
    assert found.sentence().startswith("Evidence of copying: 40 of 40")


def test_images_smoother_than_real_ones_are_near_but_the_ratio_says_not_copied():
    found = find_copies(0.5 * drawn(3, 60), drawn(1, 100), drawn(2, 100))
    assert found.z < -5  # near to everything
    assert found.ratio == pytest.approx(1, abs=0.15)


def test_the_threshold_of_many_held_out_images_is_their_per_mille():
    found = find_copies(drawn(1, 50), drawn(2, 100), drawn(3, 3000))
    assert (found.held_out < found.threshold).sum() == 2  # the third is the threshold
    assert found.expected == pytest.approx(3 / 3001)


def test_without_training_images_it_is_not_estimable():
    with pytest.raises(ValueError, match="without the training images"):
        copying(drawn(1, 5), np.empty((0, D)), drawn(2, 5))


def test_blocks_change_nothing(monkeypatch):
    generated, training, held_out = drawn(1, 37), drawn(2, 90), drawn(3, 20)
    whole = copying(generated, training, held_out)
    monkeypatch.setattr("analysis.metrics.features.in_blocks.__defaults__", (8,))
    assert copying(generated, training, held_out) == whole
    assert copying(generated, training, held_out).rows == whole.rows


@pytest.fixture(scope="module")
def phantoms():
    return [record.image.convert("RGB") for record in corpus(24, seed=5, size=64)]


@pytest.mark.parametrize(
    ("view", "distances"), [("tiles", tile_distances), ("hashes", hash_distances)]
)
def test_a_re_encoded_resized_copy_is_nearer_than_any_other_image(phantoms, view, distances):
    prepare = PIXEL_VIEWS[view].prepare
    training = prepare(phantoms)
    copy = phantoms[7].resize((50, 50), Image.Resampling.BILINEAR).resize((64, 64))
    found = distances(prepare([copy]), training)[0]
    assert found.argmin() == 7
    assert found[7] < 0.5 * np.sort(found)[1]
    assert distances(training[[3]], training[[3]])[0, 0] == pytest.approx(0, abs=1e-6)


def test_tiles_tell_images_apart_that_differ_in_one_place_only():
    plain = Image.new("RGB", (64, 64), "grey")
    spotted = plain.copy()
    spotted.paste("white", (0, 0, 16, 16))  # one tile of sixteen
    x, y = PIXEL_VIEWS["tiles"].prepare([plain, spotted])[:, None]
    assert tile_distances(x, y)[0, 0] == pytest.approx((255 - 128) / 255, abs=0.01)
