"""Other words for prompts in MEDVQA-GI's wording, by rule: no network, the same every time.

A prompt is read by its pattern into what it shows; each pattern has several phrases for that, and
each phrase goes into several sentences. Nothing is added that the prompt doesn't say: a picture is
"endoscopic", never of a procedure that isn't named. Typos in the words around ("an an abnormality",
"lower-rigth", "snareandtube") are put right; values are kept as they stand ("ink", "pink/red").
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Match = re.Match[str]


class NoRule(ValueError):
    """The prompt is not in MEDVQA-GI's wording."""


def rephrasings(prompt: str, *, seed: int = 0) -> list[str]:
    """All that the rules have for a prompt (six at least), in an order that the seed draws.

    Raises:
        NoRule: the prompt is not in MEDVQA-GI's wording.
    """
    text = " ".join(prompt.split())
    for rule in _RULES:
        if match := re.fullmatch(rule.pattern, text, re.IGNORECASE):
            found = [t for t in dict.fromkeys(rule.sentences(match)) if t != text]
            random.Random(f"{seed}:{text}").shuffle(found)
            return found
    raise NoRule(
        f"No rule for “{prompt}”: the rules know MEDVQA-GI's wording (Generate an image "
        "containing …, with …, from a … procedure.). Give a CSV file or an endpoint instead."
    )


def rephrase(prompt: str, *, variant: int = 0, seed: int = 0) -> str:
    """One rephrasing; variants from 0 up differ from each other, and repeat only when all are used.

    Raises NoRule as `rephrasings` does.
    """
    found = rephrasings(prompt, seed=seed)
    return found[variant % len(found)]


# Sentences. {} is what is seen; each reads well in the singular and in the plural.
_PLAIN = (
    "Create a picture that shows {}.",
    "Show an endoscopic view with {}.",
    "Produce an endoscopic image showing {}.",
    "Render an endoscopic frame that includes {}.",
    "Make an endoscopic picture with {}.",
    "An endoscopic photo that shows {}.",
)
_SHOWING = (
    *_PLAIN,
    "Produce an endoscopic image in which {} can be seen.",
    "Make a picture with {} in it.",
    "Depict {} in an endoscopic picture.",
)
_WITHOUT = (
    "Create a picture without any {}.",
    "Show an endoscopic view in which no {} can be seen.",
    "Produce an endoscopic image that does not show any {}.",
    "Render an endoscopic frame showing no {}.",
    "Make an endoscopic picture that is free of {}.",
    "An endoscopic photo that has no {} in it.",
    "Depict an endoscopic scene that includes no {}.",
    "Draw an endoscopic scene without {}.",
)
_PROCEDURE = (
    "Create a picture that was taken during a {}.",
    "Show a view from a {}.",
    "Produce an image recorded during a {}.",
    "Render a frame as it is seen in a {}.",
    "Make a {} picture.",
    "A {} photo.",
    "Depict a scene from a {}.",
    "Draw what a {} shows.",
    "A still image from a {} examination.",
)


@dataclass(frozen=True)
class _Rule:
    """A pattern of prompts, and the phrases that say what its match shows."""

    pattern: str
    phrases: Callable[[Match], Iterator[str]]
    frames: tuple[str, ...]

    def sentences(self, match: Match) -> Iterator[str]:
        phrases = list(self.phrases(match))
        for frame in self.frames:
            for phrase in phrases:
                yield frame.format(phrase)


def _listed(values: list[str]) -> str:
    """["a", "b", "c"] → "a, b and c"."""
    return " and ".join(filter(None, (", ".join(values[:-1]), values[-1])))


def _values(text: str) -> list[str]:
    return re.split(r",\s*|\s+and\s+", text.strip())


def _with_article(text: str) -> str:
    return f"{'an' if text[0].lower() in 'aeiou' else 'a'} {text}"


# Places

_OTHER_PLACES = {
    "center": "middle",
    "upper-left": "top left",
    "upper-center": "top center",
    "upper-right": "top right",
    "center-left": "middle left",
    "center-right": "middle right",
    "lower-left": "bottom left",
    "lower-center": "bottom center",
    "lower-right": "bottom right",
}


def _located(match: Match) -> Iterator[str]:
    what = _with_article(match["what"])
    places = [place.replace("rigth", "right") for place in _values(match["places"])]
    plain = _listed(places)
    spoken = _listed([place.replace("-", " ") for place in places])
    other = _listed([_OTHER_PLACES[place] for place in places])
    yield f"{what} in the {plain}"
    yield f"{what} in the {spoken} of the image"
    yield f"{what} that lies in the {plain}"
    yield f"{what} situated in the {spoken}"
    yield f"{what} at the {other}"
    yield f"{what} positioned at the {other} of the image"


# Colours, sizes, Paris types


def _coloured(match: Match) -> Iterator[str]:
    values = _values(match["colours"])
    colours, one = _listed(values), len(values) == 1
    yield f"an abnormality that is {colours}"
    yield f"{_with_article(colours)} abnormality"
    yield f"an abnormality coloured {colours}"
    yield f"an abnormality in {colours}"
    yield f"an abnormality whose {'colour is' if one else 'colours are'} {colours}"


