"""Friedman, Wilcoxon with Holm, Nemenyi: published numbers and what is refused."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from analysis.statistics.ranktests import (
    arm_differences,
    block_means,
    critical_difference,
    friedman,
)
from tests.analysis.simulated import study

# Conover (1999), section 5.8: twelve homeowners rank four grasses.
GRASS = np.array(
    [
        [4, 3, 2, 1], [4, 2, 3, 1], [3, 1.5, 1.5, 4], [3, 1, 2, 4], [4, 2, 1, 3], [2, 2, 2, 4],
        [1, 3, 2, 4], [2, 4, 1, 3], [3.5, 1, 2, 3.5], [4, 1, 3, 2], [4, 2, 3, 1], [3.5, 1, 2, 3.5],
    ]
)  # fmt: skip


def test_friedman_is_that_of_conover():
    found = friedman(GRASS)
    assert (round(found.chi2, 3), round(found.p, 3)) == (8.097, 0.044)
    assert [12 * rank for rank in found.mean_ranks] == pytest.approx([38, 23.5, 24.5, 34])
    assert found.pairs == 12


def test_the_critical_difference_is_that_of_demsar():
    assert round(critical_difference(4, 14), 4) == 1.2536
    assert friedman(GRASS).critical_difference == pytest.approx(critical_difference(4, 12))


def test_differences_are_tested_by_wilcoxon_and_adjusted_for_their_number():
    found = arm_differences(GRASS, arms="abcd")
    assert [(d.arm, d.other) for d in found[:3]] == [("a", "b"), ("a", "c"), ("a", "d")]
    smallest = min(found, key=lambda d: d.difference.p)
    assert smallest.p_holm == pytest.approx(6 * smallest.difference.p)


@pytest.mark.parametrize("pairs", [6, 13, 15])
def test_few_pairs_have_scipys_exact_p(pairs):
    untied = np.random.default_rng(pairs).normal(size=(pairs, 2))
    (only,) = arm_differences(untied, arms="ab")
    assert only.difference.p == pytest.approx(wilcoxon(untied[:, 0], untied[:, 1]).pvalue)


def test_the_interval_is_the_test_turned_round():
    blocks = np.random.default_rng(1).normal(size=(15, 2)) + np.array([0.8, 0])
    (found,) = arm_differences(blocks, arms="ab")
    low, high = found.difference.low, found.difference.high
    assert low < found.difference.value < high
    for shift, rejected in ((low - 0.01, True), (low + 0.05, False), (high + 0.01, True)):
        assert (wilcoxon(blocks[:, 0] - blocks[:, 1] - shift).pvalue < 0.05) == rejected


def test_blocks_are_means_over_readers_and_cases_of_a_pair():
    scores, _ = study(np.random.default_rng(2), readers=2)
    blocks = block_means(scores, arms=["arm1", "arm0"])
    first = scores[scores["pair"] == 1].groupby("arm")["value"].mean()
    assert blocks.shape == (20, 2)
    assert blocks[0] == pytest.approx(first[["arm1", "arm0"]].to_numpy())
    lacking = scores.drop(index=scores[(scores["pair"] == 1) & (scores["arm"] == "arm0")].index)
    assert len(block_means(lacking, arms=["arm1", "arm0"])) == 19
    assert block_means(scores[:0], arms=["arm0"]).shape == (0, 1)


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        (np.ones((12, 3)), "all arms are scored alike"),
        (GRASS[:4], "4 pairs or single cases with all arms scored, 5 are needed"),
        (GRASS[:, :1], "one arm"),
        (np.empty((0, 3)), "0 pairs"),
    ],
)
def test_what_is_not_estimable_says_why(blocks, reason):
    found = friedman(blocks)
    assert (found.chi2, found.p, found.critical_difference) == (None, None, None)
    assert reason in found.reason
    for difference in arm_differences(blocks, arms="abcd"[: blocks.shape[1]]):
        assert reason in difference.difference.reason
        assert difference.p_holm is None


def test_two_arms_have_a_difference_and_no_friedman():
    assert "two arms" in friedman(GRASS[:, :2]).reason
