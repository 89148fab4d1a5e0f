"""The rules that flag images, on real ones and on what may happen to them."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from analysis.metrics.pixel_views import hash_vector
from analysis.metrics.quality import Looked, flag_arm, flag_copy, flag_set, measured

SIZE = (256, 256)


@pytest.fixture(scope="module")
def frames(shared_data):
    """Thirty endoscopic images."""
    files = sorted((shared_data / "polyps-kvasir-seg" / "images").iterdir())[::20][:30]
    return [Image.open(file).convert("RGB") for file in files]


def looked(image, size=SIZE):
    return Looked.of(size, measured(image))


FAULTS = {
    "black": (lambda i: Image.new("RGB", i.size), "plain"),
    "white": (lambda i: Image.new("RGB", i.size, "white"), "plain"),
    "blurred": (lambda i: i.filter(ImageFilter.GaussianBlur(4)), "soft"),
    "pale": (lambda i: Image.blend(i, Image.new("RGB", i.size, (128, 100, 90)), 0.9), "flat"),
    "blown out": (lambda i: i.point(lambda v: min(255, 6 * v)), "white"),
    "swapped": (lambda i: Image.merge("RGB", i.split()[::-1]), "colour"),
    "grey": (lambda i: i.convert("L").convert("RGB"), "colour"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_spoilt_image_is_flagged_and_its_siblings_are_not(frames, fault):
    spoil, kind = FAULTS[fault]
    clean = [looked(image) for image in frames]
    before = {(flag.place, flag.kind) for flag in flag_arm(clean)}
    clean[7] = looked(spoil(frames[7]))
    new = {(flag.place, flag.kind) for flag in flag_arm(clean)} - before
    assert (7, kind) in new
    assert {place for place, _ in new} == {7}


def test_real_images_are_hardly_ever_flagged(frames):
    assert len({flag.place for flag in flag_arm([looked(image) for image in frames])}) <= 1


def test_a_soft_arm_is_no_fault_of_its_images(frames):
    soft = [looked(image.filter(ImageFilter.GaussianBlur(4))) for image in frames]
    assert "soft" not in {flag.kind for flag in flag_arm(soft)}


def test_few_images_tell_nothing_about_each_other_but_black_is_black(frames):
    images = [looked(image) for image in frames[:5]]
    images[2] = looked(Image.new("RGB", (64, 64)))
    [flag] = flag_arm(images)
    assert (flag.place, flag.kind, flag.detail) == (2, "plain", "all black")


def test_another_size_is_flagged():
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    images = [looked(image), looked(image), looked(image, (128, 64))]
    [flag] = flag_arm(images)
    assert (flag.place, flag.kind) == (2, "size")
    assert flag.detail == "128×64 pixels; most of the arm have 256×256"


def test_nothing_is_said_of_no_images():
    assert flag_arm([]) == []


def test_nearly_the_same_picture_is_found_in_its_set(frames):
    again = frames[3].resize((200, 200)).resize(frames[3].size)
    hashes = np.array([hash_vector(image) for image in [*frames[:6], again]])
    [flag] = flag_set(hashes)
    assert (flag.place, flag.kind) == (6, "same")
    assert "image 4" in flag.detail


def test_a_copy_lies_less_than_half_as_far_as_any_held_out_image():
    held_out = np.array([2.0, 3.0, 4.0])
    assert flag_copy(5, 0.99, held_out).kind == "copy"
    assert flag_copy(5, 1.0, held_out) is None
    assert flag_copy(5, 0.0, np.empty(0)) is None
