"""Signs that a reader's answers deserve a look: what each sees, what not, and its numbers."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.signs import RULES, SILENT_AFTER, Seen, shortest, signs_of

CASE = Seen(1, images=30, asked=18, scores=tuple(range(9)) * 2, answers=18, active=60, elapsed=70)


def case(position=1, **changes):
    return replace(CASE, position=position, **changes)


def cases(number, **changes):
    return [case(position, **changes) for position in range(1, number + 1)]


def found(readings, **more):
    return {sign.rule: sign for sign in signs_of(readings, **more)}


def test_an_ordinary_reader_gives_no_sign():
    again = ((0.5, 0.6), (0.2, 0.2)) * 9
    readings = [*cases(10), case(11, again=again), Seen(12, counts=False, attentive=True)]
    assert found(readings) == {}
    assert found([]) == {}


@pytest.mark.parametrize(
    ("same", "others", "seen"), [(3, 0, True), (2, 0, False), (3, 12, True), (3, 13, False)]
)
def test_the_same_score_throughout_takes_three_cases_and_a_fifth(same, others, seen):
    readings = cases(same, scores=(7,) * 18) + [case(20 + n) for n in range(others)]
    assert ("same" in found(readings)) == seen


def test_too_few_scores_or_practice_are_not_the_same_throughout():
    assert found(cases(9, scores=(7,) * 5)) == {}
    assert found(cases(9, scores=(7,) * 18, counts=False)) == {}
    assert found(cases(9, scores=(7,) * 17 + (8,))) == {}


def test_speed_is_held_against_what_the_case_shows_and_asks():
    assert shortest(CASE) == 30 * 0.25 + 18 * 0.5
    assert found(cases(2, active=16.5)) == {}
    assert found([*cases(5), case(6, active=3)]) == {}
    sign = found([case(1, active=16.4), case(2, active=4.2), *cases(3)])["fast"]
    assert sign.cases == (1, 2)
    assert "2 of 5 cases" in sign.words
    assert "quickest 4 s, where 16 s" in sign.words
    assert found(cases(5, active=None)) == {}


def test_repeats_disagree_beyond_a_quarter_of_the_scale():
    assert found([case(1, again=((0.0, 0.25),) * 6)]) == {}
    assert found([case(1, again=((0.0, 1.0),) * 5)]) == {}
    sign = found([case(4, again=((0.0, 0.3), (0.3, 0.0)) * 3)])["repeats"]
    assert (sign.cases, sign.weight) == ((4,), 1)
    assert "30% of the scale apart on average (6 pairs" in sign.words


def test_a_failed_attention_check_is_a_sign_and_a_passed_one_is_not():
    checks = [Seen(n, counts=False, attentive=n != 2) for n in (1, 2, 3)]
    assert found(checks)["checks"].words.startswith("1 of 3 attention checks")
    assert found(checks)["checks"].cases == (2,)


def test_not_applicable_is_a_sign_where_it_is_often():
    assert found(cases(10, left_out=3)) == {}


def test_a_fifth_of_not_applicable_is_often():
    sign = found(cases(5, left_out=4))["not-applicable"]
    assert "20 of 90 answers (22%)" in sign.words
    assert found(cases(1, answers=18, left_out=5)) == {}


def test_long_breaks_within_cases_and_long_silence():
    assert found([case(1, elapsed=9000), *cases(3)]) == {}
    assert found(cases(2, elapsed=3601))["interrupted"].cases == (1, 2)
    assert found(cases(2), silent=SILENT_AFTER - 1) == {}
    sign = found(cases(2), silent=15.5 * 86_400)["silence"]
    assert (sign.weight, sign.words) == (2, "Nothing for 15 days, and cases are left.")


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
readings = st.builds(
    Seen,
    position=st.integers(1, 99),
    counts=st.booleans(),
    images=st.integers(0, 40),
    asked=st.integers(0, 24),
    scores=st.lists(st.integers(0, 10), max_size=8).map(tuple),
    answers=st.just(24),
    left_out=st.integers(0, 24),
    active=st.none() | st.floats(0, 900),
    elapsed=st.none() | st.floats(0, 9000),
    again=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8).map(tuple),
    attentive=st.none() | st.booleans(),
)


@unhurried
@given(seen=st.lists(readings, max_size=6), random=st.randoms())
def test_sets_in_another_order_give_the_same_signs(seen, random):
    """Which score stood under which letter, and so which arm it was, changes nothing."""

    def shuffled(items):
        return tuple(random.sample(items, len(items)))

    mixed = [replace(r, scores=shuffled(r.scores), again=shuffled(r.again)) for r in seen]
    assert [(s.rule, s.cases, s.weight) for s in signs_of(mixed)] == [
        (s.rule, s.cases, s.weight) for s in signs_of(seen)
    ]


@unhurried
@given(seen=st.lists(readings, max_size=6))
def test_every_sign_has_its_rule_and_names_cases_that_are_there(seen):
    positions = {reading.position for reading in seen}
    for sign in signs_of(seen):
        assert sign.rule in RULES
        assert sign.words
        assert set(sign.cases) <= positions
        assert sign.weight >= 1


@unhurried
@given(seen=st.lists(readings, max_size=6))
def test_what_is_seen_doesn_t_go_away_by_a_slower_case(seen):
    """Counts that are not shares only grow: a look stays as good as it was."""
    slow = case(100, images=0, asked=0)
    for rule in ("fast", "checks", "interrupted"):
        before, after = found(seen), found([*seen, slow])
        if rule in before:
            assert after[rule].weight == before[rule].weight
