"""Pairwise accuracy with ties and τ_b within cases, against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from analysis.statistics.correlation import table
from analysis.statistics.within_case import best_threshold, pairwise_accuracy, within_case_tau
from tests.analysis.simulated import study

ARMS = ["arm0", "arm1", "arm2"]
seeds = st.integers(0, 2**32 - 1)


def joined(seed=0, *, resamples=50, change=None, **options):
    scores, metric = study(np.random.default_rng(seed), **options)
    scores["value"] = scores["value"].round()
    if change:
        scores, metric = change(scores, metric)
    return table(scores, metric, arms=ARMS, resamples=resamples)


def accuracy(data, sign=1):
    return pairwise_accuracy(data, sign=sign, resamples=50)


def test_tau_is_the_mean_of_scipys_over_cases():
    data = joined(change=lambda s, m: (s, m.assign(value=m["value"].round())))
    each = [kendalltau(x, y).statistic for x, y in zip(data.metric, data.scores, strict=True)]
    found = within_case_tau(data, resamples=400)
    assert found.value == pytest.approx(np.nanmean(each))
    assert found.n == np.isfinite(each).sum()
    assert found.low < found.value < found.high


def test_without_ties_accuracy_is_the_share_in_the_same_order():
    scores, metric = study(np.random.default_rng(1))
    data = table(scores, metric, arms=ARMS, resamples=2)
    i, j = np.triu_indices(3, 1)
    same = (data.metric[:, i] > data.metric[:, j]) == (data.scores[:, i] > data.scores[:, j])
    found = accuracy(data)
    assert found.accuracy.value == pytest.approx(same.mean())
    assert (found.threshold, found.ties) == (0, 0)
    assert found.accuracy.n == 40 * 3


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_the_threshold_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    said, human = rng.integers(-5, 6, 30) / 3, rng.integers(-1, 2, 30)

    def hits(threshold):
        return (np.where(np.abs(said) <= threshold, 0, np.sign(said)) == human).sum()

    assert hits(best_threshold(said, human)) == max(hits(t) for t in np.r_[0, np.abs(said)])


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_only_the_order_of_scores_counts_and_only_the_shape_of_the_metric(seed):
    data = joined(seed, pairs=8)
    other = joined(seed, pairs=8, change=lambda s, m: (s.assign(value=3 * s["value"] + 1), m))
    mirrored = joined(seed, pairs=8, change=lambda s, m: (s, m.assign(value=-7 * m["value"])))
    for function in (lambda d, sign: accuracy(d, sign).accuracy, within_case_tau):
        value = function(data, sign=1).value
        assert function(other, sign=1).value == pytest.approx(value)
        assert function(mirrored, sign=-1).value == pytest.approx(value)


def test_a_metric_that_equals_the_scores_is_right_about_ties_too():
    data = joined(change=lambda s, m: (s, m.assign(value=s["value"].to_numpy())))
    found = accuracy(data)
    assert found.ties > 0.05
    assert found.accuracy.value == 1
    assert within_case_tau(data).value == 1


def test_thresholds_come_from_other_pairs():
    """A threshold fitted to noise would gain from it; a cross-fitted one gains nothing."""
    gains = []
    for seed in range(60):
        data = joined(seed, pairs=6, shared=0)
        i, j = np.triu_indices(3, 1)
        said = data.metric[:, i] - data.metric[:, j]
        human = np.sign(data.scores[:, i] - data.scores[:, j])
        tied = np.abs(said) <= best_threshold(said, human)
        fitted = (np.where(tied, 0, np.sign(said)) == human).mean()
        gains.append((fitted, accuracy(data).accuracy.value))
    fitted, honest = np.mean(gains, axis=0)
    assert fitted > honest + 0.03


def test_rounding_makes_no_order():
    data = joined(change=lambda s, m: (s, m.assign(value=0.1 + 0.2 * (m["arm"] == "arm1"))))
    i = data.arms.index("arm1")
    data.metric[:, i] = 0.3
    data.metric[:, [k for k in range(3) if k != i]] = 0.1 + 0.2
    assert within_case_tau(data).reason == "every case is tied throughout"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"pairs": 4}, "4 pairs or single cases"),
        ({"change": lambda s, m: (s.assign(value=5.0), m)}, "every case is tied throughout"),
    ],
)
def test_what_is_not_estimable_says_why(options, reason):
    assert reason in within_case_tau(joined(**options)).reason


def test_one_arm_has_no_order():
    scores, metric = study(np.random.default_rng(5), arms=1)
    data = table(scores, metric, arms=["arm0"])
    assert "one arm" in accuracy(data).accuracy.reason
    assert "one arm" in within_case_tau(data).reason


def test_with_five_readers_they_are_resampled():
    assert accuracy(joined(readers=5)).accuracy.low < accuracy(joined(readers=5)).accuracy.value
    assert joined(readers=5).clusters == 5
