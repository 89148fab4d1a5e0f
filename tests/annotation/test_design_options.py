"""Plans with repeats, practice cases, attention checks, and single sets."""

from collections import Counter, defaultdict
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.design import CaseRef, DesignError, most_checks, plan_reader, repeated
from tests.annotation.plans import full_studies, pairs_of, studies

slots = st.integers(1, 30)


def of_kind(plan, *kinds):
    return [planned for planned in plan if planned.kind in kinds]


def rounds_of(plan, cases):
    """The readings that count, by the round in which they stand."""
    counted = of_kind(plan, "case")
    return [counted[start : start + cases] for start in range(0, len(counted), cases)]


@settings(max_examples=40, deadline=None)
@given(full_studies(), slots)
def test_every_case_is_seen_with_every_arm_once_and_a_second_time_as_asked(study, slot):
    plan = plan_reader(slot=slot, **study)
    cases, arms = len(study["cases"]), len(study["arms"])
    seen = Counter((p.case, arm) for p in of_kind(plan, "case") for arm in p.arms.values())
    assert set(seen.values()) == {1}
    assert seen.keys() == {(ref.case, arm) for ref in study["cases"] for arm in study["arms"]}
    assert {len(planned.arms) for planned in plan} == {arms if study["together"] else 1}
    rounds = 1 if study["together"] else arms
    kinds = Counter(planned.kind for planned in plan)
    assert kinds["case"] == rounds * cases
    assert kinds["repeat"] == rounds * repeated(cases, study["repeats"])
    assert kinds["check"] == study["checks"]
    assert kinds["practice"] == len(study["practice"])


@settings(max_examples=40, deadline=None)
@given(full_studies(), slots)
def test_what_comes_a_second_time_has_come_a_first_time_and_no_third(study, slot):
    plan = plan_reader(slot=slot, **study)
    seen = Counter()
    for planned in of_kind(plan, "case", "repeat", "check"):
        key = planned.case if study["together"] else (planned.case, planned.arms["A"])
        assert seen[key] == (planned.kind != "case")
        seen[key] += 1


@settings(max_examples=40, deadline=None)
@given(full_studies(), slots)
def test_a_case_or_its_pair_never_stands_beside_itself(study, slot):
    plan = of_kind(plan_reader(slot=slot, **study), "case", "repeat", "check")
    pair_of = {ref.case: ref.pair for ref in study["cases"]}
    if len(pair_of) >= 6:
        assert all(pair_of[a.case] != pair_of[b.case] for a, b in pairwise(plan))


@settings(max_examples=60, deadline=None)
@given(full_studies(), slots)
def test_what_comes_a_second_time_is_a_quarter_of_a_round_from_all_others_of_its_pair(study, slot):
    plan = of_kind(plan_reader(slot=slot, **study), "case", "repeat", "check")
    pair_of = {ref.case: ref.pair for ref in study["cases"]}
    places = defaultdict(list)
    for place, planned in enumerate(plan):
        places[pair_of[planned.case]].append((place, planned.kind))
    for found in places.values():
        for (a, kind), (b, other) in combinations(found, 2):
            if (kind == "case") != (other == "case"):
                assert b - a >= len(pair_of) // 4


