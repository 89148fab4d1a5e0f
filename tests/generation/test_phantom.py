"""The phantom: what its scenes, drawings, captions and corpus promise."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from generation.phantom import (
    DEMO_PROMPTS,
    MORE_PROMPTS,
    Instrument,
    Lumen,
    Polyp,
    Scene,
    captions,
    corpus,
    draw,
    matches,
    random_scene,
    scene_for,
)

PLAIN = Scene(tone="pink", lumen=Lumen(-0.3, -0.4, 0.2), folds=4, vessels=0.6, light=1.0)
FORCEPS = Instrument("biopsy forceps", from_x=1.2, from_y=0.9, tip_x=0.1, tip_y=0.2)
POLYP = Polyp("sessile", "large", "red", x=0.4, y=0.4)
SCENES = [random_scene(seed) for seed in range(400)]


def pixels(scene: Scene, *, size: int = 96, seed: int = 5) -> np.ndarray:
    return np.asarray(draw(scene, size=size, seed=seed)).astype(int)


def changed(one: Scene, other: Scene, *, seed: int = 5) -> np.ndarray:
    """Which pixels differ visibly between the drawings of two scenes."""
    return np.abs(pixels(one, seed=seed) - pixels(other, seed=seed)).max(axis=-1) > 20


def test_equal_seeds_give_equal_pixels_and_other_seeds_do_not():
    scene = replace(PLAIN, polyps=(POLYP,), instrument=FORCEPS, box="green", text=True)
    assert np.array_equal(pixels(scene), pixels(scene))
    assert not np.array_equal(pixels(scene), pixels(scene, seed=6))
    assert random_scene(3) == random_scene(3) != random_scene(4)


def test_a_fresh_process_draws_the_same_image():
    code = (
        "from generation.phantom import draw, random_scene; import sys;"
        "sys.stdout.buffer.write(draw(random_scene(8), size=64, seed=8).tobytes())"
    )
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert fresh == draw(random_scene(8), size=64, seed=8).tobytes()


def test_an_image_is_rgb_of_the_size_asked_for():
    image = draw(PLAIN, size=80, seed=0)
    assert (image.mode, image.size) == ("RGB", (80, 80))


def test_a_size_too_small_to_show_anything_is_refused():
    with pytest.raises(ValueError, match="at least 32"):
        draw(PLAIN, size=16, seed=0)


def test_the_size_changes_the_resolution_and_not_the_picture():
    scene = replace(PLAIN, polyps=(POLYP,), instrument=FORCEPS)
    large = np.asarray(draw(scene, size=256, seed=1).reduce(2)).astype(int)
    assert np.abs(large - pixels(scene, size=128, seed=1)).mean() < 6


def test_the_frame_has_black_corners_a_pink_wall_and_a_dark_lumen():
    image = pixels(PLAIN)
    assert max(image[y, x].max() for y in (1, -2) for x in (1, -2)) < 10
    wall, lumen = image[60:72, 60:72].mean(axis=(0, 1)), image[26:32, 31:37].mean()
    assert wall[0] > wall[1] + 30 > wall[2]
    assert lumen < 60 < wall.mean()


@pytest.mark.parametrize(
    ("change", "least"),
    [
        ({"polyps": (replace(POLYP, size="small"),)}, 9 * 9),
        ({"polyps": (replace(POLYP, kind="flat", size="small"),)}, 9 * 9),
        ({"polyps": (replace(POLYP, kind="pedunculated", size="small"),)}, 9 * 9),
        ({"instrument": FORCEPS}, 300),
        ({"instrument": replace(FORCEPS, kind="polyp snare")}, 300),
        ({"instrument": replace(FORCEPS, kind="tube")}, 300),
        ({"box": "green"}, 700),
        ({"box": "black"}, 400),
        ({"text": True}, 100),
    ],
)
def test_everything_the_scene_names_is_drawn_boldly(change, least):
    assert changed(PLAIN, replace(PLAIN, **change)).sum() >= least


def test_a_polyp_is_drawn_where_the_scene_says():
    polyp = replace(POLYP, size="small")
    y, x = np.nonzero(changed(PLAIN, replace(PLAIN, polyps=(polyp,))))
    assert abs(np.median(x) - (polyp.x + 1) * 48) < 3
    assert abs(np.median(y) - (polyp.y + 1) * 48) < 3
    assert polyp.place == "lower-right"


def test_no_polyp_of_a_random_scene_is_hidden_by_box_text_or_instrument():
    axis = (np.arange(96) + 0.5) / 48 - 1
    for seed, scene in enumerate(SCENES[:60]):
        for index, polyp in enumerate(scene.polyps):
            without = scene.polyps[:index] + scene.polyps[index + 1 :]
            disc = np.hypot(axis[None, :] - polyp.x, axis[:, None] - polyp.y) < 0.8 * polyp.radius
            difference = changed(scene, replace(scene, polyps=without), seed=seed)
            assert difference[disc].mean() > 0.3, (seed, polyp)


def test_a_caption_is_true_of_its_scene_and_never_contradicts_another():
    assert "Generate an image with no polyps." in captions(PLAIN)
    assert "Generate an image containing a polyp." not in captions(PLAIN)
    full = captions(replace(PLAIN, polyps=(POLYP,), instrument=FORCEPS, box="green", text=True))
    for said in (
        "Generate an image with 1 polyp.",
        "Generate an image with a large polyp.",
        "Generate a polyp of type paris is.",
        "Generate an image with an abnormality with the color red.",
        "Generate an image with an abnormality located in the lower-right.",
        "Generate an image containing biopsy forceps.",
        "Generate an image containing a green/black box artefact.",
        "Generate an image containing text.",
    ):
        assert said in full
    for unsaid in (
        "Generate an image with no polyps.",
        "Generate an image with two or more polyps.",
        "Generate an image with no instruments.",
        "Generate an image not containing text.",
    ):
        assert unsaid not in full
    for scene in SCENES:
        texts = captions(scene)
        for subject in ("text", "a green/black box artefact"):
            said = f"Generate an image containing {subject}." in texts
            unsaid = f"Generate an image not containing {subject}." in texts
            assert said != unsaid


def test_prompt_and_rephrasing_mean_the_same_and_no_two_texts_are_equal():
    prompts = DEMO_PROMPTS + MORE_PROMPTS
    texts = [text for prompt in prompts for text in (prompt.text, prompt.rephrasing)]
    assert len(DEMO_PROMPTS) == 6
    assert len(set(texts)) == len(texts) >= 40
    for prompt in prompts:
        told = {matches(prompt.text, scene) for scene in SCENES}
        assert told == {True, False}, f"{prompt.text} says nothing about a scene"
        assert all(matches(prompt.text, s) == matches(prompt.rephrasing, s) for s in SCENES)


def test_a_prompt_unknown_to_the_phantom_is_refused_by_name():
    with pytest.raises(ValueError, match="containing a giraffe"):
        matches("Generate an image containing a giraffe.", PLAIN)


def test_a_scene_is_found_for_every_prompt_and_an_impossible_one_is_refused():
    for prompt in DEMO_PROMPTS + MORE_PROMPTS:
        assert prompt.means(scene_for(prompt.means, seed=1))
    with pytest.raises(ValueError, match="less rare"):
        scene_for(lambda scene: len(scene.polyps) > 9, seed=1, tries=50)


@pytest.mark.parametrize("seed", [0, 1, 2024])
def test_240_images_hold_8_test_images_for_every_demo_prompt(seed):
    images = list(corpus(240, seed=seed, size=32))
    test = [image for image in images if image.split == "test"]
    assert 0.2 < len(test) / len(images) < 0.4
    for split in ("train", "test"):
        scenes = [image.scene for image in images if image.split == split]
        for prompt in DEMO_PROMPTS:
            assert sum(matches(prompt.text, scene) for scene in scenes) >= 8, prompt.text


def test_a_corpus_is_the_same_each_time_and_a_longer_one_only_adds():
    short, long = list(corpus(12, seed=7, size=32)), list(corpus(20, seed=7, size=32))
    for one, other in zip(short, long, strict=False):
        assert (one.name, one.scene, one.split) == (other.name, other.scene, other.split)
        assert one.image.tobytes() == other.image.tobytes()
        assert one.captions == captions(one.scene)
    assert Counter(image.name for image in long).most_common(1)[0][1] == 1
    assert short[0].scene != next(corpus(1, seed=8, size=32)).scene
