"""What is counted over plans, on plans made by hand and on those that readers get."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.balance import Distances, Span, balance
from annotation.design import CaseRef, PlannedCase, plan_reader, repeated
from tests.annotation.plans import full_studies, pairs_of

PAIR = pairs_of(1)  # cases 0 and 1
ONE = [PlannedCase(0, {"A": 7, "B": 8}), PlannedCase(1, {"A": 8, "B": 7})]
TWO = [PlannedCase(1, {"A": 7, "B": 8}), PlannedCase(0, {"A": 8, "B": 7})]


def test_two_readers_who_see_opposite_letters_are_balanced():
    found = balance([ONE, TWO], cases=PAIR, arms=[7, 8])
    assert found.even
    assert found.places == ("A", "B")
    assert set(found.totals.values()) == {2}
    assert set(found.within.values()) == {Span(1, 1)}
    assert found.of_a_case == Span(1, 1)
    assert found.neighbours == {(7, 8): 2, (8, 7): 2}
    assert found.first_of_pair == Span(1, 1)
    assert found.first_cases == 2
    assert found.pairs == Distances(least=1, median=1, count=2)
    assert found.repeats is None
    assert found.checks is None
    assert found.read_by == {2: 2}


def test_two_readers_with_the_same_letters_are_not_balanced_over_a_case():
    found = balance([ONE, ONE], cases=PAIR, arms=[7, 8])
    assert not found.even
    assert found.uneven_cases == [0, 1]
    assert found.uneven_readers == []
    assert found.of_a_case == Span(0, 2)
    assert found.first_of_pair == Span(2, 2)


def test_a_reader_who_sees_one_arm_behind_one_letter_is_not_balanced():
    same = [PlannedCase(case, {"A": 7, "B": 8}) for case in (0, 1)]
    found = balance([ONE, same, TWO], cases=PAIR, arms=[7, 8])
    assert not found.even
    assert found.uneven_readers == [1]
    assert found.totals == {("A", 7): 4, ("B", 7): 2, ("A", 8): 2, ("B", 8): 4}
    assert found.within["A", 7] == Span(1, 2)
    assert found.within["A", 8] == Span(0, 1)


def test_practice_and_second_times_count_for_distances_alone():
    plan = [
        PlannedCase(9, {"A": 7, "B": 8}, "practice"),
        *ONE,
        PlannedCase(2, {"A": 7, "B": 8}),
        PlannedCase(1, {"A": 7, "B": 8}, "check"),
        PlannedCase(0, {"A": 8, "B": 7}, "repeat"),
    ]
    found = balance([plan], cases=[*PAIR, CaseRef(2, 2)], arms=[7, 8])
    assert found.totals == {("A", 7): 2, ("B", 7): 1, ("A", 8): 1, ("B", 8): 2}
    assert found.neighbours == {(7, 8): 2, (8, 7): 1}
    assert found.repeats == Distances(4, 4, 1)
    assert found.checks == Distances(2, 2, 1)
    assert found.pairs == Distances(1, 1, 1)
    assert found.read_by == {1: 3}


def test_where_sets_are_shown_singly_rounds_are_balanced():
    plan = [PlannedCase(case, {"A": arm}) for case, arm in [(0, 7), (1, 8), (0, 8), (1, 7)]]
    found = balance([plan], cases=PAIR, arms=[7, 8], together=False)
    assert found.even
    assert found.places == ("1", "2")
    assert set(found.totals.values()) == {1}
    assert found.neighbours == {(7, 8): 1, (8, 8): 1, (8, 7): 1}
    turned = [PlannedCase(case, {"A": arm}) for case, arm in [(0, 7), (1, 7), (0, 8), (1, 8)]]
    assert balance([turned], cases=PAIR, arms=[7, 8], together=False).uneven_readers == [0]


def test_what_is_not_named_is_refused():
    for plans, arms in (([], [7, 8]), ([ONE], [7, 9]), ([ONE], [7])):
        with pytest.raises(ValueError, match=r"one plan at least|isn't named"):
            balance(plans, cases=PAIR, arms=arms)


@settings(max_examples=25, deadline=None)
@given(full_studies(max_cases=24), st.integers(1, 30))
def test_the_plans_that_readers_get_are_balanced(study, readers):
    plans = [plan_reader(slot=slot, **study) for slot in range(1, readers + 1)]
    cases, arms, together = study["cases"], study["arms"], study["together"]
    found = balance(plans, cases=cases, arms=arms, together=together)
    assert found.even
    assert found.read_by == {readers: len(cases)}
    assert sum(found.totals.values()) == readers * len(cases) * len(arms)
    if found.pairs:
        assert found.pairs.least >= len(cases) // 2
        assert found.first_of_pair.even
    rounds = 1 if together else len(arms)
    repeats = readers * rounds * repeated(len(cases), study["repeats"])
    assert (found.repeats.count if found.repeats else 0) == repeats
