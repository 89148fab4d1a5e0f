"""Whatever the ratings, every statistic is a finite number or a reason, without a warning."""

import warnings
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.agreement import intraclass, mean_kendall_w
from analysis.statistics.alpha import krippendorff_alpha
from analysis.statistics.comparison import (
    accuracy_difference,
    correlation_difference,
    soft_pairwise_accuracy,
)
from analysis.statistics.correlation import between_arms, beyond_arm, pooled_spearman, table
from analysis.statistics.habits import order_effect, reader_habits
from analysis.statistics.kappa import reader_pairs
from analysis.statistics.mixed import mixed_model
from analysis.statistics.ordinal import ordinal_model
from analysis.statistics.preference import preference
from analysis.statistics.ranktests import arm_differences, block_means, friedman
from analysis.statistics.reliability import reliability
from analysis.statistics.within_case import pairwise_accuracy, within_case_tau
from tests.analysis.simulated import study

ARMS = ["arm0", "arm1", "arm2"]
FEW = {"resamples": 40}
CHANGES = {
    "nothing": lambda s, m: (s, m),
    "no scores": lambda s, m: (s[:0], m),
    "one score": lambda s, m: (s[:1], m),
    "no metric": lambda s, m: (s, m[:0]),
    "one reader": lambda s, m: (s[s["reader"] == "R1"], m),
    "one arm scored": lambda s, m: (s[s["arm"] == "arm0"], m),
    "an arm missing": lambda s, m: (s[s["arm"] != "arm2"], m),
    "five pairs": lambda s, m: (s[s["pair"] <= 5], m),
    "six scores in ten missing": lambda s, m: (s.sample(frac=0.4, random_state=1), m),
    "no set in common": lambda s, m: (s[(s["reader"] == "R1") == (s["case"] <= 6)], m),
    "constant scores": lambda s, m: (s.assign(value=5.0), m),
    "a constant reader": lambda s, m: (
        s.assign(value=np.where(s["reader"] == "R1", 4, s["value"])),
        m,
    ),
    "a constant metric": lambda s, m: (s, m.assign(value=0.3)),
    "a metric that is the arm": lambda s, m: (s, m.assign(value=m["arm"].str[-1].astype(float))),
    "each case in one arm": lambda s, m: (s[s["case"] % 3 == s["arm"].str[-1].astype(int)], m),
    "scores that are the arm": lambda s, m: (s.assign(value=s["arm"].str[-1].astype(float)), m),
    "scores that are the case": lambda s, m: (s.assign(value=s["case"].astype(float)), m),
    "scores that are the metric": lambda s, m: (
        s.assign(value=s[["case", "arm"]].merge(m, on=["case", "arm"])["value"].to_numpy()),
        m,
    ),
}


def everything(scores, metric, arms):
    data = table(scores, metric, arms=arms, **FEW)
    for of_one in (
        beyond_arm,
        pooled_spearman,
        between_arms,
        pairwise_accuracy,
        within_case_tau,
        soft_pairwise_accuracy,
    ):
        yield of_one(data, **FEW)
    for of_two in (correlation_difference, accuracy_difference):
        yield of_two(data, data, **FEW)
    yield mixed_model(scores, metric, arms=arms)
    yield ordinal_model(scores, metric, arms=arms)
    yield from reader_pairs(scores, **FEW)
    yield from reader_habits(scores, scale=(0, 10), **FEW)
    yield order_effect(scores.assign(place=scores["case"]), by="place", **FEW)
    yield krippendorff_alpha(scores, **FEW)
    yield intraclass(scores, **FEW)
    ranks = scores.groupby(["reader", "case"])["value"].rank(ascending=False)
    yield mean_kendall_w(scores.assign(rank=ranks), **FEW)
    preferred = preference(scores.assign(rank=ranks), arms=arms, **FEW)
    yield from (preferred.worth(arm) for arm in arms)
    blocks = block_means(scores, arms=arms)
    yield friedman(blocks)
    yield from arm_differences(blocks, arms=arms)
    halves = pd.concat([metric.assign(split=0, half=half) for half in (0, 1)])
    yield reliability(data, scores, halves, **FEW)


def sound(found):
    """Finite throughout; what lacks a value has a reason."""
    if isinstance(found, dict):
        if "value" in found and "reason" in found:
            assert found["value"] is not None or found["reason"]
        return all(sound(value) for value in found.values())
    if isinstance(found, (list, tuple)):
        return all(sound(value) for value in found)
    return not isinstance(found, float) or np.isfinite(found)


@pytest.mark.parametrize("change", CHANGES)
def test_every_statistic_is_finite_or_says_why(change):
    scores, metric = study(np.random.default_rng(0), readers=3, pairs=6)
    scores["value"] = scores["value"].round().clip(-3, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for arms in (ARMS, ["arm0"]):
            for found in everything(*CHANGES[change](scores, metric), arms):
                assert sound(asdict(found)), found
