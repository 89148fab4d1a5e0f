"""The mixed model: published numbers, another implementation, identities, and its level."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.correlation import table
from analysis.statistics.mixed import fit_reml, mixed_model
from tests.analysis.simulated import study

ARMS = ["arm0", "arm1", "arm2"]
# Pinheiro & Bates (2000), section 1.1: travel times in six rails, three each.
RAIL = [55, 53, 54, 26, 37, 32, 78, 91, 85, 92, 100, 96, 49, 51, 50, 80, 85, 83]


@pytest.mark.parametrize("within_blocks", [True, False])
def test_the_rails_are_those_of_pinheiro_and_bates(within_blocks):
    """Once as an effect within blocks, once as the one across them."""
    rail = np.repeat(np.arange(6), 3)
    how = (
        {"blocks": rail, "nested": {"rail": rail}}
        if within_blocks
        else {"blocks": np.tile(np.arange(3), 6), "nested": {}, "crossed": rail}
    )
    found = fit_reml(np.ones((18, 1)), np.array(RAIL, dtype=float), **how)
    assert found.beta == pytest.approx([66.5])
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(10.17104, abs=1e-4)
    assert found.sd["rail" if within_blocks else "reader"] == pytest.approx(24.80547, abs=1e-4)
    assert found.sd["score"] == pytest.approx(4.020779, abs=1e-5)


def test_statsmodels_finds_the_same_with_pairs_and_readers_crossed():
    smf = pytest.importorskip("statsmodels.formula.api", reason="an oracle for tests only")
    scores, metric = study(np.random.default_rng(0), pairs=12, readers=4, beyond_arm=0.4)
    scores, metric = (f[f["kind"] == "original"] for f in (scores, metric))
    scores = scores[np.random.default_rng(1).random(len(scores)) > 0.2]
    scores = scores.assign(value=scores["value"] + 1.5 * np.sin(scores["pair"]))
    rows = scores.merge(metric[["case", "arm", "value"]].rename(columns={"value": "x"}))
    rows["cell"] = rows["case"].astype(str) + rows["arm"]
    mean = metric.groupby("case")["value"].mean()
    rows["between"] = rows["case"].map(mean)
    rows["within"] = rows["x"] - rows["between"]
    theirs = smf.mixedlm(
        "value ~ 0 + within + between + arm",
        rows.assign(one=1),
        groups="one",
        vc_formula={name: f"0 + C({name})" for name in ("pair", "cell", "reader")},
    ).fit(reml=True, method="lbfgs")
    ours = mixed_model(scores, metric, arms=ARMS)
    sd = metric["value"].std(ddof=0)
    assert ours.within.value / sd == pytest.approx(theirs.params["within"], abs=1e-3)
    assert ours.between.value / sd == pytest.approx(theirs.params["between"], abs=1e-3)
    their_sd = dict(zip(theirs.model.exog_vc.names, np.sqrt(theirs.vcomp), strict=True))
    for name, theirs_name in (("pair", "pair"), ("set", "cell"), ("reader", "reader")):
        assert ours.sd[name] == pytest.approx(their_sd[theirs_name], abs=5e-3)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_of_one_reader_and_whole_data_within_is_the_two_way_demeaned_slope(seed):
    scores, metric = study(np.random.default_rng(seed), pairs=8, beyond_arm=0.5)
    scores, metric = (f[f["kind"] == "original"] for f in (scores, metric))
    x, y = table(scores, metric, arms=ARMS, resamples=1).residuals()
    slope = (x * y).sum() / (x * x).sum() * metric["value"].std(ddof=0)
    assert mixed_model(scores, metric, arms=ARMS).within.value == pytest.approx(slope, abs=1e-6)


def test_it_stays_at_its_level_though_cases_of_a_pair_and_readers_of_a_set_are_alike():
    found = [
        mixed_model(*study(np.random.default_rng(s), pairs=8, readers=2), arms=ARMS).within
        for s in range(25)
    ]
    assert np.mean([e.p <= 0.05 for e in found]) <= 0.16


def test_it_finds_what_is_there_and_uses_incomplete_readings():
    scores, metric = study(np.random.default_rng(2), readers=3, beyond_arm=0.6)
    some = scores[np.random.default_rng(3).random(len(scores)) > 0.3]
    found = mixed_model(some, metric, arms=ARMS)
    assert found.within.p < 0.001
    assert found.within.n == len(some)
    assert set(found.sd) == {"pair", "case", "pair under an arm", "set", "reader", "score"}
    assert set(found.arms) == {"arm1", "arm2"}


def test_units_of_the_metric_change_nothing():
    scores, metric = study(np.random.default_rng(4), beyond_arm=0.5)
    once = mixed_model(scores, metric, arms=ARMS)
    scaled = mixed_model(scores, metric.assign(value=40 * metric["value"] + 7), arms=ARMS)
    assert scaled.within.value == pytest.approx(once.within.value, rel=1e-4)
    assert scaled.within.p == pytest.approx(once.within.p, rel=1e-2)


def test_a_metric_that_is_the_same_in_all_prompts_has_no_effect_between():
    scores, metric = study(np.random.default_rng(5))
    mean = metric.groupby("case")["value"].transform("mean")
    found = mixed_model(scores, metric.assign(value=metric["value"] - mean), arms=ARMS)
    assert found.within.value is not None
    assert found.between.reason == "the metric is the same in all prompts"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s, m: (s.assign(value=5.0), m), "the scores don't vary"),
        (lambda s, m: (s, m.assign(value=5.0)), "the metric doesn't vary within a prompt"),
        (lambda s, m: (s[s["pair"] < 5], m), "4 pairs or single cases, 5 are needed"),
        (lambda s, m: (s[s["arm"] == "arm0"], m), "one arm"),
        (lambda s, m: (s, m[:0]), "no scores of sets with a value of the metric"),
        (lambda s, m: (pd.DataFrame(columns=s.columns), m), "no scores of sets"),
    ],
)
def test_what_is_not_estimable_says_why(change, reason):
    scores, metric = change(*study(np.random.default_rng(6)))
    found = mixed_model(scores, metric, arms=ARMS)
    assert found.within.value is found.between.value is None
    assert reason in found.within.reason
