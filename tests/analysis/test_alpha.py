"""Krippendorff's alpha: the published example, another implementation, and what must hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.alpha import krippendorff_alpha
from tests.analysis.test_agreement import tidy

LEVELS = ("nominal", "ordinal", "interval", "ratio")
NONE = np.nan
# Krippendorff (2011): four observers in columns, twelve units.
PUBLISHED = np.array(
    [
        [1, 1, NONE, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
        [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [NONE, 5, 5, 5], [NONE, NONE, 1, 1],
        [NONE, 3, NONE, NONE],
    ]
)  # fmt: skip


def alpha(values, level="ordinal", resamples=2):
    return krippendorff_alpha(tidy(values).dropna(), level=level, resamples=resamples)


@pytest.mark.parametrize(
    ("level", "printed"), zip(LEVELS, (0.743, 0.815, 0.849, 0.797), strict=True)
)
def test_alpha_is_that_of_krippendorff(level, printed):
    found = alpha(PUBLISHED, level, resamples=500)
    assert round(found.value, 3) == printed
    assert (found.pairs, found.n) == (11, 40)
    assert found.low < found.value < found.high


@given(st.integers(0, 2**32 - 1), st.sampled_from(LEVELS))
@settings(max_examples=30, deadline=None)
def test_the_package_krippendorff_finds_the_same(seed, level):
    krippendorff = pytest.importorskip("krippendorff", reason="an oracle for tests only")
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 11, size=(20, 4)).astype(float)
    values[rng.random(values.shape) < 0.3] = np.nan
    theirs = krippendorff.alpha(reliability_data=values.T, level_of_measurement=level)
    assert alpha(values, level).value == pytest.approx(theirs, abs=1e-10)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_alpha_ignores_who_is_who_and_what_its_level_ignores(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 6, size=(12, 3)).astype(float)
    shuffled = values[:, rng.permutation(3)]
    assert alpha(values).value <= 1
    assert alpha(shuffled).value == pytest.approx(alpha(values).value)
    assert alpha(np.exp(values)).value == pytest.approx(alpha(values).value)
    linear = alpha(3 * values + 7, "interval").value
    assert linear == pytest.approx(alpha(values, "interval").value)
    assert alpha(3 * values, "ratio").value == pytest.approx(alpha(values, "ratio").value)


def test_equal_readers_have_an_alpha_of_one_at_every_level():
    same = np.tile(np.arange(8.0)[:, None], 3)
    assert [alpha(same, level).value for level in LEVELS] == pytest.approx([1] * 4)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((6, 3), 4.0), "all scores are equal"),
        (PUBLISHED[:, :1], "one reader"),
        (PUBLISHED[:4], "4 pairs or single cases, 5 are needed"),
        (PUBLISHED[:0], "no scores"),
    ],
)
def test_what_is_not_estimable_says_why(values, reason):
    found = alpha(values)
    assert found.value is None
    assert reason in found.reason
