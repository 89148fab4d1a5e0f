"""Simulated readers: the truth that is assumed comes out, and each profile is what it says."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.simulated_readers import MIDDLE, PROFILES, Simulation, on_scale

CRITERIA = ["realism", "faithfulness", "diversity"]
ARMS = [1, 2, 3]


def simulation(**changes):
    given = {"seed": 7, "criteria": CRITERIA, "effects": {2: 1.5}, "colour": {}}
    return Simulation(**{**given, **changes})


def scores(profile, *, truth=None, reader=1, cases=200):
    """(cases, arms, criteria) of one reader."""
    truth = truth or simulation()
    found = []
    for case in range(1, cases + 1):
        answer = truth.answer(PROFILES[profile], reader=reader, case=case, arms=ARMS)
        found.append([[answer.scores[arm][key] for key in CRITERIA] for arm in ARMS])
    return np.array(found)


def test_the_assumed_effect_is_what_experts_say_on_average():
    means = np.mean([scores("expert", reader=reader).mean((0, 2)) for reader in range(4)], axis=0)
    assert means[1] - means[0] == pytest.approx(1.5, abs=0.2)
    assert means[2] - means[0] == pytest.approx(0, abs=0.2)
    assert means[0] == pytest.approx(MIDDLE, abs=0.5)


def test_the_same_seed_gives_the_same_answers_in_any_order():
    one = simulation().answer(PROFILES["noisy"], reader=1, case=3, arms=[1, 2, 3])
    other = simulation().answer(PROFILES["noisy"], reader=1, case=3, arms=[3, 1, 2])
    assert one == other
    assert one != replace(simulation(), seed=8).answer(
        PROFILES["noisy"], reader=1, case=3, arms=ARMS
    )


def test_experts_agree_more_than_noisy_readers():
    def agreement(profile):
        a, b = (scores(profile, reader=reader)[..., 0].ravel() for reader in (1, 2))
        return np.corrcoef(a, b)[0, 1]

    assert agreement("expert") > 0.6 > 0.4 > agreement("noisy")


def test_lazy_readers_give_one_score_throughout_and_are_fast():
    given = scores("lazy")
    straight = (np.ptp(given, axis=2) == 0).mean()
    assert straight == pytest.approx(PROFILES["lazy"].straight, abs=0.06)
    assert (np.ptp(scores("expert"), axis=2) == 0).mean() < 0.01
    times = {
        profile: simulation().answer(PROFILES[profile], reader=1, case=1, arms=ARMS).seconds
        for profile in ("lazy", "expert")
    }
    assert times["lazy"] < times["expert"] / 4


def test_biased_readers_are_severe_and_follow_colour():
    colour = {(case, arm): float(arm == 3) for case in range(1, 201) for arm in ARMS}
    means = scores("biased", truth=simulation(colour=colour)).mean((0, 2))
    assert means[2] - means[0] == pytest.approx(1.5, abs=0.35)
    assert means[0] < MIDDLE - 1


def test_checks_are_attended_as_the_profile_says():
    for name in ("expert", "lazy"):
        seen = [simulation().attends(PROFILES[name], reader=1, case=n) for n in range(400)]
        assert np.mean(seen) == pytest.approx(PROFILES[name].attentive, abs=0.08)


@pytest.mark.parametrize(("score", "value"), [(0, 1), (10, 5), (5, 3), (9.9, 5)])
def test_a_score_finds_its_place_on_another_scale(score, value):
    assert on_scale(score, low=1, high=5) == value
