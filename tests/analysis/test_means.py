"""Means by arm: what enters, what the interval rests on."""

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.means import arm_means
from tests.analysis.simulated import study

ARMS = ["arm0", "arm1", "arm2"]


def test_a_mean_is_over_readers_first_and_then_over_cases():
    # Case 1 was scored by two readers, case 2 by one: cases weigh the same.
    scores = pd.DataFrame(
        [("R1", 1, 1, 2), ("R2", 1, 1, 4), ("R1", 2, 2, 9)],
        columns=["reader", "case", "pair", "value"],
    ).assign(kind="original", arm="a")
    found = arm_means(scores, arms=["a"]).mean("a")
    assert (found.value, found.n, found.pairs) == (6, 3, 2)


def test_fewer_than_five_pairs_get_a_mean_without_interval_and_the_reason():
    scores, _ = study(np.random.default_rng(0), pairs=4)
    found = arm_means(scores, arms=ARMS).mean("arm0")
    assert found.value is not None
    assert (found.low, found.high) == (None, None)
    assert found.reason == "no interval: 4 pairs or single cases, 5 are needed"


def test_an_arm_without_scores_is_not_estimable():
    scores, _ = study(np.random.default_rng(0))
    found = arm_means(scores[scores["arm"] != "arm1"], arms=ARMS)
    assert (found.mean("arm1").value, found.mean("arm1").reason) == (None, "no values")
    assert found.difference("arm0", "arm1").value is None
    assert found.mean("arm2").low is not None


def test_no_scores_at_all_are_no_error():
    scores, _ = study(np.random.default_rng(0))
    assert arm_means(scores[:0], arms=ARMS).mean("arm0").reason == "no values"


def test_equal_scores_have_an_interval_of_one_point():
    scores, _ = study(np.random.default_rng(0))
    found = arm_means(scores.assign(value=7.0), arms=ARMS).mean("arm0")
    assert (found.value, found.low, found.high) == (7, 7, 7)


def test_cases_of_a_pair_are_resampled_together():
    """Where the cases of a pair are copies, the interval is that of half as many cases."""
    scores, _ = study(np.random.default_rng(1), shared=0)
    copied = scores.assign(
        value=scores.groupby(["pair", "arm", "reader"])["value"].transform("first")
    )
    originals = copied[copied["kind"] == "original"]
    both, half = (arm_means(s, arms=ARMS, seed=3).mean("arm0") for s in (copied, originals))
    assert (both.low, both.high) == pytest.approx((half.low, half.high))


def test_a_paired_difference_is_surer_than_its_parts():
    """Arms share their prompts, so what prompts do to both cancels."""
    rng = np.random.default_rng(2)
    scores, _ = study(rng, shared=0)
    prompt = dict(enumerate(rng.normal(0, 5, 21)))
    scores["value"] += scores["pair"].map(prompt)
    found = arm_means(scores, arms=ARMS)
    difference, part = found.difference("arm0", "arm1"), found.mean("arm0")
    assert difference.high - difference.low < (part.high - part.low) / 2


def test_readers_are_resampled_too_once_there_are_five():
    def width(readers):
        scores, _ = study(np.random.default_rng(3), readers=readers, shared=0)
        severity = {f"R{i + 1}": 3.0 * (i - (readers - 1) / 2) for i in range(readers)}
        scores["value"] += scores["reader"].map(severity)
        found = arm_means(scores, arms=ARMS).mean("arm0")
        return found.high - found.low

    assert width(5) > 4 > 1.5 > width(4)


def test_the_same_seed_gives_the_same_interval_and_another_one_nearly():
    scores, _ = study(np.random.default_rng(4))
    first, again, other = (arm_means(scores, arms=ARMS, seed=s).mean("arm0") for s in (1, 1, 2))
    assert first == again != other
    assert first.low == pytest.approx(other.low, abs=0.2)
