"""Real ratings end to end: 160 cases, 5 arms, 5 readers, 10 metrics (TIFA160; Hu et al. 2023)."""

import pandas as pd
import pytest

from analysis.statistics.agreement import intraclass
from analysis.statistics.comparison import accuracy_difference, correlation_difference
from analysis.statistics.correlation import between_arms, beyond_arm, pooled_spearman, table
from analysis.statistics.kappa import reader_pairs
from analysis.statistics.mixed import mixed_model
from analysis.statistics.ranktests import block_means, friedman

FEW = {"resamples": 400, "seed": 0}


@pytest.fixture(scope="module")
def ratings(shared_data):
    folder = shared_data / "ratings-tifa160"
    scores = pd.read_csv(folder / "scores.csv", dtype={"reader": str})
    scores = scores.rename(columns={"score": "value"}).assign(kind="original")
    return scores.assign(pair=scores["case"]), pd.read_csv(folder / "metrics.csv")


@pytest.fixture(scope="module")
def arms(ratings):
    return sorted(ratings[0]["arm"].unique())


def metric(ratings, name):
    values = ratings[1][ratings[1]["metric"] == name]
    return values.assign(pair=values["case"]).drop(columns="metric")


def joined(ratings, name, arms, **options):
    return table(ratings[0], metric(ratings, name), arms=arms, **FEW, **options)


@pytest.mark.parametrize(
    ("name", "rho"), [("clipscore_vitb32", 0.276), ("tifa_mplug-large", 0.608)]
)
def test_the_descriptive_numbers_are_those_published(ratings, arms, name, rho):
    found = pooled_spearman(joined(ratings, name, arms, complete=False), **FEW)
    assert round(found.value, 3) == rho
    assert (found.n, found.pairs, found.p) == (800, 160, None)
    assert found.low < rho < found.high


def test_tifa_follows_readers_beyond_prompt_and_arm(ratings, arms):
    found = beyond_arm(joined(ratings, "tifa_mplug-large", arms), **FEW)
    assert found.value > 0.4
    assert found.low > 0.2
    assert found.p < 0.01
    model = mixed_model(ratings[0], metric(ratings, "tifa_mplug-large"), arms=arms)
    assert model.within.low > 0.3
    assert model.within.n == 3995


def test_which_metric_is_best_depends_on_the_question_and_is_tested(ratings, arms):
    tifa, clip, bleu = (
        joined(ratings, name, arms) for name in ("tifa_mplug-large", "clipscore_vitb32", "bleu")
    )
    assert correlation_difference(tifa, bleu, **FEW).p < 0.01
    # Pooled .61 against .28; beyond prompt and arm they can't be told apart.
    assert correlation_difference(tifa, clip, **FEW).p > 0.05
    # Its few values tie arms that readers tell apart.
    assert accuracy_difference(tifa, clip, **FEW).high < 0
    assert between_arms(tifa, **FEW).n == 5


def test_two_readers_who_agree_suspiciously_well_are_named(ratings):
    found = reader_pairs(ratings[0], **FEW)
    assert [(two.first, two.second) for two in found if two.suspicious] == [
        ("4375840905", "4375843592")
    ]
    assert found[0].kappa.value == pytest.approx(0.90, abs=0.01)
    assert found[0].same == pytest.approx(0.82, abs=0.01)
    assert found[1].kappa.value < 0.70


def test_readers_agree_and_arms_differ(ratings, arms):
    assert intraclass(ratings[0], **FEW).single.n == 796
    test = friedman(block_means(ratings[0], arms=arms))
    assert test.p < 1e-10
    assert test.pairs == 160
