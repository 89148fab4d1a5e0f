"""A trivial attack on blinding: link letters to arms by anything but the pixels of the images.

PURE. The attacker has all bytes that came over the wire, and is told the truth about every case but
the one being attacked: more than any reader knows. What is not in the pixels are the *traces* of a
set, for example the length of its responses' headers or the words beside its images. The set is
linked to the arm that the five sets with the nearest traces belong to, the nearer the more.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from annotation.blinding import jpeg_header

Trace = float | frozenset[str]
NEIGHBOURS = 5
RESAMPLES = 2000
_EQUAL = 1e-6  # distances and votes that differ by less are equal
FINDING = 0.001  # a trace that tells arms apart with a lower p is a leak

_TOKEN = re.compile(r"(?<![\w-])[\w-]{22}(?![\w-])")
_PIECES = re.compile(r"[<>{}]")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class SeenImage:
    """An image response.

    Attributes:
        address: under which it was fetched.
        token: the part of it that names the image.
        head: the response's headers but for its length, and its cookies.
        body: JPEG.
        expected: bytes that the pixels take by themselves.
    """

    address: str
    token: str
    head: bytes
    body: bytes
    expected: int


@dataclass(frozen=True)
class SeenSet:
    """A set in one reading, the truth about it, and its traces by name."""

    letter: str
    case: Hashable
    arm: Hashable
    traces: Mapping[str, Trace]


@dataclass(frozen=True)
class Link:
    """How well one trace links sets to arms.

    Attributes:
        trace: its name.
        accuracy: share of the sets that were linked to their arm.
        low, high: 95 % interval of the accuracy, bootstrapped by case.
        chance: one over the number of arms.
        p: share of the relabellings of arms, at random within each case, that are linked as well;
            at least 1/2001.
    """

    trace: str
    accuracy: float
    low: float
    high: float
    chance: float
    p: float

    @property
    def tells(self) -> bool:
        """Whether this is better than chance beyond doubt."""
        return self.p < FINDING and self.accuracy > self.chance


def traces_of(
    sets: Mapping[str, Sequence[SeenImage]], *, before: str, page: str
) -> dict[str, dict[str, Trace]]:
    """The traces of each set of a reading, by letter.

    Args:
        sets: the images of each letter in the order shown.
        before: what was fetched before the sets are shown; it may name images to be fetched.
        page: the page that shows them.
    """
    order = {token: place for place, token in enumerate(dict.fromkeys(_TOKEN.findall(before)))}
    words = _words(page, {image.token: letter for letter in sets for image in sets[letter]})
    common = frozenset.intersection(*words.values()) if len(words) > 1 else frozenset()
    return {
        letter: {
            "the letter": float(ord(letter)),
            "the order of images fetched beforehand": _mean(order.get(i.token, -1) for i in images),
            "the images' tokens": _mean(_number(image.token) for image in images),
            "the length of addresses": _mean(len(image.address) for image in images),
            "the length of headers": _mean(len(image.head) for image in images),
            "what headers say": _digest(image.head for image in images),
            "the length of files' headers": _mean(len(jpeg_header(i.body)) for i in images),
            "what files' headers say": _digest(jpeg_header(image.body) for image in images),
            "bytes beyond the pixels": _mean(len(i.body) - i.expected for i in images),
            "words in the page": words[letter] - common,
            "numbers in the page": _mean(
                int(word[:15]) for word in words[letter] - common if word.isdecimal()
            ),
        }
        for letter, images in sets.items()
    }


def attack(sets: Sequence[SeenSet]) -> list[Link]:
    """Try every trace; those that can't be tried are left out.

    Returns nothing with fewer than two arms or two cases: there is nothing to learn from.
    """
    arms = _coded([seen.arm for seen in sets])
    cases = _coded([seen.case for seen in sets])
    if not sets or arms.max() < 1 or cases.max() < 1:
        return []
    return [
        link(name, _matrix([seen.traces[name] for seen in sets]), arms=arms, cases=cases)
        for name in sets[0].traces
    ]


def link(name: str, values: np.ndarray, *, arms: np.ndarray, cases: np.ndarray) -> Link:
    """Link each set to an arm by its nearest neighbours among the sets of other cases.

    Costs time and memory in proportion to the square of the number of sets, n.

    Args:
        values: (n, d) traces, any unit; columns are standardised.
        arms: (n,) whole numbers from 0.
        cases: (n,) whole numbers from 0.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    count = int(arms.max()) + 1
    near = _neighbours(values, cases)
    right = _right(near, arms, count)
    by_chance = np.empty(RESAMPLES if np.ptp(values, axis=0).any() else 0)
    for i in range(len(by_chance)):
        relabelled = random.permuted(np.tile(np.arange(count), (cases.max() + 1, 1)), axis=1)
        by_chance[i] = _right(near, relabelled[cases, arms], count).mean()
    low, high = _interval(right, cases, random)
    at_least = int((by_chance >= right.mean() - 1e-9).sum())
    return Link(
        trace=name,
        accuracy=float(right.mean()),
        low=low,
        high=high,
        chance=1 / count,
        p=(1 + at_least) / (1 + len(by_chance)),
    )


