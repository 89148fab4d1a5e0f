"""The rewriter by itself; over all published prompts it is tested in test_published.py."""

import pytest

from generation.phantom.captions import DEMO_PROMPTS, MORE_PROMPTS
from generation.rephrasing.meaning import meaning
from generation.rephrasing.rules import NoRule, rephrase, rephrasings

PROMPT = "Generate an image with a polyp of size 5-10mm."


def test_the_same_seed_gives_the_same_words_and_another_one_another_order():
    assert rephrasings(PROMPT, seed=3) == rephrasings(PROMPT, seed=3)
    assert rephrasings(PROMPT, seed=3) != rephrasings(PROMPT, seed=4)
    assert sorted(rephrasings(PROMPT, seed=3)) == sorted(rephrasings(PROMPT, seed=4))


def test_variants_differ_until_all_are_used():
    every = rephrasings(PROMPT)
    assert [rephrase(PROMPT, variant=v) for v in range(len(every))] == every
    assert rephrase(PROMPT, variant=len(every)) == every[0]


def test_the_phantom_s_prompts_keep_their_meaning():
    for prompt in DEMO_PROMPTS + MORE_PROMPTS:
        for text in rephrasings(prompt.text):
            assert meaning(text) == meaning(prompt.text)


@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        ("Generate an image containing oesophagitis of grade 1.", "grade 1"),
        ("Generate an image with no polyps and 1 instrument.", "no polyps and 1 instrument"),
        ("Generate an image with an abnormality with the colors ink and brown.", "ink and brown"),
        ("Generate an image with an abnormality with the color pink/red.", "pink/red"),
    ],
)
def test_what_the_rules_do_not_know_is_left_as_it_stands(prompt, kept):
    assert all(kept in text for text in rephrasings(prompt))


def test_a_prompt_of_another_wording_has_no_rule():
    with pytest.raises(NoRule, match=r"No rule for “Frontal chest radiograph\.”.*a CSV file"):
        rephrasings("Frontal chest radiograph.")