@settings(max_examples=60, deadline=None)
@given(full_studies(), slots)
def test_repeats_come_late(study, slot):
    plan = of_kind(plan_reader(slot=slot, **study), "case", "repeat", "check")
    cases = len(study["cases"])
    rounds = 1 if study["together"] else len(study["arms"])
    for place, planned in enumerate(plan):
        if planned.kind == "repeat":
            first = next(
                i
                for i, p in enumerate(plan)
                if p.case == planned.case and set(p.arms.values()) == set(planned.arms.values())
            )
            whole = 3 * (rounds - 1) // 4  # rounds
            assert place - first > cases * whole + 3 * (cases // 4)


@settings(max_examples=40, deadline=None)
@given(full_studies(), slots)
def test_what_comes_a_second_time_has_every_arm_under_another_letter(study, slot):
    plan = plan_reader(slot=slot, **{**study, "together": True})
    first = {planned.case: planned.arms for planned in of_kind(plan, "case")}
    for planned in of_kind(plan, "repeat", "check"):
        assert planned.arms.keys() == first[planned.case].keys()
        assert not planned.arms.items() & first[planned.case].items()


@settings(max_examples=40, deadline=None)
@given(full_studies(), slots)
def test_options_add_readings_and_leave_the_rest_of_the_plan_as_it_is(study, slot):
    plan = plan_reader(slot=slot, **study)
    plain = {key: study[key] for key in ("secret", "cases", "arms", "together")}
    assert of_kind(plan, "case") == plan_reader(slot=slot, **plain)


@settings(max_examples=20, deadline=None)
@given(full_studies(), st.permutations(range(1, 31)))
def test_a_plan_follows_from_its_slot_whoever_reads_and_whoever_left(study, order):
    """Readers come and go in any order; who gets a freed slot gets the plan that was its."""
    slots = order[:4]
    before = {slot: plan_reader(slot=slot, **study) for slot in slots}
    assert {slot: plan_reader(slot=slot, **study) for slot in reversed(slots)} == before


def test_readers_repeat_and_check_different_cases():
    plans = [
        plan_reader(
            secret="s", slot=slot, cases=pairs_of(20), arms=[1, 2, 3], repeats=0.1, checks=3
        )
        for slot in range(1, 9)
    ]
    for kind, count in (("repeat", 4), ("check", 3)):
        found = [frozenset(p.case for p in of_kind(plan, kind)) for plan in plans]
        assert {len(cases) for cases in found} == {count}
        assert len(set(found)) > 4


def test_few_cases_have_no_place_for_a_second_time():
    assert [repeated(cases, 0.25) for cases in (1, 4, 5, 6, 8, 40)] == [0, 0, 0, 1, 2, 10]
    assert [most_checks(cases) for cases in (1, 5, 6, 40)] == [0, 0, 1, 10]


# Practice


@settings(max_examples=20, deadline=None)
@given(full_studies(max_cases=20), slots)
def test_practice_comes_first_in_its_own_order(study, slot):
    plan = plan_reader(slot=slot, **study)
    count = len(study["practice"])
    assert [planned.case for planned in plan[:count]] == [ref.case for ref in study["practice"]]
    assert {planned.kind for planned in plan[:count]} <= {"practice"}
    assert "practice" not in {planned.kind for planned in plan[count:]}


def test_the_letters_of_practice_differ_from_case_to_case():
    practice = [CaseRef(100 + i, 100 + i) for i in range(3)]
    for together in (True, False):
        plan = plan_reader(
            secret="s",
            slot=1,
            cases=pairs_of(2),
            arms=[1, 2, 3],
            practice=practice,
            together=together,
        )
        assert {p.arms["A"] for p in of_kind(plan, "practice")} == {1, 2, 3}


def test_the_letters_of_practice_tell_nothing_of_those_of_the_cases():
    cases, practice = ([CaseRef(i, i) for i in range(start, start + 8)] for start in (0, 100))
    plan = plan_reader(secret="s", slot=1, cases=cases, arms=list(range(8)), practice=practice)
    rows = {
        kind: {tuple(p.arms.values()) for p in of_kind(plan, kind)} for kind in ("practice", "case")
    }
    assert len(rows["practice"]) == len(rows["case"]) == 8
    assert not rows["practice"] & rows["case"]


# Single sets


@settings(max_examples=40, deadline=None)
@given(studies(), slots)
def test_single_sets_go_round_once_for_every_arm_in_the_same_order(study, slot):
    plan = plan_reader(slot=slot, together=False, **study)
    together = plan_reader(slot=slot, **study)
    rounds = rounds_of(plan, len(study["cases"]))
    assert len(rounds) == len(study["arms"])
    for number, found in enumerate(rounds):
        letter = "ABCDEFGH"[number]
        assert [p.case for p in found] == [p.case for p in together]
        assert [p.arms for p in found] == [{"A": p.arms[letter]} for p in together]


@settings(max_examples=20, deadline=None)
@given(studies(max_cases=12), st.integers(1, 30))
def test_each_arm_stands_in_each_round_equally_often(study, readers):
    of_case = Counter()
    for slot in range(1, readers + 1):
        plan = plan_reader(slot=slot, together=False, **study)
        for number, found in enumerate(rounds_of(plan, len(study["cases"]))):
            arms = Counter(planned.arms["A"] for planned in found)
            counts = [arms[arm] for arm in study["arms"]]
            assert max(counts) - min(counts) <= 1
            of_case.update((planned.case, number, planned.arms["A"]) for planned in found)
    for ref in study["cases"]:
        counts = [
            of_case[ref.case, number, arm]
            for number in range(len(study["arms"]))
            for arm in study["arms"]
        ]
        assert max(counts) - min(counts) <= 1


@settings(max_examples=40, deadline=None)
@given(full_studies(), slots)
def test_showings_of_a_case_are_a_round_apart_and_those_of_a_pair_half_a_round(study, slot):
    plan = of_kind(plan_reader(slot=slot, **{**study, "together": False}), "case")
    pair_of = {ref.case: ref.pair for ref in study["cases"]}
    cases = len(pair_of)
    of_pair = defaultdict(list)
    for place, planned in enumerate(plan):
        of_pair[pair_of[planned.case]].append((place, planned.case))
    for found in of_pair.values():
        for (a, case), (b, other) in pairwise(found):
            assert b - a == cases if case == other else b - a >= cases // 2


# What has no plan


@pytest.mark.parametrize("share", [-0.1, 0.3, float("nan")])
def test_a_share_of_repeats_that_can_t_be_is_refused(share):
    with pytest.raises(DesignError, match="share of repeats"):
        plan_reader(secret="s", slot=1, cases=pairs_of(2), arms=[1, 2], repeats=share)


@pytest.mark.parametrize(("pairs", "checks"), [(2, 1), (10, 6), (10, -1)])
def test_more_checks_than_there_is_room_for_are_refused(pairs, checks):
    with pytest.raises(DesignError, match=f"room for 0 to {5 if pairs == 10 else 0} attention"):
        plan_reader(secret="s", slot=1, cases=pairs_of(pairs), arms=[1, 2], checks=checks)


def test_a_practice_case_is_no_case_that_counts():
    with pytest.raises(DesignError, match="twice"):
        plan_reader(secret="s", slot=1, cases=pairs_of(2), arms=[1, 2], practice=[CaseRef(0, 0)])
