"""Balanced plans: in which order a reader sees the cases, and which letter stands for which arm.

PURE. A plan follows from the study's secret and the reader's slot alone, so it can be made again,
and nobody without the secret can foresee it.

*Order.* Two cases of a pair (a prompt and its rephrasing) stand in different halves, half the
reading apart: the largest distance that all pairs can have at once. Which of the two comes first
alternates over pairs and from slot to slot.

*Single sets.* Where a reading shows one set, the cases go round once for every arm, always in the
same order, and round k shows the arm that letter k stands for. So the sets of a case are a whole
round apart and those of a pair half a round.

*Repeats.* Some readings of the first quarter come once more near the end, with every arm under
another letter; *attention checks* are some of the middle half that come once more a quarter of a
round later. Both stand a quarter of a round from every first time of their case and of its pair.

*Practice.* Practice cases come first, in the order given, with letters of their own that count in
no balance.

*Letters.* Rows of Williams squares (E. J. Williams 1949): within a reader, and for each case over
the readers, every letter stands for every arm equally often, give or take one, and each arm stands
beside each other arm on either side equally often over two squares.
"""

from __future__ import annotations

import hashlib
import hmac
import string
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

import numpy as np

MAX_ARMS = 8
MAX_REPEATS = 0.25  # of the cases
FEWEST_TO_REPEAT = 6  # cases: among fewer, a repeat would stand beside its pair
Kind = Literal["practice", "case", "repeat", "check"]
LETTERS = string.ascii_uppercase[:MAX_ARMS]


class DesignError(ValueError):
    """No balanced plan exists for this input; the message says why."""


@dataclass(frozen=True)
class CaseRef:
    """A case and the pair it belongs to (at most two cases share one)."""

    case: int
    pair: int


@dataclass(frozen=True)
class PlannedCase:
    """A case at its place, and the arm behind each letter, for example ``{"A": 3, "B": 1}``.

    Where single sets are shown there is one letter, A. ``kind`` tells the readings that are planned
    for what readers say about the arms ("case") from practice and from what comes a second time.
    """

    case: int
    arms: dict[str, int]
    kind: Kind = "case"


