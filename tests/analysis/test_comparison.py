"""Which of two metrics is better: level, power, symmetry."""

import numpy as np
import pytest

from analysis.statistics.comparison import (
    accuracy_difference,
    correlation_difference,
    soft_pairwise_accuracy,
)
from analysis.statistics.correlation import beyond_arm, table
from tests.analysis.simulated import study

ARMS = ["arm0", "arm1", "arm2"]
BOTH = [correlation_difference, accuracy_difference]


def two_metrics(seed, noise=(1.0, 1.0), pairs=20, **options):
    """Two metrics that see the same part of the scores, each with noise of its own."""
    rng = np.random.default_rng(seed)
    scores, metric = study(rng, pairs=pairs, beyond_arm=0.8, **options)
    return [
        table(
            scores,
            metric.assign(value=metric["value"] + n * rng.normal(size=len(metric))),
            arms=ARMS,
            resamples=200,
        )
        for n in noise
    ]


@pytest.mark.parametrize("difference", BOTH)
def test_metrics_alike_are_rarely_told_apart(difference):
    found = [difference(*two_metrics(s, pairs=10), resamples=200, seed=s) for s in range(120)]
    assert np.mean([e.p <= 0.05 for e in found]) < 0.12
    assert np.mean([e.low <= 0 <= e.high for e in found]) > 0.88


@pytest.mark.parametrize("difference", BOTH)
def test_a_much_better_metric_is_found_and_the_difference_has_a_sign(difference):
    good, bad = two_metrics(0, noise=(0.1, 4.0))
    better, worse = difference(good, bad, resamples=400), difference(bad, good, resamples=400)
    assert better.p < 0.05
    assert 0 < better.low < better.value < better.high
    assert (worse.value, worse.p) == (pytest.approx(-better.value), better.p)


def test_the_difference_is_that_of_the_two_correlations():
    good, bad = two_metrics(1, noise=(0.1, 2.0))
    expected = beyond_arm(good).value - beyond_arm(bad).value
    assert correlation_difference(good, bad).value == pytest.approx(expected)
    against = correlation_difference(good, bad, signs=(1, -1)).value
    assert against == pytest.approx(beyond_arm(good).value + beyond_arm(bad).value)


@pytest.mark.parametrize("difference", BOTH)
def test_a_metric_doesnt_differ_from_itself(difference):
    data, _ = two_metrics(2)
    found = difference(data, data, resamples=200)
    assert (found.value, found.p) == (0, 1)


@pytest.mark.parametrize("difference", BOTH)
def test_what_is_not_estimable_says_why(difference):
    few = [d.only(set(d.units[:6])) for d in two_metrics(3)]
    assert "3 pairs or single cases" in difference(*few).reason
    scores, metric = study(np.random.default_rng(4), arms=1)
    one = table(scores, metric, arms=["arm0"])
    assert "one arm" in difference(one, one).reason


def test_only_cases_of_both_metrics_count():
    first, second = two_metrics(5)
    assert correlation_difference(first, second.only(set(second.units[:24]))).n == 24 * 3


def test_metrics_of_cases_and_of_pairs_are_not_mixed():
    scores, metric = study(np.random.default_rng(6))
    by_pair = metric.groupby(["pair", "arm"], as_index=False)["value"].mean()
    with pytest.raises(ValueError, match="both by case or by pair"):
        correlation_difference(*(table(scores, m, arms=ARMS) for m in (metric, by_pair)))


def test_soft_accuracy_is_one_for_the_scores_themselves_and_low_for_their_opposite():
    scores, metric = study(np.random.default_rng(7))
    same = table(scores, scores[metric.columns], arms=ARMS)
    found = soft_pairwise_accuracy(same)
    assert (found.value, found.n) == (pytest.approx(1), 3)
    assert soft_pairwise_accuracy(same, sign=-1).value < 0.5
    assert found.low is None


def test_soft_accuracy_of_a_metric_that_knows_nothing_is_in_between():
    scores, metric = study(np.random.default_rng(8))
    flat = table(scores, metric.assign(value=1.0), arms=ARMS)
    assert 0.5 <= soft_pairwise_accuracy(flat).value < 0.9
    assert "4 pairs" in soft_pairwise_accuracy(flat.only(set(flat.units[:8]))).reason