def _neighbours(values: np.ndarray, cases: np.ndarray) -> np.ndarray:
    """(n, n) weights of the nearest sets of other cases, of all that are as near as the fifth:
    the nearer, the more."""
    spread = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    squares = (scaled**2).sum(axis=1)
    distance = (squares[:, None] + squares[None, :] - 2 * scaled @ scaled.T).clip(0)
    distance[cases[:, None] == cases[None, :]] = np.inf
    fifth = np.sort(distance, axis=1)[:, :NEIGHBOURS].max(axis=1, keepdims=True)
    near = (distance <= fifth + _EQUAL) & np.isfinite(distance)
    return np.where(near, 1 / (np.where(near, distance, 0) + _EQUAL), 0)


def _right(near: np.ndarray, arms: np.ndarray, count: int) -> np.ndarray:
    """(n,) 1 where the neighbours are most of the set's arm, a share where several arms lead."""
    votes = near @ np.eye(count)[arms]
    most = votes >= votes.max(axis=1, keepdims=True) * (1 - _EQUAL)
    return most[np.arange(len(arms)), arms] / most.sum(axis=1)


def _interval(
    right: np.ndarray, cases: np.ndarray, random: np.random.Generator
) -> tuple[float, float]:
    totals, sizes = np.bincount(cases, weights=right), np.bincount(cases)
    drawn = random.integers(len(sizes), size=(RESAMPLES, len(sizes)))
    low, high = np.quantile(totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _matrix(traces: Sequence[Trace]) -> np.ndarray:
    """One column of numbers, or one for each word that several sets have and others don't."""
    texts = [trace for trace in traces if isinstance(trace, frozenset)]
    if not texts:
        return np.array(traces, dtype=float)[:, None]
    count = Counter(word for words in texts for word in words)
    chosen = sorted(word for word, n in count.items() if 1 < n < len(texts))
    return np.array([[float(word in words) for word in chosen] or [0.0] for words in texts])


def _words(page: str, letters: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The words of all tags and of the text after them that name a letter or one of its images."""
    found: dict[str, set[str]] = {letter: set() for letter in letters.values()}
    pieces = _PIECES.split(_TOKEN.sub(lambda match: letters.get(match[0], " "), page))
    for i, piece in enumerate(pieces):
        words = set(_WORD.findall(piece))
        for letter in found.keys() & words:
            found[letter] |= words
            found[letter].update(_WORD.findall("".join(pieces[i + 1 : i + 2])))
    return {letter: frozenset(words - found.keys()) for letter, words in found.items()}


def _coded(labels: Sequence[Hashable]) -> np.ndarray:
    codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    return np.array([codes[label] for label in labels], dtype=int)


def _mean(numbers) -> float:
    numbers = list(numbers)
    return math.fsum(numbers) / len(numbers) if numbers else 0.0


def _number(token: str) -> int:
    return int.from_bytes(token.encode()[:6], "big")


def _digest(heads) -> float:
    """Equal for equal sets of bytes, and else far apart."""
    return float(zlib.crc32(b"\n".join(sorted(set(heads)))))
