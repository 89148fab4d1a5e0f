"""Whether a rephrasing that somebody else made still asks for the same."""

from collections import Counter
from functools import lru_cache

from generation.rephrasing import lexicon
from generation.rephrasing.meaning import Meaning, NotUnderstood, meaning
from generation.rephrasing.words import Item, items, words


def difference(original: str, rephrasing: str) -> str:
    """What a rephrasing changed, in words; "" where it kept the meaning.

    Where both texts are understood, their meanings are compared. Otherwise what can be recognised
    in them: things, numbers, denials, sides, sizes, colours, Paris types, procedures; and places,
    and whether things are one or many, where at least the original is understood.
    """
    before, after = _understood(original), _understood(rephrasing)
    if before is not None and before == after:
        return ""
    changed = _recognised(original, rephrasing, closely=before is not None)
    if not changed and before is not None and after is not None:
        return f"it reads as {after}, the prompt as {before}"
    return changed


@lru_cache(maxsize=2**16)
def findings(text: str) -> frozenset[str]:
    """What a text says is to be seen, whatever its number, place and size; empty where no word is
    known. In a text with a denial, all that it names counts as absent."""
    read = items(text)
    denied = "no " if any(item.kind in ("denial", "afterwards") for item in read) else ""
    return frozenset(denied + name for name in _named(read, "thing", "things"))


def _understood(text: str) -> Meaning | None:
    try:
        return meaning(text)
    except NotUnderstood:
        return None


def _recognised(original: str, rephrasing: str, *, closely: bool) -> str:
    before, after = _facts(original, closely=closely), _facts(rephrasing, closely=closely)
    changed = [
        f"{kind}: {_said(before[kind])} became {_said(after[kind])}"
        for kind in before
        if before[kind] != after[kind]
    ]
    return "; ".join(changed)


def _said(values: Counter[str]) -> str:
    return ", ".join(sorted(values.elements())) or "none"


def _facts(text: str, *, closely: bool) -> dict[str, Counter[str]]:
    """What can be told without understanding the sentence; numbers and denials by how often."""
    read, spoken = items(text), words(text)
    denials = Counter("no" for item in read if item.kind in ("denial", "afterwards"))
    facts = {
        "things": _named(read, "thing", "things"),
        "numbers": Counter(item.value for item in read if item.kind == "count"),
        "denials": denials,
        # Without the middle: "center-left" may be "on the left".
        "sides": Counter(
            {
                side
                for word in spoken
                if (side := lexicon.DIRECTIONS.get(word, "center")) != "center"
            }
        ),
        "sizes": _named(read, "size"),
        "colours": _named(read, "colour"),
        "Paris types": _named(read, "type"),
        "procedures": _named(read, "procedure"),
    }
    if closely:
        facts["places"] = _named(read, "place")
        # "no polyp" and "no polyps" are the same.
        facts["more than one"] = Counter() if denials else _named(read, "things")
    return facts


def _named(read: list[Item], *kinds: str) -> Counter[str]:
    return Counter({item.value for item in read if item.kind in kinds})
