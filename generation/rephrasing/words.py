"""From a text to its words, and from words to what each says (see `lexicon`)."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TypeVar

from generation.rephrasing import lexicon

V = TypeVar("V")

_PUT_STRAIGHT = {
    "’": "'",
    "–": "-",
    "—": ", ",
    "≥": ">=",
    "≤": "<=",
    "cannot": "can not",
    "can't": "can not",
    "won't": "will not",
    "n't": " not",
}
_WORD = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:'s)?|[<>]=?|[-/,;:.&+]")
_LONGEST = 5


@dataclass(frozen=True)
class Item:
    """One thing that a text says.

    ``kind`` is thing, things (plural), count, denial, afterwards (denies what came before),
    contrast, join, article, definite, colour, size, type, place, procedure, neutral or unknown.
    """

    kind: str
    value: str


def words(text: str) -> list[str]:
    """The words, numbers and signs of a text in small letters; run-together words taken apart."""
    text = text.lower()
    for wrong, right in _PUT_STRAIGHT.items():
        text = text.replace(wrong, right)
    text = re.sub(r"\b0-(?=i)", "", text)  # Paris types are also written "0-Is"
    # "upper-left" and "5-mm" are two words; "5-10" keeps its hyphen.
    text = re.sub(r"(?<=[^\W\d_])-(?=\w)|(?<=\d)-(?=[^\W\d_])", " ", text)
    found: list[str] = []
    for word in _WORD.findall(text):
        found += _apart(lexicon.TYPOS.get(word, word))
    return found


def _known_words() -> frozenset[str]:
    tables: tuple[Collection[lexicon.Phrase], ...] = (lexicon.THINGS, lexicon.COLOURS)
    return frozenset(word for table in tables for phrase in table for word in phrase)


_KNOWN = _known_words()


def _apart(word: str) -> list[str]:
    """MEDVQA-GI has "polyp snareandtube" and "a polypandulcerative colitis"."""
    for match in re.finditer("and", word):
        before, after = word[: match.start()], word[match.end() :]
        if before in _KNOWN and after in _KNOWN:
            return [before, "and", after]
    return [word]


def items(text: str) -> list[Item]:
    """What a text says, in its order."""
    return list(_Reader(words(text)).read())


class _Reader:
    def __init__(self, found: list[str]) -> None:
        self.words = found
        self.at = 0

    def read(self) -> Iterator[Item]:
        while self.at < len(self.words):
            yield self._next()

    def _next(self) -> Item:
        if procedure := self._take(lexicon.PROCEDURES):  # "upper endoscopy" is no place
            return Item("procedure", lexicon.PROCEDURES[procedure])
        for read in (self._size, self._paris, self._count, self._place):
            if item := read():
                return item
        if self._take(lexicon.FREE_OF):
            return Item("denial", "")
        if self._take(lexicon.AFTERWARDS):
            return Item("afterwards", "")
        return self._phrase() or self._word()

    def _phrase(self) -> Item | None:
        if phrase := self._take(lexicon.THINGS):
            name, plural = lexicon.THINGS[phrase]
            return Item("things" if plural else "thing", name)
        for kind, table in (
            ("colour", lexicon.COLOURS),
            ("type", lexicon.TYPES),
            ("size", lexicon.SIZES),
        ):
            if phrase := self._take(table):
                return Item(kind, table[phrase])
        if self._take(lexicon.DENIALS):
            return Item("denial", "")
        return None

    def _word(self) -> Item:
        word = self.words[self.at]
        self.at += 1
        for kind, known in (
            ("contrast", lexicon.CONTRASTS),
            ("join", lexicon.JOINS),
            ("article", lexicon.ARTICLES),
            ("definite", lexicon.DEFINITE),
            ("neutral", lexicon.NEUTRAL),
        ):
            if word in known:
                return Item(kind, word)
        return Item("unknown", word)

    def _take(self, phrases: Collection[lexicon.Phrase]) -> lexicon.Phrase | None:
        """The longest of the phrases that stands here; goes on behind it."""
        for length in range(min(_LONGEST, len(self.words) - self.at), 0, -1):
            phrase = tuple(self.words[self.at : self.at + length])
            if phrase in phrases:
                self.at += length
                return phrase
        return None

    def _number(self) -> str | None:
        if self.at < len(self.words):
            word = self.words[self.at]
            number = lexicon.NUMBERS.get(word)
            if number is not None or word[0].isdigit():
                self.at += 1
                return str(number) if number is not None else word
        return None

    # Sizes: "<5mm", "between 5 and 10 mm", "20 mm or more"

    def _size(self) -> Item | None:
        start = self.at
        sign = lexicon.COMPARISONS.get(self._take(lexicon.COMPARISONS) or ())
        spans = self._take({("between",), ("from",)})
        first = self._number()
        unit = self._unit()
        last = None
        if first and (self._take({("-",), ("to",)}) or (spans and self._take({("and",)}))):
            last = self._number()
            unit = self._unit() or unit
        if not first or not unit:
            self.at = start
            return None
        sign = lexicon.COMPARED.get(self._take(lexicon.COMPARED) or (), sign)
        ends = "-".join(f"{float(end) * unit:g}" for end in (first, last) if end)
        return Item("size", f"{sign or ''}{ends} mm")

    def _unit(self) -> int | None:
        unit = self._take({(name,) for name in lexicon.MILLIMETRES})
        return lexicon.MILLIMETRES[unit[0]] if unit else None

    # Paris types: "paris is and paris iia", "Paris type Is"; "is" is a verb elsewhere.

    def _paris(self) -> Item | None:
        here = self.words[self.at]
        named = self.at > 0 and self._after_paris()
        if here == "paris":
            self.at += 1
            return Item("neutral", here)
        if here in lexicon.PARIS and (named or here != "is"):
            self.at += 1
            return Item("type", here)
        return None

    def _after_paris(self) -> bool:
        """Whether the words since "paris" leave room for a type: "paris types is and" does."""
        at = self.at - 1
        between = {"type", "types", "classification", "class", "of", ":", "0", "-", "and", "or"}
        while at >= 0 and self.words[at] in between | {","} | lexicon.PARIS:
            at -= 1
        verb = (
            self.words[self.at : self.at + 1] == ["is"]
            and (self.words[self.at + 1 : self.at + 2] or [""])[0] in lexicon.PARIS
        )
        return at >= 0 and self.words[at] == "paris" and not verb

    # Counts: "2", "exactly one", "at least two", "two or more", "several"

    def _count(self) -> Item | None:
        start = self.at
        if phrase := self._take(lexicon.COUNTS):
            return Item("count", lexicon.COUNTS[phrase])
        least = self._take({("at", "least")})
        self._take(lexicon.EXACTLY)
        number = self._number() or self._single()
        if number is None:
            self.at = start
            return None
        more = self._take({("or", "more")})
        return Item("count", f"{number}+" if least or more else number)

    def _single(self) -> str | None:
        phrase = self._take(lexicon.COUNTS)
        return lexicon.COUNTS[phrase] if phrase else None

    # Places: "upper-left", "the middle of the lower edge", "right side"

    def _place(self) -> Item | None:
        run = self._directions()
        if not run:
            return None
        if set(run) == {"center"}:
            run += self._side()
        rows = {word for word in run if word in ("upper", "lower")}
        columns = {word for word in run if word in ("left", "right")}
        if len(rows) > 1 or len(columns) > 1:
            return Item("unknown", " ".join(run))
        row, column = rows.pop() if rows else "center", columns.pop() if columns else "center"
        return Item("place", "center" if row == column else f"{row}-{column}")

    def _directions(self) -> list[str]:
        run = []
        while self.at < len(self.words) and self.words[self.at] in lexicon.DIRECTIONS:
            run.append(lexicon.DIRECTIONS[self.words[self.at]])
            self.at += 1
        return run

    def _side(self) -> list[str]:
        """The side in "the middle of the right side"; nothing in "the middle of the image"."""
        start = self.at
        if self._take({("of", "the"), ("of", "its")}):
            run = self._directions()
            if run and self._take({(side,) for side in lexicon.SIDES}):
                return run
        self.at = start
        return []
