"""How balanced plans are: what a researcher looks at before readers begin.

PURE. A *place* is a letter where the sets of a case are shown together, and a round where they are
shown singly: what a plan balances over the arms. Practice, repeats and attention checks are in no
count of places, as they are in no result.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from annotation.design import LETTERS, CaseRef, PlannedCase


@dataclass(frozen=True)
class Span:
    """The least and the most of some counts."""

    least: int
    most: int

    @property
    def even(self) -> bool:
        """Equal, give or take one: all that can be had where counts don't divide."""
        return self.most - self.least <= 1


@dataclass(frozen=True)
class Distances:
    """How far readings stand apart; neighbours have the distance 1."""

    least: int
    median: float
    count: int


@dataclass(frozen=True)
class Balance:
    """What `balance` finds.

    Attributes:
        readers: How many plans were looked at.
        places: Names of the places: letters, or numbers of rounds.
        arms: In the order given.
        totals: By (place, arm), how often over all cases of all readers.
        within: By (place, arm), the least and the most of any one reader.
        uneven_readers: Positions in the list of plans whose own counts differ by more than one.
        of_a_case: How often any arm takes any place in any case, over the readers.
        uneven_cases: Cases in which these counts differ by more than one.
        neighbours: By (arm, arm), how often the second stands right after the first: among the
            letters of a case, or from one reading to the next where sets are shown singly.
        first_of_pair: Over the pairs, how many readers see the one first that is listed first.
        first_cases: How many different cases readers begin with.
        pairs: From each first time of a case to the next of the other case of its pair.
        repeats: From the first time to the repeat.
        checks: From the first time to the attention check.
        read_by: By number of readers, how many cases are read by so many.
    """

    readers: int
    places: tuple[str, ...]
    arms: tuple[int, ...]
    totals: dict[tuple[str, int], int]
    within: dict[tuple[str, int], Span]
    uneven_readers: list[int]
    of_a_case: Span
    uneven_cases: list[int]
    neighbours: dict[tuple[int, int], int]
    first_of_pair: Span | None
    first_cases: int
    pairs: Distances | None
    repeats: Distances | None
    checks: Distances | None
    read_by: dict[int, int]

    @property
    def cases(self) -> int:
        return sum(self.read_by.values())

    @property
    def even(self) -> bool:
        """Each arm takes each place equally often, give or take one, within every reader and, in
        every case, over the readers."""
        return not self.uneven_readers and not self.uneven_cases


def balance(
    plans: Sequence[Sequence[PlannedCase]],
    *,
    cases: Sequence[CaseRef],
    arms: Sequence[int],
    together: bool = True,
) -> Balance:
    """Count over the plans of readers of the same cases and arms.

    Args:
        cases: those that count, without practice.
        together: as in `annotation.design.plan_reader`.

    Raises:
        ValueError: no plan, or a plan has a case or an arm that isn't named.
    """
    if not plans:
        raise ValueError("Balance is counted over one plan at least.")
    places = tuple(LETTERS[: len(arms)] if together else map(str, range(1, len(arms) + 1)))
    taken = _taken(plans, cases=cases, arms=arms, together=together)
    totals, own = taken.sum((0, 1)), taken.sum(1)
    of_cases = taken.sum(0).reshape(len(cases), -1)
    cells = [(i, j) for i in range(len(arms)) for j in range(len(arms))]
    counted = [[planned for planned in plan if planned.kind != "practice"] for plan in plans]
    pair_of = {ref.case: ref.pair for ref in cases}
    return Balance(
        readers=len(plans),
        places=places,
        arms=tuple(arms),
        totals={(places[i], arms[j]): int(totals[i, j]) for i, j in cells},
        within={(places[i], arms[j]): _span(own[:, i, j]) for i, j in cells},
        uneven_readers=np.flatnonzero(np.ptp(own, axis=(1, 2)) > 1).tolist(),
        of_a_case=_span(of_cases),
        uneven_cases=[
            ref.case
            for ref, uneven in zip(cases, np.ptp(of_cases, axis=1) > 1, strict=True)
            if uneven
        ],
        neighbours=_neighbours(counted, together=together),
        first_of_pair=_first_of_pair(counted, cases),
        first_cases=len({plan[0].case for plan in counted}),
        pairs=_distances(gap for plan in counted for gap in _pair_gaps(plan, pair_of)),
        repeats=_distances(gap for plan in counted for gap in _gaps(plan, "repeat")),
        checks=_distances(gap for plan in counted for gap in _gaps(plan, "check")),
        read_by=dict(sorted(Counter(taken.any((2, 3)).sum(0).tolist()).items())),
    )


