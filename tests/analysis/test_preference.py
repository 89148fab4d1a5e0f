"""Worths of arms from rankings: published numbers, identities, and rankings without a loss."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.preference import preference

COLUMNS = ["reader", "case", "pair", "arm", "rank"]


def ranked(rows, arms="abcd", reader="R1"):
    """Each row the ranks of one case, its own pair."""
    return pd.DataFrame(
        [
            (reader, c, c, arm, rank)
            for c, row in enumerate(rows)
            for arm, rank in zip(arms, row, strict=True)
        ],
        columns=COLUMNS,
    ).dropna()


def worths(rankings, arms="abcd"):
    found = preference(rankings, arms=arms, resamples=2)
    return np.array([found.worth(arm).value for arm in arms])


def test_the_drivers_worths_are_those_of_hunter(shared_data):
    races = pd.read_csv(shared_data / "worked-examples" / "nascar_2002.csv").to_numpy()
    rows = [(0, r, r, int(d), p) for r, race in enumerate(races) for p, d in enumerate(race)]
    drivers = range(1, 84)
    found = preference(pd.DataFrame(rows, columns=COLUMNS), arms=drivers, resamples=1)
    best = sorted((found.worth(d).value for d in drivers), reverse=True)
    assert [round(w, 4) for w in best[:2]] == [0.1864, 0.1096]
    assert (found.regularised, found.rankings) == (False, 36)
    assert sum(best) == pytest.approx(1)


def test_two_arms_with_ties_are_davidsons_in_closed_form():
    """The odds are those of the wins; ties say nothing of them."""
    rows = [[1, 2]] * 13 + [[2, 1]] * 3 + [[1.5, 1.5]] * 8
    found = preference(ranked(rows, "ab"), arms="ab", resamples=300)
    assert found.over("a", "b").value == pytest.approx(13 / 16)
    assert found.worth("b").value == pytest.approx(3 / 16)
    assert found.ties == pytest.approx(8 / 24)
    assert found.over("a", "b").low > 0.5


def test_worths_maximise_the_likelihood_as_written_down():
    """Against the model's formula, term by term, for tiers of up to three."""
    from itertools import combinations

    from analysis.statistics.preference import Choices, _tiers

    rng = np.random.default_rng(0)
    rows = rng.integers(1, 4, size=(30, 4)).astype(float)
    tiers = [_tiers(row) for row in rows]
    choices = Choices.of(tiers, items=4)
    beta, regularised = choices.fit(np.ones((1, 30)))
    assert not regularised[0]

    def likelihood(log_worths, log_ties):
        def weight(tier):
            return np.mean(log_worths[list(tier)]) + (
                log_ties[len(tier) - 2] if len(tier) > 1 else 0
            )

        total = 0
        for ranking in tiers:
            for tier, left in ranking:
                offers = [
                    c for k in range(1, min(len(left), most) + 1) for c in combinations(left, k)
                ]
                total += weight(tier) - np.log(sum(np.exp(weight(c)) for c in offers))
        return total

    from scipy.optimize import minimize

    most = max(len(tier) for ranking in tiers for tier, _ in ranking)
    found = minimize(
        lambda x: -likelihood(np.r_[0, x[:3]], x[3:]), np.zeros(3 + most - 1), method="BFGS"
    )
    expected = np.r_[0, found.x[:3]]
    assert beta[0] == pytest.approx(expected - expected.mean(), abs=1e-4)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_names_and_scales_of_ranks_change_nothing(seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 5, size=(12, 4)).astype(float)
    order = rng.permutation(4)
    assert worths(ranked(rows[:, order])) == pytest.approx(worths(ranked(rows))[order], abs=1e-7)
    assert worths(ranked(rows**2)) == pytest.approx(worths(ranked(rows)))
    found = preference(ranked(rows), arms="abcd", resamples=2)
    assert found.over("a", "b").value + found.over("b", "a").value == pytest.approx(1)


def test_all_orders_once_prefer_nothing():
    assert worths(ranked(list(permutations((1, 2, 3, 4))))) == pytest.approx([0.25] * 4)


def test_an_arm_that_never_loses_gets_a_finite_worth_and_the_report_is_told():
    rows = [[1, *rest] for rest in permutations((2, 3, 4))] * 2
    found = preference(ranked(rows), arms="abcd", resamples=300)
    assert found.regularised
    assert 0.8 < found.worth("a").value < 1
    assert found.worth("a").low > 0.5
    assert found.over("b", "c").value == pytest.approx(0.5)
    without = preference(ranked(rows), arms="bcd", resamples=300)
    assert not without.regularised
    assert without.worth("b").value == pytest.approx(1 / 3)


def test_ties_everywhere_prefer_nothing_and_are_no_error():
    found = preference(ranked([[2.5] * 4] * 8), arms="abcd", resamples=50)
    assert found.worth("a").value == pytest.approx(0.25)
    assert (found.ties, found.regularised) == (1, True)


def test_real_images_are_in_it_or_not_as_the_arms_say():
    rows = [[1, 2, 3], [1, 3, 2], [2, 1, 3]] * 4
    with_real = preference(ranked(rows, "rab"), arms="rab", resamples=50)
    without = preference(ranked(rows, "rab"), arms="ab", resamples=50)
    assert with_real.worth("r").value > with_real.worth("a").value
    assert without.over("a", "b").value == pytest.approx(2 / 3)


def test_incomplete_rankings_enter_with_what_they_order():
    rows = [[1, 2, np.nan], [2, 1, np.nan], [1, 2, np.nan], [np.nan, 2, 1], [np.nan, 1, 2]] * 3
    found = preference(ranked(rows, "abc"), arms="abc", resamples=50)
    assert found.over("a", "b").value == pytest.approx(2 / 3)
    assert found.rankings == 15


@pytest.mark.parametrize(
    ("rows", "arms", "reason"),
    [
        ([[1]] * 8, "a", "one arm"),
        ([], "ab", "no rankings"),
        ([[1, 2]] * 4, "ab", "4 pairs or single cases ranked, 5 are needed"),
    ],
)
def test_what_is_not_estimable_says_why(rows, arms, reason):
    found = preference(ranked(rows, arms), arms=arms)
    assert found.worth("a").value is None
    assert reason in found.worth("a").reason
