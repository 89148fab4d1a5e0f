"""The attack finds what is there, and nothing where there is nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.linking import FINDING, SeenImage, SeenSet, attack, link, traces_of

CASES, ARMS = 12, 3
arms = np.tile(np.arange(ARMS), CASES)
cases = np.repeat(np.arange(CASES), ARMS)
noise = np.random.default_rng(0).normal(size=(CASES * ARMS, 1))


def test_a_trace_that_follows_the_arm_links_every_set():
    found = link("size", arms[:, None] + 0.1 * noise, arms=arms, cases=cases)
    assert (found.accuracy, found.low, found.high) == (1, 1, 1)
    assert found.p < FINDING
    assert found.tells


def test_a_trace_that_follows_the_case_links_none_better_than_chance():
    found = link("size", cases[:, None] + 0.1 * noise, arms=arms, cases=cases)
    assert found.low <= found.chance
    assert not found.tells


@pytest.mark.parametrize("value", [0.0, 7.5, 4e9])
def test_a_trace_that_is_the_same_for_all_is_exactly_at_chance(value):
    found = link("size", np.full((CASES * ARMS, 1), value), arms=arms, cases=cases)
    assert found.accuracy == pytest.approx(1 / ARMS)
    assert found.p == 1
    assert not found.tells


def test_a_trace_of_every_second_case_alone_is_found():
    values = np.where(cases % 2 == 0, arms, 0)[:, None] + 0.05 * noise
    assert link("size", values, arms=arms, cases=cases).tells


def test_random_traces_are_called_findings_as_seldom_as_the_p_says():
    random = np.random.default_rng(1)
    p = [link(str(i), random.normal(size=(36, 1)), arms=arms, cases=cases).p for i in range(60)]
    assert np.mean(np.array(p) < 0.1) <= 0.25  # 0.1 expected; 0.25 has a chance below 0.001
    assert min(p) > FINDING


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 3))
def test_any_number_of_cases_arms_and_columns_can_be_tried(n, k, d):
    random = np.random.default_rng(n)
    sets = [
        SeenSet("A", case, arm, {"size": float(random.normal()), "words": frozenset("ab"[:d])})
        for case in range(n)
        for arm in range(k)
    ]
    links = attack(sets)
    assert len(links) == (2 if n > 1 and k > 1 else 0)
    assert all(0 <= found.low <= found.high <= 1 and 0 < found.p <= 1 for found in links)


TOKENS = {"A": ["a" * 22, "b" * 21 + "-"], "B": ["c" * 22, "d" * 22]}


def _traces(before="", page="", body=b"\xff\xd8\xff\xda__\xff\xd9", expected=8):
    sets = {
        letter: [SeenImage(f"/image/{t}/", t, b"type: jpeg", body, expected) for t in tokens]
        for letter, tokens in TOKENS.items()
    }
    return traces_of(sets, before=before, page=page)


def test_words_beside_a_letter_or_an_image_are_that_set_s_own():
    page = f"""
        <div data-set="A" class="set wide"><h2>Set A</h2>
          <img src="/image/{TOKENS["A"][0]}/" class="quagga-1"><img src="/image/{TOKENS["A"][1]}/">
        </div>
        <div data-set="B" class="set"><img data-id="3812" src="/image/{TOKENS["B"][0]}/"></div>
        <p>Neither of them</p><script>{{"B": {{"system": "okapi"}}}}</script>"""
    traces = _traces(page=page)
    assert {"wide", "quagga"} <= traces["A"]["words in the page"]
    assert "okapi" in traces["B"]["words in the page"]
    assert traces["B"]["numbers in the page"] == 3812
    for words in (traces[letter]["words in the page"] for letter in "AB"):
        assert not words & {"A", "B", "set", "Neither", "aaaaaaaaaaaaaaaaaaaaaa"}


def test_the_order_of_images_is_that_of_their_first_naming():
    named = [TOKENS["B"][1], TOKENS["B"][0], TOKENS["A"][0], TOKENS["A"][1], TOKENS["B"][1]]
    traces = _traces(before=" ".join(f"/image/{token}/" for token in named))
    order = "the order of images fetched beforehand"
    assert (traces["A"][order], traces["B"][order]) == (2.5, 0.5)


def test_bytes_beyond_the_pixels_are_counted():
    assert _traces(expected=8)["A"]["bytes beyond the pixels"] == 0
    assert _traces(expected=3)["A"]["bytes beyond the pixels"] == 5
