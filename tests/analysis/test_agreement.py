"""Agreement between readers against published worked examples."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.agreement import (
    _icc,
    intraclass,
    kendall_w,
    mean_kendall_w,
    self_agreement,
)
from tests.analysis.simulated import study

# Shrout & Fleiss (1979), table 2: six targets, four judges.
SHROUT_FLEISS = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]
# Siegel (1956): three judges rank six applicants.
SIEGEL = [[1, 6, 3, 2, 5, 4], [1, 5, 6, 4, 2, 3], [6, 3, 2, 5, 4, 1]]


def tidy(values, column="value"):
    """Targets in rows, readers in columns; each target its own pair."""
    frame = pd.DataFrame(values).melt(ignore_index=False, var_name="reader", value_name=column)
    frame = frame.reset_index(names="case").assign(arm="a", kind="original")
    return frame.assign(pair=frame["case"])


def test_icc_is_that_of_shrout_and_fleiss():
    found = intraclass(tidy(SHROUT_FLEISS))
    assert round(found.single.value, 2) == 0.29
    assert round(found.average.value, 2) == 0.62
    assert (found.readers, found.single.n, found.single.pairs) == (4, 6, 6)
    assert found.single.low < 0.29 < found.single.high


def test_all_six_forms_are_those_of_shrout_and_fleiss():
    found = intraclass(tidy(SHROUT_FLEISS)).forms
    assert list(found) == ["1,1", "2,1", "3,1", "1,k", "2,k", "3,k"]
    assert [round(e.value, 2) for e in found.values()] == [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]
    assert all(e.low < e.value < e.high for e in found.values())


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_pingouin_finds_the_same_six_forms(seed):
    pingouin = pytest.importorskip("pingouin", reason="an oracle for tests only")
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(8, 1)) + rng.normal(size=(1, 3)) + rng.normal(size=(8, 3))
    scores = tidy(values)
    theirs = pingouin.intraclass_corr(scores, targets="case", raters="reader", ratings="value")
    ours = [e.value for e in intraclass(scores, resamples=2).forms.values()]
    assert ours == pytest.approx(np.maximum(theirs["ICC"].to_numpy(), -1), abs=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_severity_matters_to_absolute_agreement_only(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(8, 1)) + rng.normal(size=(8, 3))
    fair, severe = (
        intraclass(tidy(v), resamples=2).forms for v in (values, values - np.array([0, 0, 5]))
    )
    assert severe["3,1"].value == pytest.approx(fair["3,1"].value)
    assert abs(severe["2,1"].value) < abs(fair["3,1"].value)


def test_the_intervals_of_icc_are_those_of_repeated_targets():
    values = np.array(SHROUT_FLEISS, dtype=float)
    weights = np.array([[2, 0, 1, 1, 2, 0]])
    repeated = np.repeat(values, weights[0], axis=0)
    assert _icc(values, weights) == pytest.approx(_icc(repeated, np.ones((1, 6))))


def test_agreement_with_oneself_is_the_icc_of_two_times():
    once = np.array(SHROUT_FLEISS)[:, :2]
    scores = tidy(once).assign(repeat=lambda frame: frame["reader"] == 1, reader="R1")
    assert self_agreement(scores).value == pytest.approx(intraclass(tidy(once)).single.value)


def test_readers_agree_with_themselves_and_not_with_each_other():
    sets = np.arange(12.0)
    of = {"R1": sets, "R2": sets[::-1]}
    scores = pd.concat(
        tidy(np.stack([values, values], axis=1)).assign(
            repeat=lambda frame: frame["reader"] == 1, reader=reader
        )
        for reader, values in of.items()
    )
    found = self_agreement(scores)
    assert (found.value, found.n) == (1, 24)
    first = scores[~scores["repeat"]]
    assert intraclass(first).single.value < 0


def test_without_repeats_agreement_with_oneself_is_not_estimable():
    nothing = tidy(SHROUT_FLEISS).assign(repeat=False).iloc[:0]
    assert self_agreement(nothing).reason == "no set was scored twice"


def test_kendalls_w_is_that_of_siegel():
    assert round(kendall_w(np.array(SIEGEL)), 3) == 0.162


def test_kendalls_w_is_corrected_for_ties():
    assert kendall_w(np.array([[1.5, 1.5, 3], [1.5, 1.5, 3]])) == pytest.approx(1)
    assert np.isnan(kendall_w(np.array([[2, 2, 2], [2, 2, 2]])))


def rankings(order, cases=10):
    """Readers by arms ranks, the same in every case."""
    rows = [
        (f"R{reader}", case, case, f"arm{arm}", rank)
        for case in range(cases)
        for reader, ranks in enumerate(order)
        for arm, rank in enumerate(ranks)
    ]
    return pd.DataFrame(rows, columns=["reader", "case", "pair", "arm", "rank"])


def test_mean_w_is_over_cases_that_all_readers_ranked():
    same = rankings([[1, 2, 3], [1, 2, 3]])
    assert mean_kendall_w(same).value == 1
    partly = same.drop(index=same[(same["reader"] == "R1") & (same["case"] == 0)].index)
    assert mean_kendall_w(partly).n == 9
    assert mean_kendall_w(rankings([[1, 2, 3], [3, 2, 1]])).value == 0


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (tidy(np.array(SHROUT_FLEISS)[:, :1]), "one reader: agreement needs at least two"),
        (tidy(np.full((6, 3), 4)), "all scores are equal"),
        (tidy(SHROUT_FLEISS[:4]), "4 pairs or single cases, 5 are needed"),
        (tidy(SHROUT_FLEISS)[:0], "no scores"),
    ],
)
def test_what_is_not_estimable_says_why(scores, reason):
    found = intraclass(scores)
    assert found.single.value is found.average.value is None
    assert reason in found.single.reason


def test_rankings_of_one_reader_say_why_there_is_no_w():
    assert "one reader" in mean_kendall_w(rankings([[1, 2, 3]])).reason
    assert mean_kendall_w(rankings([[1, 2, 3]])[:0]).reason == "no rankings"
    assert mean_kendall_w(rankings([[1], [1]])).reason == "one arm: nothing to rank"


def test_sets_that_a_reader_left_out_do_not_enter():
    scores, _ = study(np.random.default_rng(0), readers=3)
    some = scores.drop(index=scores[(scores["reader"] == "R2") & (scores["case"] <= 4)].index)
    assert intraclass(some).single.n == 36 * 3
