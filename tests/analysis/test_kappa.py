"""Weighted kappa, and two readers who agree more than a shared truth explains."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.kappa import disagreement, reader_pairs, weighted_kappa
from tests.analysis.simulated import study
from tests.analysis.test_agreement import tidy

# Cohen (1968), table 1, as counts of 200.
COHEN = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
COHEN_WEIGHTS = np.array([[0, 1, 3], [1, 0, 6], [3, 6, 0]])


def test_kappa_is_that_of_cohen():
    assert round(float(weighted_kappa(COHEN, disagreement(np.arange(3), "nominal"))), 3) == 0.492
    assert round(float(weighted_kappa(COHEN, COHEN_WEIGHTS)), 3) == 0.348


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_kappa_is_symmetric_at_most_one_and_of_two_values_always_the_same(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, size=(4, 4)) + np.eye(4, dtype=int)
    kappas = {
        w: weighted_kappa(counts, disagreement(np.arange(4.0), w))
        for w in ("nominal", "linear", "quadratic")
    }
    for name, kappa in kappas.items():
        assert kappa <= 1
        assert weighted_kappa(counts.T, disagreement(np.arange(4.0), name)) == pytest.approx(kappa)
    two = [float(weighted_kappa(counts[:2, :2], disagreement(np.arange(2.0), w))) for w in kappas]
    assert two == pytest.approx([two[0]] * 3)


def test_kappa_of_constant_scores_is_undefined():
    assert np.isnan(weighted_kappa(np.array([[9, 0], [0, 0]]), disagreement(np.arange(2.0))))


def judged(readers=5, **options):
    scores, _ = study(np.random.default_rng(0), readers=readers, **options)
    return scores.assign(value=scores["value"].round().clip(-5, 5))


def test_independent_readers_are_not_suspected():
    found = reader_pairs(judged(), resamples=400)
    assert len(found) == 10
    assert not any(two.suspicious for two in found)
    assert [two.kappa.value for two in found] == sorted(
        (t.kappa.value for t in found), reverse=True
    )


def test_a_reader_who_looks_at_another_s_scores_is_named():
    scores = judged()
    other = scores[scores["reader"] == "R2"]
    copied = other.assign(reader="R4", value=other["value"] + (np.arange(len(other)) % 4 == 0))
    found = reader_pairs(pd.concat([scores[scores["reader"] != "R4"], copied]), resamples=400)
    assert [(two.first, two.second) for two in found if two.suspicious] == [("R2", "R4")]
    assert found[0].same == 0.75
    assert found[0].excess.low > 0.05


def test_two_good_readers_among_poor_ones_agree_well_and_are_not_suspected():
    """They share the truth with everybody; that explains how well they agree."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=200)
    noise = np.array([0.3, 0.3, 1.5, 1.5, 1.5])
    values = truth[:, None] + noise * rng.normal(size=(200, 5))
    found = reader_pairs(tidy(np.round(2 * values)), resamples=400)
    assert (found[0].first, found[0].second) == ("0", "1")
    assert found[0].kappa.value > found[1].kappa.value + 0.2
    assert not any(two.suspicious for two in found)


def test_three_readers_are_too_few_to_suspect_any():
    found = reader_pairs(judged(readers=3), resamples=50)
    assert len(found) == 3
    assert all("two others are needed" in two.excess.reason for two in found)
    assert reader_pairs(judged()[:0]) == []


def test_constant_and_disjoint_readers_say_why():
    scores = judged(readers=4)
    constant = scores.assign(value=3.0)
    assert {two.kappa.reason for two in reader_pairs(constant)} == {"all scores are equal"}
    first, second = scores[scores["case"] <= 20], scores[scores["case"] > 20]
    apart = [first[first["reader"] == "R1"], second[second["reader"] == "R2"]]
    (found,) = reader_pairs(pd.concat(apart))
    assert (found.kappa.value, found.same, found.suspicious) == (None, None, False)
    assert "0 pairs or single cases" in found.kappa.reason
