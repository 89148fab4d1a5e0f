"""Balanced plans: in which order a reader sees the cases, and which letter stands for which arm.

PURE. A plan follows from the study's secret and the reader's slot alone, so it can be made again,
and nobody without the secret can foresee it.

*Order.* Two cases of a pair (a prompt and its rephrasing) stand in different halves, half the
reading apart: the largest distance that all pairs can have at once. Which of the two comes first
alternates over pairs and from slot to slot.

*Repeats.* Some cases of the first quarter come once more in the last, three quarters of the reading
after their first time and a quarter after their rephrasing, with every arm under another letter.

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

import numpy as np

MAX_ARMS = 8
MAX_REPEATS = 0.25  # of the cases
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

    ``repeat`` marks the second time that the reader sees the case.
    """

    case: int
    arms: dict[str, int]
    repeat: bool = False


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
) -> list[PlannedCase]:
    """The plan of the reader in ``slot`` (from 1): all cases in their order, with their letters.

    Args:
        repeats: share of the cases, 0 to 0.25, that come a second time; see `repeated`.

    Raises:
        DesignError: no case, an arm or a case named twice, more than two cases in a pair, not 1
            to 8 arms, or another share of repeats.
    """
    if not 1 <= len(arms) <= MAX_ARMS or len(set(arms)) != len(arms):
        raise DesignError(f"A plan needs 1 to {MAX_ARMS} distinct arms, got {len(arms)}.")
    if not 0 <= repeats <= MAX_REPEATS:
        raise DesignError(f"The share of repeats is {repeats}; it must be 0 to {MAX_REPEATS}.")
    pairs = _pairs(cases)
    letters = _letters(secret=secret, slot=slot, pairs=pairs, arms=arms)
    order = _order(secret=secret, slot=slot, pairs=pairs)
    plan = [PlannedCase(case=case, arms=letters[case]) for case in order]
    return _with_repeats(plan, rng(secret, "repeats", slot), repeated(len(plan), repeats))


def repeated(cases: int, share: float) -> int:
    """How many of so many cases come a second time: the share, rounded, at most a quarter."""
    return min(int(share * cases + 0.5), cases // 4)


def _pairs(cases: Sequence[CaseRef]) -> list[tuple[int, ...]]:
    """The cases by pair, one or two in each, in the order in which they were given."""
    if not cases:
        raise DesignError("A plan needs at least one case.")
    if len({ref.case for ref in cases}) != len(cases):
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


def _with_repeats(
    plan: list[PlannedCase], random: np.random.Generator, count: int
) -> list[PlannedCase]:
    quarter = len(plan) // 4
    chosen = sorted(random.choice(quarter, count, replace=False)) if count else []
    again = {}
    for place in chosen:
        arms = list(plan[place].arms.values())
        turn = int(random.integers(1, len(arms))) if len(arms) > 1 else 0
        letters = dict(zip(plan[place].arms, arms[turn:] + arms[:turn], strict=True))
        again[place + 3 * quarter] = PlannedCase(plan[place].case, letters, repeat=True)
    result = []
    for place, planned in enumerate(plan):
        result.append(planned)
        if place in again:
            result.append(again[place])
    return result


def _letters(
    *, secret: str, slot: int, pairs: list[tuple[int, ...]], arms: Sequence[int]
) -> dict[int, dict[str, int]]:
    """For each case the arm behind each letter.

    The cases, in an order that all readers share, take the rows of squares in turn, every second
    square mirrored; each slot is one row further. The arms are shuffled anew for every two
    squares, so that a reader who recognises one arm can't infer the others.
    """
    n = len(arms)
    random = rng(secret, "letters")
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
