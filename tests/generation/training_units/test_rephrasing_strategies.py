"""The strategies of the paper's section 4.3: rephrasings beside captions or in their place."""

from collections import Counter
from dataclasses import replace

import pytest

from generation.training.data import AugmentedViews, Plan, TrainingDataError, check_images, texts_of
from tests.generation.tiny_msdm import TINY, draw_images

OTHERS = {
    "a red square.": ("one square in red.", "a square that is red."),
    "red": ("crimson",),
    "a green square.": ("one square in green.",),
    "a blue square.": ("one square in blue.", "a square that is blue.", "a bluish square."),
    "a caption of no image": ("never",),
}
EPOCHS = 400
STRATEGIES = ("none", "add", "substitute", "replace")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Nine images, three of each colour; every one has a rephrasing for one caption at least."""
    folder = tmp_path_factory.mktemp("images")
    return [replace(image, rephrasings=OTHERS) for image in draw_images(folder)]


def config_of(strategy, **changes):
    return replace(TINY, rephrasing=strategy, prompt_dropout=0.0, **changes)


def drawn(images, strategy):
    """How often each prompt was drawn with each image."""
    plan = Plan(images, config_of(strategy))
    draws = [plan.draw(n) for n in range(EPOCHS * len(images))]
    return Counter((draw.index, draw.prompt) for draw in draws)


def shares(counts, index):
    mine = {prompt: count for (image, prompt), count in counts.items() if image == index}
    return {prompt: count / sum(mine.values()) for prompt, count in mine.items()}


def others_of(image):
    return [text for caption in image.captions for text in OTHERS.get(caption, ())]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_prompt_is_a_caption_or_rephrasing_of_the_image_it_is_drawn_with(images, strategy):
    for index, prompt in drawn(images, strategy):
        assert prompt in (*images[index].captions, *others_of(images[index]))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_image_is_seen_as_often_whatever_the_strategy(images, strategy):
    seen = Counter()
    for (index, _), count in drawn(images, strategy).items():
        seen[index] += count
    assert set(seen.values()) == {EPOCHS}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_prompt_that_is_drawn_was_announced_and_every_announced_one_is_drawn(
    images, strategy
):
    announced = Plan(images, config_of(strategy)).prompts()
    assert announced[0] == "", "the dropped one"
    assert len(announced) == len(set(announced))
    assert set(announced[1:]) == {prompt for _, prompt in drawn(images, strategy)}
    assert set(announced[1:]) == {t for image in images for t in texts_of(image, strategy)}


def test_added_rephrasings_are_drawn_as_often_as_captions(images):
    counts = drawn(images, "add")
    for index, image in enumerate(images):
        texts = (*image.captions, *others_of(image))
        assert shares(counts, index) == pytest.approx(dict.fromkeys(texts, 1 / len(texts)), abs=0.1)


def test_a_substituted_caption_keeps_half_of_its_share_and_its_rephrasings_have_the_other(images):
    counts = drawn(images, "substitute")
    for index, image in enumerate(images):
        expected = {}
        for caption in image.captions:
            others = OTHERS.get(caption, ())
            expected[caption] = 0.25 if others else 0.5
            expected |= dict.fromkeys(others, 0.25 / max(1, len(others)))
        assert shares(counts, index) == pytest.approx(expected, abs=0.1)


def test_replaced_captions_are_never_drawn(images):
    counts = drawn(images, "replace")
    for index, image in enumerate(images):
        texts = others_of(image)
        expected = dict.fromkeys(texts, 1 / len(texts))
        assert shares(counts, index) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_plans_draw_the_same_whichever_draw_is_asked_for_first(images, strategy):
    config = config_of(strategy)
    forwards = [Plan(images, config).draw(n) for n in range(50)]
    plan = Plan(images, config)
    backwards = [plan.draw(n) for n in reversed(range(50))]
    assert forwards == backwards[::-1]


def test_another_seed_shows_images_in_another_order_and_says_other_things_of_each(images):
    configs = [replace(config_of("add"), seed=seed) for seed in (5, 6)]
    orders = [[Plan(images, config).draw(n).index for n in range(9)] for config in configs]
    assert orders[0] != orders[1]
    alone = [[Plan(images[:1], config).draw(n) for n in range(20)] for config in configs]
    assert [draw.prompt for draw in alone[0]] != [draw.prompt for draw in alone[1]]
    assert not {draw.view for draw in alone[0]} & {draw.view for draw in alone[1]}


def test_strategies_show_the_same_images_in_the_same_order(images):
    plans = [Plan(images, config_of(strategy)) for strategy in STRATEGIES]
    for n in range(40):
        assert len({plan.draw(n).index for plan in plans}) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_prompts_are_dropped_as_often_whatever_the_strategy(images, strategy):
    plan = Plan(images, replace(config_of(strategy), prompt_dropout=0.2))
    dropped = sum(plan.draw(n).prompt == "" for n in range(2000))
    assert 0.16 < dropped / 2000 < 0.24


def test_a_sample_s_pixels_are_those_of_the_image_its_prompt_speaks_of(images):
    """The drawn squares are of one colour, which every caption and rephrasing names."""
    views = AugmentedViews(Plan(images, config_of("add")))
    names = {"red": 0, "crimson": 0, "green": 1, "blue": 2, "bluish": 2}
    for n in range(60):
        _, prompt, values = views[n]
        [channel] = {place for name, place in names.items() if name in prompt}
        assert values["pixels"].mean((1, 2)).argmax() == channel, prompt


def test_the_data_digest_sees_rephrasings_only_where_they_are_trained_with(images):
    bare = [replace(image, rephrasings={}) for image in images]
    assert check_images(images) == check_images(bare)
    for strategy in ("add", "substitute"):
        assert check_images(images, strategy) != check_images(bare, strategy)


def test_an_image_without_rephrasings_is_kept_unless_captions_are_replaced(images):
    some = [*images[1:], replace(images[0], rephrasings={})]
    for strategy in ("add", "substitute"):
        check_images(some, strategy)
        last = shares(drawn(some, strategy), 8)
        assert last == pytest.approx({"a red square.": 0.5, "red": 0.5}, abs=0.1)
    with pytest.raises(TrainingDataError, match=r"No caption of .*0\.png has a rephrasing"):
        check_images(some, "replace")