def _taken(
    plans: Sequence[Sequence[PlannedCase]],
    *,
    cases: Sequence[CaseRef],
    arms: Sequence[int],
    together: bool,
) -> np.ndarray:
    """How often each arm takes each place; shape (plans, cases, places, arms)."""
    row = {ref.case: i for i, ref in enumerate(cases)}
    column = {arm: i for i, arm in enumerate(arms)}
    taken = np.zeros((len(plans), len(cases), len(arms), len(arms)), dtype=np.int64)
    for reader, plan in enumerate(plans):
        rounds: Counter[int] = Counter()
        for planned in plan:
            if planned.kind != "case":
                continue
            for letter, arm in planned.arms.items():
                try:
                    place = LETTERS.index(letter) if together else rounds[planned.case]
                    taken[reader, row[planned.case], place, column[arm]] += 1
                except (KeyError, IndexError) as error:
                    raise ValueError(f"A plan has what isn't named here: {planned}.") from error
            rounds[planned.case] += 1
    return taken


def _neighbours(
    plans: Sequence[Sequence[PlannedCase]], *, together: bool
) -> dict[tuple[int, int], int]:
    found: Counter[tuple[int, int]] = Counter()
    for plan in plans:
        if together:
            for planned in plan:
                if planned.kind == "case":
                    found.update(pairwise(planned.arms.values()))
        else:
            found.update(pairwise(planned.arms["A"] for planned in plan))
    return dict(found)


def _first_of_pair(plans: Sequence[Sequence[PlannedCase]], cases: Sequence[CaseRef]) -> Span | None:
    pairs: defaultdict[int, list[int]] = defaultdict(list)
    for ref in cases:
        pairs[ref.pair].append(ref.case)
    doubles = [pair for pair in pairs.values() if len(pair) == 2]
    counts: Counter[int] = Counter()
    for plan in plans:
        place = {planned.case: i for i, planned in reversed(list(enumerate(plan)))}
        counts.update(a for a, b in doubles if place[a] < place[b])
    return _span(np.array([counts[a] for a, _ in doubles])) if doubles else None


def _pair_gaps(plan: Sequence[PlannedCase], pair_of: Mapping[int, int]) -> list[int]:
    """From every first time to the next of its pair, where that is of the other case."""
    last: dict[int, tuple[int, int]] = {}
    gaps = []
    for place, planned in enumerate(plan):
        if planned.kind != "case":
            continue
        before = last.get(pair_of[planned.case])
        if before and before[1] != planned.case:
            gaps.append(place - before[0])
        last[pair_of[planned.case]] = (place, planned.case)
    return gaps


def _gaps(plan: Sequence[PlannedCase], kind: str) -> list[int]:
    """From the first time that a case is seen with these arms to the time of this kind."""
    first: dict[tuple[int, frozenset[int]], int] = {}
    gaps = []
    for place, planned in enumerate(plan):
        begun = first.setdefault((planned.case, frozenset(planned.arms.values())), place)
        if planned.kind == kind:
            gaps.append(place - begun)
    return gaps


def _distances(gaps: Iterable[int]) -> Distances | None:
    found = list(gaps)
    return Distances(min(found), float(np.median(found)), len(found)) if found else None


def _span(counts: np.ndarray) -> Span:
    return Span(int(counts.min()), int(counts.max()))