def rng(secret: str, *labels: object) -> np.random.Generator:
    """A generator of random numbers that only holders of the secret can repeat."""
    message = "\n".join(map(str, labels)).encode()
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def williams(n: int) -> list[list[int]]:
    """A Williams square: ``n`` rows, each a permutation of 0 … n−1, each column too.

    For even ``n`` every ordered pair of neighbours occurs once; for odd ``n`` the square and its
    mirror image together hold every one twice.
    """
    first = [(i + 1) // 2 if i % 2 else -i // 2 for i in range(n)]
    return [[(item + row) % n for item in first] for row in range(n)]


def plan_reader(
    *,
    secret: str,
    slot: int,
    cases: Sequence[CaseRef],
    arms: Sequence[int],
    repeats: float = 0.0,
    practice: Sequence[CaseRef] = (),
    checks: int = 0,
    together: bool = True,
) -> list[PlannedCase]:
    """The plan of the reader in ``slot`` (from 1): all cases in their order, with their letters.

    It takes time and memory proportional to cases × arms.

    Args:
        repeats: share of the cases, 0 to 0.25, that come a second time; see `repeated`.
        practice: cases that come first and count for nothing.
        checks: how many cases come a second time as attention checks; see `most_checks`.
        together: whether a reading shows all sets of a case, or one set alone.

    Raises:
        DesignError: no case, an arm or a case named twice, more than two cases in a pair, not 1
            to 8 arms, another share of repeats, or more checks than there is room for.
    """
    if not 1 <= len(arms) <= MAX_ARMS or len(set(arms)) != len(arms):
        raise DesignError(f"A plan needs 1 to {MAX_ARMS} distinct arms, got {len(arms)}.")
    if not 0 <= repeats <= MAX_REPEATS:
        raise DesignError(f"The share of repeats is {repeats}; it must be 0 to {MAX_REPEATS}.")
    if not 0 <= checks <= most_checks(len(cases)):
        raise DesignError(
            f"{len(cases)} cases have room for 0 to {most_checks(len(cases))} attention checks, "
            f"not {checks}."
        )
    pairs = _pairs(cases, practice)
    tries: list[tuple[int, ...]] = [(ref.case,) for ref in practice]
    letters = _letters("letters", secret=secret, slot=slot, pairs=pairs, arms=arms)
    dealt = _letters("practice", secret=secret, slot=slot, pairs=tries, arms=arms)
    order = _order(secret=secret, slot=slot, pairs=pairs)
    if together:
        rounds = 1
        plan = [PlannedCase(case, letters[case]) for case in order]
    else:
        rounds = len(arms)
        rows = LETTERS[:rounds]
        plan = [PlannedCase(case, {"A": letters[case][row]}) for row in rows for case in order]
        dealt = {case: {"A": row["A"]} for case, row in dealt.items()}
    again = _again(
        plan,
        rounds=rounds,
        repeats=rounds * repeated(len(cases), repeats),
        checks=checks,
        repeat=rng(secret, "repeats", slot),
        check=rng(secret, "checks", slot),
    )
    result = [PlannedCase(ref.case, dealt[ref.case], "practice") for ref in practice]
    for place, planned in enumerate(plan):
        result.append(planned)
        if place in again:
            result.append(again[place])
    return result


def repeated(cases: int, share: float) -> int:
    """How many of so many cases come a second time, in each round: the share, rounded.

    At most a quarter of them, and none of fewer than `FEWEST_TO_REPEAT`.
    """
    return min(int(share * cases + 0.5), most_checks(cases))


def most_checks(cases: int) -> int:
    """How many of so many cases can be attention checks at most: a quarter."""
    return cases // 4 if cases >= FEWEST_TO_REPEAT else 0


def _pairs(cases: Sequence[CaseRef], practice: Sequence[CaseRef]) -> list[tuple[int, ...]]:
    """The cases by pair, one or two in each, in the order in which they were given."""
    if not cases:
        raise DesignError("A plan needs at least one case.")
    if len({ref.case for ref in (*cases, *practice)}) != len(cases) + len(practice):
        raise DesignError("A case stands twice in the list.")
    pairs: dict[int, tuple[int, ...]] = {}
    for ref in cases:
        pairs[ref.pair] = (*pairs.get(ref.pair, ()), ref.case)
        if len(pairs[ref.pair]) > 2:
            raise DesignError("A pair holds at most a prompt and one rephrasing.")
    return list(pairs.values())


def _order(*, secret: str, slot: int, pairs: list[tuple[int, ...]]) -> list[int]:
    """First halves of all pairs, then the second halves in the same order.

    Single cases are joined two by two at random, so that the halves stay equally long; one that
    is left over stands in the middle.
    """
    random = rng(secret, "order", slot)
    # Of two readers in a row the second sees each pair the other way round.
    common = rng(secret, "first", (slot - 1) // 2)
    doubles = [pair for pair in pairs if len(pair) == 2]
    turns = common.permutation(len(doubles)) + slot
    units = [pair[::-1] if turn % 2 else pair for pair, turn in zip(doubles, turns, strict=True)]
    singles = [pair[0] for pair in pairs if len(pair) == 1]
    singles = [singles[i] for i in random.permutation(len(singles))]
    middle = [singles.pop()] if len(singles) % 2 else []
    units += zip_longest(singles[::2], singles[1::2])
    units = [units[i] for i in random.permutation(len(units))]
    return [unit[0] for unit in units] + middle + [unit[1] for unit in units]


def _again(
    plan: list[PlannedCase],
    *,
    rounds: int,
    repeats: int,
    checks: int,
    repeat: np.random.Generator,
    check: np.random.Generator,
) -> dict[int, PlannedCase]:
    """What comes once more, by the place in the plan that it follows.

    In an order of c cases a pair stands about c/2 apart. So c/4 or 3c/4 further on, or whole rounds
    more, is as far as one can get from both, and at most one comes again after each place.
    """
    cases = len(plan) // rounds
    quarter = cases // 4
    far = 3 * (rounds - 1) // 4 * cases + (3 * (cases // 2) + 2 * (cases % 2)) // 2
    start = rounds * quarter
    chosen = repeat.choice(start, repeats, replace=False).tolist() if repeats else []
    again = {place + far: _turned(plan[place], "repeat", repeat) for place in sorted(chosen)}
    middle = [i for i in range(start, len(plan) - start) if i + quarter not in again]
    chosen = check.choice(middle, checks, replace=False).tolist() if checks else []
    for place in sorted(chosen):
        again[place + quarter] = _turned(plan[place], "check", check)
    return again


def _turned(planned: PlannedCase, kind: Kind, random: np.random.Generator) -> PlannedCase:
    """The case with every arm under another letter, where there is another."""
    arms = list(planned.arms.values())
    turn = int(random.integers(1, len(arms))) if len(arms) > 1 else 0
    letters = dict(zip(planned.arms, arms[turn:] + arms[:turn], strict=True))
    return PlannedCase(planned.case, letters, kind)


def _letters(
    label: str, *, secret: str, slot: int, pairs: list[tuple[int, ...]], arms: Sequence[int]
) -> dict[int, dict[str, int]]:
    """For each case the arm behind each letter.

    The cases, in an order that all readers share, take the rows of squares in turn, every second
    square mirrored; each slot is one row further. The arms are shuffled anew for every two
    squares, so that a reader who recognises one arm can't infer the others.
    """
    n = len(arms)
    random = rng(secret, label)
    cases = [case for i in random.permutation(len(pairs)) for case in pairs[i]]
    square = williams(n)
    turn, shift = divmod(slot - 1, n)
    letters = {}
    for i, case in enumerate(cases):
        number, row = divmod(i, n)
        if i % (2 * n) == 0:
            relabelled = random.permutation(arms).tolist()
        columns = square[(row + shift) % n]
        if (number + turn) % 2:
            columns = columns[::-1]
        letters[case] = {LETTERS[k]: relabelled[column] for k, column in enumerate(columns)}
    return letters