def _sized(match: Match) -> Iterator[str]:
    what = match["what"]
    sizes = [size.replace(" ", "") for size in _values(match["sizes"])]
    short = _listed([re.sub(r"mm$", " mm", size) for size in sizes])
    yield f"{what} measuring {short}"
    yield f"{what} with {'a size' if len(sizes) == 1 else 'sizes'} of {short}"
    for below, above in (("less than", "more than"), ("under", "over"), ("below", "above")):
        said = _listed([_said(size, below, above) for size in sizes])
        yield f"{what} that {'measures' if what.startswith('a ') else 'measure'} {said}"
        yield f"{what} of {said} in size"


def _said(size: str, below: str, above: str) -> str:
    """ "<5mm" → "less than 5 mm", "5-10mm" → "5 to 10 mm"."""
    number = size.strip("<>").removesuffix("mm").replace("-", " to ")
    sign = {"<": f"{below} ", ">": f"{above} "}.get(size[0], "")
    return f"{sign}{number} mm"


def _typed(match: Match) -> Iterator[str]:
    types = re.findall(r"paris (\w+)", match["types"], re.IGNORECASE)
    what, names = match["what"], _listed([_paris(kind) for kind in types])
    kinds = "type" if len(types) == 1 else "types"
    yield f"{what} of Paris {kinds} {names}"
    yield f"{what} classified as Paris {names}"
    yield f"{what} with the Paris {kinds} {names}"
    yield f"{what} that can be classified as Paris {kinds} {names}"


def _paris(kind: str) -> str:
    """As the classification writes it: "iia" → "IIa", "isp" → "Isp"."""
    roman = re.match(r"i+", kind.lower())
    length = roman.end() if roman else 0
    return kind[:length].upper() + kind[length:].lower()


# Counts

_NUMBERS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]


def _counted(match: Match) -> Iterator[str]:
    number, noun = match["number"], match["noun"]
    word = _NUMBERS[int(number)] if int(number) < len(_NUMBERS) else number
    yield f"{word} {noun}"
    yield f"exactly {word} {noun}"
    yield f"exactly {number} {noun}"
    yield f"a single {noun}" if int(number) == 1 else f"a total of {word} {noun}"


# Things that are there or not

_TOOLS = ("tube", "polyp snare", "metal clip", "injection needle")


def _contained(match: Match) -> Iterator[str]:
    names = re.split(r"and(?=\w)", match["names"], flags=re.IGNORECASE)
    yield " and ".join(_with_article(name) if name.lower() in _TOOLS else name for name in names)


def _text(match: Match) -> Iterator[str]:
    yield from ("text", "some text", "written text")


def _negated(match: Match) -> Iterator[str]:
    """ "a green/black box artefact" → "green/black box artefacts"; "polyps", "text" stay."""
    article, noun = match["article"], match["what"]
    yield f"{noun}s" if article else noun


def _as_it_stands(match: Match) -> Iterator[str]:
    yield match["what"]


# "no polyps and a tube" denies the polyps only, so it is left as it stands.
_ALONE = r"(?!.*(?:,| and | but | with ))"
_ANY = r"(?P<what>.+?)"
_NAMES = (
    "a polyp",
    "oesophagitis",
    "ulcerative colitis",
    "barretts",
    "biopsy forceps",
    "an? green/black box artefact",
    "the (?:z-line|cecum|ileum|pylorus)",
)
_NAME = f"(?:{'|'.join((*_NAMES, *_TOOLS))})"
_START = "Generate an image "

#: The first that fits is taken, so the last one may fit nearly all.
_RULES = (
    _Rule(_START + r"from an? (?P<what>\w+oscopy) procedure\.?", _as_it_stands, _PROCEDURE),
    _Rule(
        _START + rf"(?:with no|not containing|containing no) {_ALONE}(?P<article>an? )?{_ANY}\.?",
        _negated,
        _WITHOUT,
    ),
    _Rule(
        _START + r"with (?P<number>\d+) (?P<noun>findings?|polyps?|instruments?)\.?",
        _counted,
        _SHOWING,
    ),
    _Rule(
        _START + r"with an (?:an )?(?P<what>abnormality|instrument|anatomical landmark) "
        r"located in the (?P<places>[a-z, -]+)\.?",
        _located,
        _PLAIN,
    ),
    _Rule(
        _START + r"with an abnormality with the colors? (?P<colours>[a-z, /]+)\.?",
        _coloured,
        _PLAIN,
    ),
    _Rule(
        _START + r"with (?P<what>a polyp|polyps) of size (?P<sizes>[\d<>m, and-]+)\.?",
        _sized,
        _PLAIN,
    ),
    _Rule(
        r"Generate (?P<what>a polyp|polyps) of type (?P<types>paris i\w+(?: and paris i\w+)*)\.?",
        _typed,
        _PLAIN,
    ),
    _Rule(_START + r"containing text\.?", _text, _SHOWING),
    _Rule(_START + rf"containing (?P<names>{_NAME}(?:and{_NAME})*)\.?", _contained, _SHOWING),
    # "Pink findings" is a slip of MEDVQA-GI; the rest is what other data sets say in this pattern.
    _Rule(_START + rf"(?:with|containing) {_ANY}\.?", _as_it_stands, _PLAIN),
)
