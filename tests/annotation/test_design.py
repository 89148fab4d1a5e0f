from collections import Counter
from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.design import CaseRef, DesignError, plan_reader, rng, williams
from tests.annotation.plans import pairs_of, studies


@settings(max_examples=40, deadline=None)
@given(studies(), st.integers(1, 30))
def test_a_reader_sees_every_case_once_with_every_arm_under_one_letter(study, slot):
    plan = plan_reader(slot=slot, **study)
    assert sorted(p.case for p in plan) == sorted(ref.case for ref in study["cases"])
    for planned in plan:
        assert list(planned.arms) == list("ABCDEFGH"[: len(study["arms"])])
        assert sorted(planned.arms.values()) == sorted(study["arms"])


@settings(max_examples=40, deadline=None)
@given(studies(), st.integers(1, 30))
def test_within_a_reader_each_letter_stands_for_each_arm_equally_often(study, slot):
    plan = plan_reader(slot=slot, **study)
    counts = Counter(item for planned in plan for item in planned.arms.items())
    cells = [counts[letter, arm] for letter in plan[0].arms for arm in study["arms"]]
    assert max(cells) - min(cells) <= 1


@settings(max_examples=20, deadline=None)
@given(studies(max_cases=12), st.integers(1, 30))
def test_over_the_readers_of_a_case_each_letter_stands_for_each_arm_equally_often(study, readers):
    counts = Counter()
    for slot in range(1, readers + 1):
        for planned in plan_reader(slot=slot, **study):
            counts.update((planned.case, *item) for item in planned.arms.items())
    letters = "ABCDEFGH"[: len(study["arms"])]
    for ref in study["cases"]:
        cells = [counts[ref.case, letter, arm] for letter in letters for arm in study["arms"]]
        assert max(cells) - min(cells) <= 1


@settings(max_examples=40, deadline=None)
@given(studies(), st.integers(1, 30))
def test_a_prompt_and_its_rephrasing_stand_half_the_reading_apart(study, slot):
    plan = plan_reader(slot=slot, **study)
    pair_of = {ref.case: ref.pair for ref in study["cases"]}
    places = {}
    for place, planned in enumerate(plan):
        places.setdefault(pair_of[planned.case], []).append(place)
    half = len(plan) / 2
    for found in places.values():
        if len(found) == 2:
            assert found[1] - found[0] >= half
            assert found[0] < half <= found[1]


@settings(max_examples=40, deadline=None)
@given(studies(), st.integers(1, 30))
def test_within_a_reader_each_arm_stands_beside_each_other_about_equally_often(study, slot):
    plan = plan_reader(slot=slot, **study)
    counts = Counter(pair for planned in plan for pair in pairwise(planned.arms.values()))
    cells = [counts[pair] for pair in permutations(study["arms"], 2)]
    assert max(cells) - min(cells) <= 2


@settings(max_examples=20, deadline=None)
@given(studies(max_cases=40), st.integers(1, 30))
def test_the_same_secret_and_slot_give_the_same_plan(study, slot):
    assert plan_reader(slot=slot, **study) == plan_reader(slot=slot, **study)


def test_another_secret_or_slot_gives_another_order_and_other_letters():
    plans = [
        plan_reader(secret=secret, slot=slot, cases=pairs_of(20), arms=[1, 2, 3])
        for secret in ("one", "two")
        for slot in (1, 2)
    ]
    assert len({tuple(p.case for p in plan) for plan in plans}) == 4
    letters = [tuple(sorted((p.case, *p.arms.values()) for p in plan)) for plan in plans]
    assert len(set(letters)) == 4


def test_two_readers_in_a_row_see_each_pair_the_other_way_round():
    cases = pairs_of(10)

    def originals_first(slot):
        plan = plan_reader(secret="s", slot=slot, cases=cases, arms=[1, 2])
        place = {planned.case: i for i, planned in enumerate(plan)}
        return {i for i in range(10) if place[2 * i] < place[2 * i + 1]}

    assert len(originals_first(1)) == 5
    assert originals_first(1) | originals_first(2) == set(range(10))
    assert not originals_first(1) & originals_first(2)


def test_each_reader_has_an_order_of_pairs_of_their_own():
    orders = {
        tuple(p.case // 2 for p in plan_reader(secret="s", slot=slot, cases=pairs_of(10), arms=[1]))
        for slot in range(1, 6)
    }
    assert len(orders) == 5


@pytest.mark.parametrize("slot", [1, 2, 9])
@pytest.mark.parametrize("n", range(2, 9))
def test_each_arm_stands_beside_each_other_on_either_side_equally_often(n, slot):
    cases = [CaseRef(case=i, pair=i) for i in range(4 * n)]
    plan = plan_reader(secret="s", slot=slot, cases=cases, arms=list(range(n)))
    neighbours = Counter(pair for p in plan for pair in pairwise(p.arms.values()))
    assert len(neighbours) == n * (n - 1)
    assert set(neighbours.values()) == {4}


def test_a_reader_who_knows_one_arm_can_t_infer_the_others():
    plan = plan_reader(secret="s", slot=1, cases=pairs_of(40), arms=[1, 2, 3, 4])
    after_one = {tuple(p.arms.values()) for p in plan if p.arms["A"] == 1}
    assert len(after_one) > 2  # a single square and its mirror image have one and one


def test_with_two_arms_the_letters_say_nothing_about_original_or_rephrasing():
    for secret in map(str, range(10)):
        plan = plan_reader(secret=secret, slot=1, cases=pairs_of(10), arms=[1, 2])
        assert sum(p.arms["A"] == 1 for p in plan if p.case % 2 == 0) == 5


@pytest.mark.parametrize("n", range(1, 9))
def test_a_williams_square_is_latin_and_balances_neighbours(n):
    square = williams(n)
    everything = list(range(n))
    assert all(sorted(row) == everything for row in square)
    assert all(sorted(column) == everything for column in zip(*square, strict=True))
    both = square + [row[::-1] for row in square]
    neighbours = Counter(pair for row in both for pair in pairwise(row))
    assert n == 1 or set(neighbours.values()) == {2}
    assert len(neighbours) == n * (n - 1)


@pytest.mark.parametrize(
    ("cases", "arms", "words"),
    [
        ([], [1, 2], "at least one case"),
        (pairs_of(1), [], "1 to 8"),
        (pairs_of(1), [1, 1], "distinct"),
        (pairs_of(1), list(range(9)), "1 to 8"),
        ([CaseRef(1, 1), CaseRef(1, 2)], [1, 2], "twice"),
        ([CaseRef(1, 1), CaseRef(2, 1), CaseRef(3, 1)], [1, 2], "one rephrasing"),
    ],
)
def test_input_that_has_no_plan_is_refused(cases, arms, words):
    with pytest.raises(DesignError, match=words):
        plan_reader(secret="s", slot=1, cases=cases, arms=arms)


def test_random_numbers_follow_from_secret_and_labels_alone():
    assert rng("s", "a", 1).random() == rng("s", "a", 1).random()
    assert rng("s", "a", 1).random() != rng("s", "a", 2).random()
    assert rng("s", "a", 1).random() != rng("t", "a", 1).random()
