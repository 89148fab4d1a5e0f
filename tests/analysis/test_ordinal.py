"""The ordinal model: another implementation, what it ignores, its level."""

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.mixed import mixed_model
from analysis.statistics.ordinal import fit_proportional_odds, ordinal_model
from tests.analysis.simulated import study

ARMS = ["arm0", "arm1", "arm2"]


def rated(seed, **options):
    scores, metric = study(np.random.default_rng(seed), **options)
    return scores.assign(value=scores["value"].round().clip(-3, 3)), metric


def test_statsmodels_finds_the_same_coefficients():
    models = pytest.importorskip(
        "statsmodels.miscmodels.ordinal_model", reason="an oracle for tests only"
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 3))
    level = np.digitize(x @ [0.8, -0.4, 0] + rng.logistic(size=1000), [-1, 0, 1.5])
    theirs = models.OrderedModel(level, x, distr="logit").fit(method="bfgs", disp=False)
    beta, error = fit_proportional_odds(x, level, blocks=np.arange(1000))
    assert beta == pytest.approx(theirs.params[:3], abs=1e-3)
    assert error == pytest.approx(theirs.bse[:3], rel=0.1)


def test_only_the_order_of_scores_counts():
    scores, metric = rated(1, readers=2, beyond_arm=0.5)
    found = ordinal_model(scores, metric, arms=ARMS)
    bent = ordinal_model(scores.assign(value=np.exp(scores["value"])), metric, arms=ARMS)
    assert bent == found
    assert ordinal_model(scores.assign(value=-scores["value"]), metric, arms=ARMS).value == (
        pytest.approx(-found.value)
    )


def test_it_sees_what_the_mixed_model_sees():
    scores, metric = rated(2, readers=3, beyond_arm=0.6)
    found, mixed = (model(scores, metric, arms=ARMS) for model in (ordinal_model, mixed_model))
    assert found.low > 0
    assert mixed.within.low > 0
    assert found.n == mixed.within.n == 360


def test_it_stays_at_its_level():
    found = [ordinal_model(*rated(s, pairs=10, readers=2), arms=ARMS) for s in range(120)]
    assert np.mean([e.p <= 0.05 for e in found]) < 0.12
    assert np.mean([e.low <= 0 <= e.high for e in found]) > 0.88


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s, m: (s, s[m.columns].assign(value=s["value"])), "without error"),
        (lambda s, m: (s.assign(value=5.0), m), "the scores don't vary"),
        (lambda s, m: (s.assign(value=np.arange(len(s))), m), "not a scale of at most 30"),
        (lambda s, m: (s[s["pair"] < 5], m), "4 pairs or single cases, 5 are needed"),
        (lambda s, m: (pd.DataFrame(columns=s.columns), m), "no scores of sets"),
    ],
)
def test_what_is_not_estimable_says_why(change, reason):
    found = ordinal_model(*change(*rated(3)), arms=ARMS)
    assert found.value is None
    assert reason in found.reason
