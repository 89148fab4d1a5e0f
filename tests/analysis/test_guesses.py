"""The blinding index: published numbers and its bounds."""

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.guesses import blinding_index


def answers(right, wrong, unknown):
    given = [True] * right + [False] * wrong + [None] * unknown
    return pd.DataFrame({"reader": range(len(given)), "right": given})


def test_the_index_is_that_of_bang():
    """The CRISP trial: of the treated 82 guessed right, 25 wrong; of the others 29 and 27."""
    treated = blinding_index(answers(82, 25, 170), choices=2)
    assert round(treated.value, 2) == 0.21
    # Their variance: (p + q − (p − q)²) / n, with p right and q wrong.
    error = ((107 / 277 - (57 / 277) ** 2) / 277) ** 0.5
    assert treated.high - treated.value == pytest.approx(1.96 * error, rel=0.01)
    placebo = blinding_index(answers(29, 27, 83), choices=2)
    assert round(placebo.value, 2) == 0.01
    assert placebo.low < 0 < placebo.high


@pytest.mark.parametrize("choices", [2, 4])
def test_all_right_is_one_and_guessing_is_nought(choices):
    assert blinding_index(answers(8, 0, 0), choices=choices).value == 1
    by_chance = answers(6, 6 * (choices - 1), 3)
    assert blinding_index(by_chance, choices=choices).value == pytest.approx(0)
    misled = blinding_index(answers(0, 8, 0), choices=choices)
    assert misled.value == pytest.approx(-1 / (choices - 1))


def test_a_readers_many_guesses_are_one_readers():
    often = pd.concat([answers(3, 3, 0)] * 50)
    assert blinding_index(often, choices=2).high == pytest.approx(
        blinding_index(answers(3, 3, 0), choices=2).high
    )


def test_few_readers_have_no_interval_and_no_answers_no_index():
    found = blinding_index(answers(2, 1, 1), choices=2)
    assert found.value == 0.25
    assert "4 readers, 5 are needed" in found.reason
    assert blinding_index(answers(0, 0, 0), choices=2).reason == "nobody was asked"
    assert np.isfinite(blinding_index(answers(0, 0, 6), choices=2).value)
    with pytest.raises(ValueError, match="two choices"):
        blinding_index(answers(2, 1, 1), choices=1)
