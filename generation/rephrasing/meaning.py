"""What a prompt asks to be seen: read from its words, not from a list of known sentences."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from generation.rephrasing.words import Item, items

_ATTRIBUTES = {"colour": "colours", "size": "sizes", "type": "types", "place": "places"}


class NotUnderstood(ValueError):
    """The text has words, or a turn of words, that the reader does not know."""


@dataclass(frozen=True, order=True)
class Thing:
    """Something that is to be seen, or (count "0") not to be seen.

    Attributes:
        name: as in MEDVQA-GI: polyp, finding, abnormality, instrument, text, z-line …
        count: "2" exactly, "1+" at least one, "2+" at least two (a bare plural), "0" none.
        places: fields of the image: center, upper-left, center-right, lower-center …
        sizes: "<5 mm", "5-10 mm", ">20 mm", small, medium, large.
        types: of the Paris classification: is, ip, iia.
    """

    name: str
    count: str
    places: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Meaning:
    """All that is asked; equal where two texts ask the same, in whatever order."""

    things: tuple[Thing, ...]
    procedures: tuple[str, ...] = ()


def meaning(text: str) -> Meaning:
    """Read a text in MEDVQA-GI's wording, its typos included, or in other words for it.

    Raises:
        NotUnderstood: with the words or the turn that can't be read.
    """
    read = items(text)
    if unknown := [item.value for item in read if item.kind == "unknown"]:
        raise NotUnderstood(f"Words that are not known: {', '.join(unknown)}.")
    return _Sentence(read).meaning()


@dataclass
class _Draft:
    name: str
    count: str
    attributes: dict[str, set[str]] = field(
        default_factory=lambda: {name: set() for name in _ATTRIBUTES.values()}
    )

    def thing(self) -> Thing:
        return Thing(
            self.name, self.count, **{k: tuple(sorted(v)) for k, v in self.attributes.items()}
        )


class _Sentence:
    """Goes through the items once, and gives each number, denial and attribute to its thing."""

    def __init__(self, read: Sequence[Item]) -> None:
        self.items = read
        self.things: list[_Draft] = []
        self.procedures: set[str] = set()
        self.count = ""  # waits for its thing
        self.waiting: list[Item] = []  # attributes, likewise
        self.denied = False
        self.denied_things = 0  # since the denial
        self.since: list[Item] = []  # what came after the last thing
        self.clause = 0  # the first thing of this clause

    def meaning(self) -> Meaning:
        for at, item in enumerate(self.items):
            handler = getattr(self, f"_{item.kind}", None)
            if item.kind in _ATTRIBUTES:
                self._attribute(at, item)
            elif handler:
                handler(item)
            self.since.append(item)
        self._end_of_denial()
        if self.count or self.waiting:
            raise NotUnderstood("A number or an attribute that belongs to nothing.")
        if not self.things and not self.procedures:
            raise NotUnderstood("Nothing that is to be seen.")
        return Meaning(
            tuple(sorted(draft.thing() for draft in self.things)), tuple(sorted(self.procedures))
        )

    def _things(self, item: Item) -> None:
        self._thing(item, plural=True)

    def _thing(self, item: Item, *, plural: bool = False) -> None:
        if self._refers_back(item):
            self.since = []
            return
        if self.denied and self.denied_things:
            self._second_denied()
        count = "0" if self.denied else (self.count or ("2+" if plural else "1+"))
        if self.denied:
            if self.count:
                raise NotUnderstood("A number of something that is denied.")
            self.denied_things += 1
        draft = _Draft(item.value, count)
        for attribute in self.waiting:
            draft.attributes[_ATTRIBUTES[attribute.kind]].add(attribute.value)
        self.things.append(draft)
        self.count, self.waiting, self.since = "", [], []

    def _refers_back(self, item: Item) -> bool:
        """ "an abnormality …, the abnormality is pink" speaks of one; "the" alone may be new."""
        same = [draft for draft in self.things if draft.name == item.value]
        definite = bool(self.since) and self.since[-1].kind == "definite"
        return bool(same) and definite and not (self.count or self.waiting or self.denied)

    def _second_denied(self) -> None:
        """Another thing after a denied one: "no polyps or text" denies both."""
        joins = [item.value for item in self.since if item.kind == "join"]
        if any(item.kind == "article" for item in self.since) or self.count:
            if "or" in joins:
                return
            self.denied = False  # "no polyps and a tube"
        elif not joins or "and" in joins:
            raise NotUnderstood("A denial that may or may not reach to the next thing.")

    def _count(self, item: Item) -> None:
        if self.count:
            raise NotUnderstood("Two numbers for one thing.")
        self.count = item.value

    def _denial(self, item: Item) -> None:
        if self.denied and not self.denied_things:
            raise NotUnderstood("A denial of a denial.")
        self.denied, self.denied_things = True, 0

    def _afterwards(self, item: Item) -> None:
        """ "polyps are absent": the thing before, if there is one alone in this clause."""
        here = self.things[self.clause :]
        if len(here) != 1 or here[0].count not in ("1+", "2+") or self.denied:
            raise NotUnderstood("A denial that may belong to several things, or to none.")
        here[0].count = "0"
        self.clause = len(self.things)

    def _contrast(self, item: Item) -> None:
        self._end_of_denial()
        self.clause = len(self.things)

    def _end_of_denial(self) -> None:
        if self.denied and not self.denied_things:
            raise NotUnderstood("A denial of nothing.")
        self.denied = False

    def _procedure(self, item: Item) -> None:
        if self.denied:
            raise NotUnderstood("A procedure that is denied.")
        self.procedures.add(item.value)

    def _attribute(self, at: int, item: Item) -> None:
        if not self.things or self._leads_to_a_thing(at):
            self.waiting.append(item)
        else:
            if item.kind == "place" and self._opens_a_clause(at):
                raise NotUnderstood("A place that may belong to the thing before or after it.")
            self.things[-1].attributes[_ATTRIBUTES[item.kind]].add(item.value)

    def _leads_to_a_thing(self, at: int) -> bool:
        """Whether only attributes, joined or not, stand between here and the next thing."""
        joined = False
        for item in self.items[at + 1 :]:
            if item.kind in ("thing", "things"):
                return not joined
            if item.kind == "join":
                joined = True
            elif item.kind in _ATTRIBUTES:
                joined = False
            else:
                return False
        return False

    def _opens_a_clause(self, at: int) -> bool:
        """ "a polyp and, in the upper left, a tube"."""
        lead = next(
            (i for i in reversed(self.since) if i.kind not in ("neutral", "definite")), None
        )
        more = any(item.kind in ("thing", "things") for item in self.items[at:])
        return more and lead is not None and lead.kind == "join"
