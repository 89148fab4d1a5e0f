"""Noise of scores and metric, and the correlation without it."""

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.correlation import beyond_arm, table
from analysis.statistics.reliability import reliability
from tests.analysis.simulated import study

ARMS = ["arm0", "arm1", "arm2"]


def halved(metric, noise, rng, splits=4):
    """The metric on halves of its sets: each half has noise of its own."""
    halves = [
        metric.assign(split=s, half=h, value=metric["value"] + noise * rng.normal(size=len(metric)))
        for s in range(splits)
        for h in (0, 1)
    ]
    return pd.concat(halves, ignore_index=True)


def noisy(seed=0, *, pairs=200, readers=3, noise=1.0, r=0.6, resamples=300, **options):
    rng = np.random.default_rng(seed)
    scores, metric = study(rng, pairs=pairs, readers=readers, beyond_arm=r, shared=0.5)
    halves = halved(metric, noise, rng)
    whole = metric.assign(value=metric["value"] + noise / 2**0.5 * rng.normal(size=len(metric)))
    data = table(scores, whole, arms=ARMS, resamples=resamples)
    return data, scores, halves, reliability(data, scores, halves, resamples=resamples, **options)


def test_planted_reliabilities_come_back_and_the_true_correlation_with_them():
    data, _, _, found = noisy()
    # Readers: truth 1, noise 1 each, three of them. Halves: truth 1, noise 1 each.
    assert found.scores.value == pytest.approx(3 / 4, abs=0.04)
    assert found.metric.value == pytest.approx(2 / 3, abs=0.04)
    assert beyond_arm(data, resamples=2).value < 0.5
    assert found.correlation.value == pytest.approx(0.6, abs=0.08)
    assert found.correlation.low < 0.6 < found.correlation.high


def test_without_noise_nothing_changes():
    data, _, _, found = noisy(noise=0, pairs=20)
    assert found.metric.value == pytest.approx(1)
    raw = beyond_arm(data, resamples=2).value
    assert found.correlation.value == pytest.approx(raw / found.scores.value**0.5)


def test_one_reader_tells_the_metrics_noise_only():
    found = noisy(readers=1, pairs=20)[-1]
    assert "one reader" in found.scores.reason
    assert "one reader" in found.correlation.reason
    assert found.metric.low < found.metric.value < found.metric.high


def test_a_metric_of_noise_alone_leaves_nothing_to_divide_by():
    data, scores, halves, _ = noisy(pairs=20)
    noise = halves.assign(value=np.random.default_rng(5).normal(size=len(halves)))
    found = reliability(data, scores, noise, resamples=50)
    assert found.correlation.value is None
    assert "reliability of metric under 0.1" in found.correlation.reason


def test_what_is_not_estimable_says_why():
    data, scores, halves, _ = noisy(pairs=20, resamples=50)
    few = data.only(set(data.units[:6]))
    assert "3 pairs or single cases" in reliability(few, scores, halves).correlation.reason
    flat = table(scores.assign(value=4.0), halves[: len(data.units) * 3], arms=ARMS, resamples=2)
    assert "scores don't vary" in reliability(flat, scores, halves).metric.reason


def test_a_metric_of_pairs_is_halved_by_pair():
    rng = np.random.default_rng(0)
    scores, metric = study(rng, pairs=30, readers=2, beyond_arm=0.6)
    by_pair = metric.groupby(["pair", "arm"], as_index=False)["value"].mean()
    data = table(scores, by_pair, arms=ARMS, resamples=50)
    found = reliability(data, scores, halved(by_pair, 0.1, rng), resamples=50)
    assert (found.metric.n, found.metric.pairs) == (90, 30)
    assert found.metric.value > 0.9
