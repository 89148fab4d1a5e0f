"""Signs that a reader's answers deserve a look: for a person to judge, never a reason to exclude.

PURE, and blind: what comes in holds no arm and no set's name, so that nothing that comes out can
tell one. Each sign says what was seen, by which rule, and in which of the reader's cases. Why the
thresholds are what they are stands in docs/people.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

SAME_LEAST = 6  # scores of a case that must all be equal
SAME_CASES, SAME_SHARE = 3, 0.2  # so many such cases, and so large a part of all
SECONDS_PER_IMAGE, SECONDS_PER_SCORE = 0.25, 0.5  # one glance; one decision and one key
FAST_CASES = 2
REPEATED_LEAST, REPEATED_APART = 6, 0.25  # of the scale; even guesses are a third of it apart
NOT_APPLICABLE_LEAST, NOT_APPLICABLE_SHARE = 6, 0.2
INTERRUPTED_AFTER = 60 * 60.0  # seconds from a case's first answer to its handing in
INTERRUPTED_CASES = 2
SILENT_AFTER = 7 * 24 * 60 * 60.0  # seconds since anything was seen of somebody who isn't done


@dataclass(frozen=True)
class Seen:
    """One reading of a reader, as far as it is in.

    Attributes:
        position: its place in the reader's order.
        counts: a case or a repeat; practice and attention checks don't.
        images: how many were shown under letters.
        asked: how many scores it asks for.
        scores: what was given on scales of three values and more, in any order.
        answers, left_out: how many answers there are, and how many are “not applicable”.
        active: seconds at work on it, None where nothing is known of that.
        elapsed: seconds from the first answer to handing in, None as above.
        again: of a repeat, each score as (first, second) on a scale from 0 to 1.
        attentive: of an attention check, whether what it asks was done.
    """

    position: int
    counts: bool = True
    images: int = 0
    asked: int = 0
    scores: tuple[int, ...] = ()
    answers: int = 0
    left_out: int = 0
    active: float | None = None
    elapsed: float | None = None
    again: tuple[tuple[float, float], ...] = ()
    attentive: bool | None = None


@dataclass(frozen=True)
class Sign:
    """Something that deserves a look.

    Attributes:
        rule: its key in `RULES`.
        words: what was seen, with its numbers.
        cases: positions of the readings it was seen in.
        weight: how much was seen; a look holds until there is more.
    """

    rule: str
    words: str
    cases: tuple[int, ...] = ()
    weight: int = field(default=1)


def signs_of(readings: Sequence[Seen], *, silent: float = 0) -> list[Sign]:
    """What deserves a look in one reader's readings that are in; `silent` is for how many seconds
    nothing was seen of a reader who isn't done."""
    found = [find(readings) for find, _title, _words in RULES.values() if find]
    if silent >= SILENT_AFTER:
        words = f"Nothing for {int(silent // 86_400)} days, and cases are left."
        found.append(Sign("silence", words, weight=int(silent // SILENT_AFTER)))  # weeks
    return [sign for sign in found if sign]


def shortest(reading: Seen) -> float:
    """Seconds that looking at a reading and answering it takes at the least."""
    return SECONDS_PER_IMAGE * reading.images + SECONDS_PER_SCORE * reading.asked


def _same(readings: Sequence[Seen]) -> Sign | None:
    counted = [reading for reading in readings if reading.counts]
    cases = [reading.position for reading in counted if _all_equal(reading.scores)]
    if len(cases) < SAME_CASES or len(cases) < SAME_SHARE * len(counted):
        return None
    words = f"In {len(cases)} of {len(counted)} cases every score is the same."
    return Sign("same", words, tuple(cases), len(cases))


def _all_equal(scores: Sequence[int]) -> bool:
    return len(scores) >= SAME_LEAST and len(set(scores)) == 1


def _fast(readings: Sequence[Seen]) -> Sign | None:
    timed = [reading for reading in readings if reading.counts and reading.active is not None]
    fast = [reading for reading in timed if (reading.active or 0) < shortest(reading)]
    if len(fast) < FAST_CASES:
        return None
    quickest = min(fast, key=lambda reading: reading.active or 0)
    words = (
        f"{len(fast)} of {len(timed)} cases took less time than looking at their images does: the "
        f"quickest {quickest.active:.0f} s, where {shortest(quickest):.0f} s are the least."
    )
    return Sign("fast", words, tuple(reading.position for reading in fast), len(fast))


def _repeats(readings: Sequence[Seen]) -> Sign | None:
    repeats = [reading for reading in readings if reading.again]
    apart = [abs(first - second) for reading in repeats for first, second in reading.again]
    if len(apart) < REPEATED_LEAST or mean(apart) <= REPEATED_APART:
        return None
    words = (
        f"Scores given twice to the same sets are {mean(apart):.0%} of the scale apart on average "
        f"({len(apart)} pairs of scores); guessing gives about a third."
    )
    cases = tuple(reading.position for reading in repeats)
    return Sign("repeats", words, cases, len(repeats))


def _checks(readings: Sequence[Seen]) -> Sign | None:
    checks = [reading for reading in readings if reading.attentive is not None]
    failed = [reading.position for reading in checks if not reading.attentive]
    if not failed:
        return None
    words = f"{len(failed)} of {len(checks)} attention checks were not done as they ask."
    return Sign("checks", words, tuple(failed), len(failed))


def _not_applicable(readings: Sequence[Seen]) -> Sign | None:
    counted = [reading for reading in readings if reading.counts]
    given = sum(reading.answers for reading in counted)
    number = sum(reading.left_out for reading in counted)
    if number < NOT_APPLICABLE_LEAST or number < NOT_APPLICABLE_SHARE * given:
        return None
    cases = tuple(reading.position for reading in counted if reading.left_out)
    words = f"{number} of {given} answers ({number / given:.0%}) are “not applicable”."
    return Sign("not-applicable", words, cases, number)


def _interrupted(readings: Sequence[Seen]) -> Sign | None:
    cases = [
        reading.position
        for reading in readings
        if reading.counts and (reading.elapsed or 0) > INTERRUPTED_AFTER
    ]
    if len(cases) < INTERRUPTED_CASES:
        return None
    words = f"{len(cases)} cases were handed in more than an hour after their first answer."
    return Sign("interrupted", words, tuple(cases), len(cases))


# By key: what finds it, what it is called, and the rule in words.
RULES: Mapping[str, tuple[Callable[[Sequence[Seen]], Sign | None] | None, str, str]] = {
    "same": (
        _same,
        "The same score throughout",
        f"Every score of a case is equal, over all sets and criteria, in at least {SAME_CASES} "
        f"cases and {SAME_SHARE:.0%} of those that are in.",
    ),
    "fast": (
        _fast,
        "Faster than looking takes",
        f"At least {FAST_CASES} cases took less than {SECONDS_PER_IMAGE} s for each image and "
        f"{SECONDS_PER_SCORE} s for each score, without breaks.",
    ),
    "repeats": (
        _repeats,
        "Repeats disagree",
        f"Scores of the same sets, given twice, differ by more than {REPEATED_APART:.0%} of the "
        f"scale on average, over at least {REPEATED_LEAST} pairs of scores.",
    ),
    "checks": (
        _checks,
        "Attention check failed",
        "An attention check was not done as it asks.",
    ),
    "not-applicable": (
        _not_applicable,
        "Often “not applicable”",
        f"At least {NOT_APPLICABLE_SHARE:.0%} of the answers, and {NOT_APPLICABLE_LEAST}, are "
        "“not applicable”.",
    ),
    "interrupted": (
        _interrupted,
        "Cases with long breaks",
        f"At least {INTERRUPTED_CASES} cases were handed in more than an hour after their first "
        "answer.",
    ),
    "silence": (
        None,
        "Long silence",
        "Nothing was seen of the reader for 7 days while the study runs and cases are left.",
    ),
}
