"""Resampling: intervals that cover, permutations that hold their level, Holm."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from analysis.statistics.resampling import (
    benjamini_hochberg,
    cluster_counts,
    holm,
    pair_block_p,
    percentile_interval,
    sign_flips,
    z_interval,
)


def test_a_resample_holds_as_many_clusters_as_there_are():
    counts = cluster_counts(7, resamples=50, rng=np.random.default_rng(0))
    assert counts.shape == (50, 7)
    assert (counts.sum(axis=1) == 7).all()


@pytest.mark.parametrize("clusters", [6, 20])
def test_the_interval_of_a_mean_covers_it_as_often_as_it_says(clusters):
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(1000):
        sample = rng.normal(size=clusters)
        draws = cluster_counts(clusters, resamples=1000, rng=rng) @ sample / clusters
        low, high = percentile_interval(draws, clusters=clusters)
        covered.append(low <= 0 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.025)


def test_no_interval_is_given_from_draws_that_are_mostly_undefined():
    draws = np.r_[np.full(10, np.nan), np.arange(90.0)]
    assert percentile_interval(draws, clusters=10) is None
    assert percentile_interval(np.arange(100.0), clusters=10) is not None


def test_the_permutation_p_equals_that_of_all_permutations():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 5, 3))
    every = [abs((x[list(order)] * y).sum()) for order in permutations(range(5))]
    exact = np.mean(np.array(every) >= abs((x * y).sum()) * (1 - 1e-9))
    p = pair_block_p(
        x, y, pairs=range(5), shapes=["a"] * 5, resamples=20000, rng=np.random.default_rng(3)
    )
    assert p == pytest.approx(exact, abs=0.01)


def test_pairs_are_exchanged_whole_and_with_their_like_only():
    # Five pairs of two cases and one of one; within the five, all blocks of x are equal, so that
    # exchanging them changes nothing: p is 1. Exchanging cases, or unlike pairs, would change it.
    block = np.array([[1.0, -1.0], [3.0, -3.0]])
    x = np.concatenate([block] * 5 + [np.array([[7.0, -7.0]])])
    y = np.random.default_rng(4).normal(size=x.shape)
    pairs = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    shapes = ["original", "rephrasing"] * 5 + ["original"]
    rng = np.random.default_rng(5)
    assert pair_block_p(x, y, pairs=pairs, shapes=shapes, resamples=200, rng=rng) == 1


def test_too_few_different_permutations_give_no_p():
    x = np.random.default_rng(0).normal(size=(4, 2))
    rng = np.random.default_rng(0)
    assert pair_block_p(x, x, pairs=range(4), shapes="aaaa", resamples=99, rng=rng) is None


def test_holm_steps_down_and_counts_what_is_missing():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([None, 0.02, None]) == [None, pytest.approx(0.06), None]


def test_benjamini_hochberg_is_scipys_and_counts_what_is_missing():
    ps = [0.2, 0.001, 0.04, 0.03, 0.9]
    assert benjamini_hochberg(ps) == pytest.approx(false_discovery_control(ps))
    assert benjamini_hochberg([None, 0.02, None]) == [None, pytest.approx(0.06), None]
    assert benjamini_hochberg([]) == []


@given(st.lists(st.integers(1, 1000).map(lambda k: k / 1000), min_size=1, max_size=40))
def test_no_adjusted_p_lies_below_its_own_or_beyond_one(ps):
    for adjusted in (holm(ps), benjamini_hochberg(ps)):
        assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))


def test_few_blocks_have_every_row_of_signs_once_and_many_a_sample_with_the_observed():
    rng = np.random.default_rng(0)
    few = sign_flips(4, resamples=16, rng=rng)
    assert len({tuple(row) for row in few}) == 16
    many = sign_flips(20, resamples=50, rng=rng)
    assert many.shape == (51, 20)
    assert (many[0] == 1).all()
    assert set(np.unique(many)) == {-1, 1}


def test_an_interval_on_z_lies_about_its_value_and_never_beyond_one():
    rng = np.random.default_rng(1)
    low, high = z_interval(0.9, np.tanh(np.arctanh(0.9) + 0.5 * rng.normal(size=500)), clusters=10)
    assert low < 0.9 < high < 1
    assert np.arctanh(high) - np.arctanh(0.9) == pytest.approx(np.arctanh(0.9) - np.arctanh(low))
    assert z_interval(1.0, np.ones(9), clusters=10) == (1, 1)
    assert z_interval(0.5, np.full(9, np.nan), clusters=10) is None
