"""Correlation of metrics with scores: level, coverage, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from analysis.statistics.correlation import (
    _weighted_spearman,
    between_arms,
    beyond_arm,
    pooled_spearman,
    repeated_measures,
    table,
)
from tests.analysis.simulated import study

ARMS = ["arm0", "arm1", "arm2"]
FEW = {"resamples": 400, "seed": 0}


def joined(scores, metric, **options):
    return table(scores, metric, arms=ARMS, **(FEW | options))


def test_it_equals_the_correlation_of_least_squares_residuals():
    scores, metric = study(np.random.default_rng(0))
    case, arm = (np.eye(40)[metric["case"] - 1], np.eye(3)[metric["arm"].str[-1].astype(int)])
    design = np.hstack([case, arm])

    def residuals(frame):
        value = frame.sort_values(["case", "arm"])["value"].to_numpy()
        return value - design @ np.linalg.lstsq(design, value, rcond=None)[0]

    r = np.corrcoef(residuals(scores), residuals(metric))[0, 1]
    assert beyond_arm(joined(scores, metric)).value == pytest.approx(r)


def test_it_stays_at_its_level_where_pooling_finds_what_is_not_there():
    """No association within arms; score and metric share effects of arm and prompt."""
    rejected, pooled, covered = [], [], []
    for seed in range(300):
        data = joined(*study(np.random.default_rng(seed), pairs=10), seed=seed)
        beyond = beyond_arm(data, resamples=400, seed=seed)
        rejected.append(beyond.p <= 0.05)
        covered.append(beyond.low <= 0 <= beyond.high)
        pooled.append(spearmanr(data.metric.ravel(), data.scores.ravel()).pvalue <= 0.05)
    assert np.mean(rejected) < 0.09
    assert np.mean(covered) > 0.92
    assert np.mean(pooled) > 0.6


def test_it_finds_an_association_that_is_there_and_its_interval_covers_it():
    found = [
        beyond_arm(joined(*study(np.random.default_rng(s), beyond_arm=0.5)), **FEW)
        for s in range(100)
    ]
    assert np.mean([e.p <= 0.05 for e in found]) > 0.9
    assert np.mean([e.low <= 0.5 <= e.high for e in found]) > 0.88


def test_a_severe_reader_who_read_only_some_cases_changes_nothing():
    scores, metric = study(np.random.default_rng(1))
    severe = scores[scores["case"] <= 20].assign(reader="R2")
    severe["value"] -= 30
    both = joined(pd.concat([scores, severe]), metric)
    assert beyond_arm(both, **FEW).value == pytest.approx(
        beyond_arm(joined(scores, metric), **FEW).value
    )


def test_a_reading_with_an_arm_missing_does_not_enter():
    scores, metric = study(np.random.default_rng(1))
    data = joined(scores.drop(index=0), metric)
    assert len(data.units) == 39
    assert beyond_arm(data, **FEW).n == 39 * 3


def test_a_metric_with_one_value_per_pair_is_compared_with_the_pairs_mean_score():
    scores, metric = study(np.random.default_rng(2))
    by_pair = metric.groupby(["pair", "arm"], as_index=False)["value"].mean()
    data = joined(scores, by_pair)
    mean = scores[scores["pair"] == 1].groupby("arm")["value"].mean()
    assert data.units[0] == 1
    assert data.scores[0] == pytest.approx(mean.to_numpy())
    assert beyond_arm(data, **FEW).n == 60


def test_with_five_readers_they_are_resampled_and_the_interval_widens():
    scores, metric = study(np.random.default_rng(3), readers=5, beyond_arm=0.5)
    data = joined(scores, metric)
    assert (len(data.resampled), data.clusters) == (400, 5)
    found = beyond_arm(data, **FEW)
    assert found.low < found.value < found.high


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s, m: (s.assign(value=5.0), m), "the scores don't vary beyond prompt and arm"),
        (lambda s, m: (s, m.assign(value=5.0)), "the metric doesn't vary beyond prompt and arm"),
        (lambda s, m: (s[s["pair"] < 5], m), "4 pairs or single cases with all arms scored"),
        (lambda s, m: (s[s["arm"] == "arm0"], m), "0 pairs or single cases with all arms scored"),
    ],
)
def test_what_is_not_estimable_says_why(change, reason):
    scores, metric = change(*study(np.random.default_rng(4)))
    found = beyond_arm(joined(scores, metric), **FEW)
    assert (found.value, found.low, found.p) == (None, None, None)
    assert reason in found.reason


def test_one_arm_leaves_nothing_to_compare():
    scores, metric = study(np.random.default_rng(5), arms=1)
    found = beyond_arm(table(scores, metric, arms=["arm0"]))
    assert "one arm" in found.reason


def test_the_pooled_coefficient_is_scipys_with_ties_too():
    scores, metric = study(np.random.default_rng(6))
    scores["value"] = scores["value"].round()
    data = joined(scores, metric)
    found = pooled_spearman(data, **FEW)
    expected = spearmanr(data.metric.ravel(), data.scores.ravel()).statistic
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high
    assert found.p is None


def test_resampled_pooled_coefficients_equal_those_of_repeated_rows():
    rng = np.random.default_rng(7)
    x, y, weights = rng.integers(0, 5, 12), rng.normal(size=12), rng.integers(0, 4, (3, 12))
    expected = [spearmanr(np.repeat(x, w), np.repeat(y, w)).statistic for w in weights]
    assert _weighted_spearman(x, y, weights) == pytest.approx(expected)


def test_repeated_measures_are_those_of_bland_and_altman(shared_data):
    data = pd.read_csv(shared_data / "worked-examples" / "bland_altman_1995.csv")
    found = repeated_measures(*(data[c].to_numpy() for c in ("pH", "PaCO2", "Subject")))
    assert round(found.value, 3) == -0.507
    assert found.n - found.pairs - 1 == 38
    assert found.p < 0.001
    assert (round(found.low, 2), round(found.high, 2)) == (-0.71, -0.23)


def test_repeated_measures_that_cannot_be_say_why():
    once = np.arange(4.0)
    assert "4 measurements of 4 subjects" in repeated_measures(once, once, np.arange(4)).reason
    flat = np.repeat(once, 3)
    assert "doesn't vary" in repeated_measures(flat, flat, np.repeat(np.arange(4), 3)).reason


def test_five_arms_in_perfect_order_have_the_exact_p():
    scores, _ = study(np.random.default_rng(8), arms=5, shared=3)
    arms = [f"arm{a}" for a in range(5)]
    data = table(scores, scores.drop(columns="reader"), arms=arms)
    found = between_arms(data, **FEW)
    assert (found.value, found.n) == (1, 5)
    assert found.p == pytest.approx(2 / 120)


def test_three_arms_have_an_order_and_no_p():
    data = joined(*study(np.random.default_rng(9)))
    found = between_arms(data, **FEW)
    expected = kendalltau(data.metric.mean(axis=0), data.scores.mean(axis=0)).statistic
    assert found.value == pytest.approx(expected)
    assert found.p is None
    assert "no p: 3 arms, 5 are needed" in found.reason
    flat = joined(*(f.assign(value=1.0) for f in study(np.random.default_rng(9))))
    assert between_arms(flat).reason == "all arms have equal means"


def test_descriptive_numbers_take_every_score_there_is():
    scores, metric = study(np.random.default_rng(1), readers=2)
    lacking = scores.drop(index=0)
    assert joined(lacking, metric).scores[0] == pytest.approx(
        scores[(scores["case"] == 1) & (scores["reader"] == "R2")]["value"].to_numpy()
    )
    all_given = joined(lacking, metric, complete=False).scores[0]
    assert all_given[1:] == pytest.approx(
        scores[scores["case"] == 1].groupby("arm")["value"].mean().to_numpy()[1:]
    )
