"""Severity, use of the scale, effects of order: what was planted is found."""

import numpy as np
import pytest

from analysis.statistics.habits import order_effect, reader_habits
from tests.analysis.simulated import study

FEW = {"resamples": 400}


def scored(readers=3, **options):
    scores, _ = study(np.random.default_rng(0), readers=readers, **options)
    return scores


def placed(scores, slope=0.0, seed=1):
    """With the place of each case in its reader's own order, and its effect on the scores."""
    rng = np.random.default_rng(seed)
    orders = {r: rng.permutation(scores["case"].max()) for r in scores["reader"].unique()}
    place = [orders[r][c - 1] for r, c in zip(scores["reader"], scores["case"], strict=True)]
    return scores.assign(place=place, value=scores["value"] + slope * np.array(place))


def test_a_severe_reader_is_told_from_the_others():
    scores = scored()
    by_set = scores.groupby(["case", "arm"])["value"].transform("mean")
    severe = scores.assign(value=by_set + np.where(scores["reader"] == "R2", -2, 1))
    first, second, _ = reader_habits(severe, scale=(0, 10), **FEW)
    assert (first.severity.value, second.severity.value) == pytest.approx((1.5, -3))
    assert (second.reader, second.severity.n, second.severity.pairs) == ("R2", 120, 20)
    assert second.severity.low == pytest.approx(-3)


def test_severity_covers_what_readers_have_in_common():
    found = reader_habits(scored(), scale=(-9, 9), **FEW)
    assert all(h.severity.low < h.severity.value < h.severity.high for h in found)
    assert sum(h.severity.value for h in found) == pytest.approx(0)


def test_use_of_the_scale_is_counted():
    scores = scored(readers=2)
    scores["value"] = np.where(scores["reader"] == "R1", 3, np.arange(len(scores)) % 6)
    assert {h.used for h in reader_habits(scores, scale=None, **FEW)} == {None}
    between = scores.assign(value=scores["value"] / 2)
    assert {h.used for h in reader_habits(between, scale=(0, 5), **FEW)} == {None}
    same, all_values = reader_habits(scores, scale=(0, 10), **FEW)
    assert (same.commonest, same.used, same.ends, same.sd) == (1, 1 / 11, 0, 0)
    assert (all_values.used, all_values.commonest) == (6 / 11, 1 / 6)
    assert all_values.ends == pytest.approx(1 / 6)


def test_severity_against_nobody_is_not_estimable():
    (found,) = reader_habits(scored(readers=1), scale=(0, 10))
    assert "one reader" in found.severity.reason
    assert found.n == 120
    two = scored(readers=2)
    apart = two[(two["reader"] == "R1") == (two["case"] <= 20)]
    assert "0 pairs or single cases" in reader_habits(apart, scale=(0, 9))[0].severity.reason


@pytest.mark.parametrize("readers", [1, 3])
def test_a_drift_over_the_order_of_cases_is_found(readers):
    found = order_effect(placed(scored(readers, shared=0.3), slope=0.1), by="place", **FEW)
    assert found.low < 0.1 < found.high
    assert found.low > 0


def test_without_a_drift_there_is_mostly_none():
    out = []
    for seed in range(100):
        scores, _ = study(np.random.default_rng(seed), readers=2, pairs=10)
        found = order_effect(placed(scores, seed=seed), by="place", resamples=300, seed=seed)
        out.append(not found.low <= 0 <= found.high)
    assert np.mean(out) < 0.13


def test_the_place_on_the_page_is_compared_within_a_reading():
    """What reader and case add doesn't matter there."""
    scores = scored(2)
    rng = np.random.default_rng(2)
    letter = np.concatenate([rng.permutation(3) for _ in range(len(scores) // 3)])
    severe = 50 * (scores["reader"] == "R1") * scores["case"]
    scores = scores.assign(letter=letter, value=scores["value"] + 0.8 * letter + severe)
    found = order_effect(scores, by="letter", **FEW)
    assert found.low < 0.8 < found.high
    assert found.low > 0


def test_one_order_for_all_cannot_be_told_from_the_sets():
    scores = scored(2)
    found = order_effect(scores.assign(place=scores["case"]), by="place")
    assert "the same for every reader" in found.reason
    few = placed(scores[scores["pair"] < 5])
    assert "4 pairs or single cases" in order_effect(few, by="place").reason
