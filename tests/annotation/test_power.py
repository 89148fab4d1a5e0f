"""How small a difference a design can find, against simulations of the model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from annotation.power import ALPHA, PAIR, READER, REST, smallest_difference

designs = {
    "pairs": st.integers(2, 100),
    "readers": st.integers(1, 30),
    "arms": st.integers(2, 8),
}


def simulated(difference, *, pairs, readers, times, drawn):
    """Score differences (times, readers, pairs), of both cases of a pair on average."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, REST / np.sqrt(2), (times, readers, pairs))
    of_readers = rng.normal(0, READER if drawn else 0, (times, readers, 1))
    return difference + rng.normal(0, PAIR, (times, 1, pairs)) + of_readers + noise


def found(d, *, level=ALPHA):
    """Share of the simulations in which a crossed analysis of variance finds the difference."""
    _, readers, pairs = d.shape
    mean = d.mean((1, 2), keepdims=True)
    by_pair, by_reader = d.mean(1, keepdims=True), d.mean(2, keepdims=True)
    of_pairs = readers * ((by_pair - mean) ** 2).sum((1, 2)) / (pairs - 1)
    variance, degrees = of_pairs, pairs - 1
    if readers >= 5:
        of_readers = pairs * ((by_reader - mean) ** 2).sum((1, 2)) / (readers - 1)
        left = (readers - 1) * (pairs - 1)
        rest = ((d - by_pair - by_reader + mean) ** 2).sum((1, 2)) / left
        variance = np.maximum(of_pairs + of_readers - rest, of_pairs)
        degrees = variance**2 / (
            of_pairs**2 / (pairs - 1) + of_readers**2 / (readers - 1) + rest**2 / left
        )
    value = mean[:, 0, 0] / np.sqrt(variance / (pairs * readers))
    return (2 * student.sf(abs(value), degrees) < level).mean()


@pytest.mark.parametrize(
    ("pairs", "readers", "arms"), [(20, 1, 2), (8, 3, 3), (20, 6, 2), (40, 12, 4)]
)
def test_the_smallest_difference_is_found_four_times_of_five(pairs, readers, arms):
    difference = smallest_difference(pairs=pairs, readers=readers, arms=arms)
    d = simulated(difference, pairs=pairs, readers=readers, times=3000, drawn=readers >= 5)
    level = ALPHA / (arms * (arms - 1) / 2)
    assert found(d, level=level) == pytest.approx(0.8, abs=0.03)
    assert found(d - difference, level=level) <= level + 0.01


@settings(max_examples=30)
@given(**designs)
def test_more_pairs_and_fewer_comparisons_find_smaller_differences(pairs, readers, arms):
    usual = smallest_difference(pairs=pairs, readers=readers, arms=arms)
    assert 0 < smallest_difference(pairs=pairs + 1, readers=readers, arms=arms) < usual
    assert smallest_difference(pairs=pairs, readers=readers, arms=arms + 1) > usual


def test_more_readers_find_smaller_differences_as_long_as_the_result_is_for_the_same_readers():
    for some in ([1, 2, 3, 4], [5, 6, 10, 20, 30]):
        found = [smallest_difference(pairs=20, readers=n) for n in some]
        assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("lacking", [{"arms": 1}, {"pairs": 1}, {"readers": 0}])
def test_where_nothing_can_be_compared_there_is_no_smallest_difference(lacking):
    assert smallest_difference(**{"pairs": 20, "readers": 3, "arms": 3, **lacking}) is None
