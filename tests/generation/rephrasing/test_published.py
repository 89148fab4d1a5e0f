"""The rules and the reader over all 483 published prompts, and every rephrasing of each."""

import re
from itertools import pairwise

import pytest

from generation.rephrasing.meaning import NotUnderstood, meaning
from generation.rephrasing.rules import rephrasings

_SWAPS = [("left", "right"), ("upper", "lower"), ("colonoscopy", "gastroscopy")]
_SIZES = ["< 5mm", "5-10mm", "11-20mm", ">20mm"]
_COLOURS = ["pink", "red", "white", "yellow", "grey", "orange", "brown", "blue", "black", "green"]
_THINGS = [
    ("abnormality", "instrument"),
    ("an anatomical landmark", "an abnormality"),
    ("polyp", "finding"),
    ("cecum", "ileum"),
    ("oesophagitis", "ulcerative colitis"),
    ("tube", "metal clip"),
]
_VALUES = r"(?:located in the|the colors?|of size|of type) (?P<values>.+)\."


@pytest.fixture(scope="module")
def rephrased(published):
    return {prompt: rephrasings(prompt) for prompt in published}


def test_every_prompt_is_understood(published):
    not_understood = []
    for prompt in published:
        try:
            meaning(prompt)
        except NotUnderstood as error:
            not_understood.append((prompt, str(error)))
    assert not_understood == []


def test_prompts_that_differ_in_more_than_order_differ_in_meaning(published):
    """Were the reader blind to something, prompts that ask for different things would be one."""

    def unordered(prompt):
        # All words count, but not where they stand; "pink/red" is pink and red.
        text = prompt.lower().replace("rigth", "right").replace("colors", "color")
        return frozenset(re.findall(r"[\w<>-]+", text)) - {"and"}

    by_meaning = {}
    for prompt in published:
        by_meaning.setdefault(meaning(prompt), set()).add(unordered(prompt))
    assert [texts for texts in by_meaning.values() if len(texts) > 1] == []


def test_no_rephrasing_changes_the_meaning(rephrased):
    changed = [
        (prompt, text)
        for prompt, texts in rephrased.items()
        for text in texts
        if meaning(text) != meaning(prompt)
    ]
    assert changed == []


def test_every_prompt_has_at_least_six_rephrasings_all_different_from_it_and_each_other(rephrased):
    for prompt, texts in rephrased.items():
        assert len(texts) >= 6, prompt
        assert len({prompt, *texts}) == len(texts) + 1, prompt


def test_no_text_rephrases_two_prompts(rephrased):
    every = [text for texts in rephrased.values() for text in texts]
    assert len(set(every)) == len(every)
    assert not set(every) & set(rephrased)


def test_no_rephrasing_names_a_procedure_that_its_prompt_does_not_name(rephrased):
    for prompt, texts in rephrased.items():
        if "scopy" not in prompt:
            assert not any("scopy" in text.lower() for text in texts), prompt


def test_rephrasings_are_well_formed_sentences(rephrased):
    slips = re.compile(
        r"\ba [aeiou]|\ban [^aeiou]|\ban an\b|rigth|(?!land)[a-z]and[a-z]| {2}| ,|[^.]$|\.\.|[{}]"
    )
    assert [text for texts in rephrased.values() for text in texts if slips.search(text)] == []


def test_rephrasings_fit_into_clip_where_their_prompt_does(rephrased):
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()

    def tokens(text):
        return len(tokenizer.encode(text)) + 2  # start and end

    longest = 0
    for prompt, texts in rephrased.items():
        assert tokens(prompt) <= 77
        longest = max(longest, *(tokens(text) for text in texts))
    assert longest <= 77


def _mutations(text):
    """Texts that ask for something else, by one change each."""
    for one, other in _SWAPS + _THINGS:
        for before, after in ((one, other), (other, one)):
            if re.search(rf"\b{before}(?!\w)", text):
                yield re.sub(rf"\b{before}(?!\w)", after, text, count=1)
    for before, after in (("with no ", "with "), ("not containing", "containing")):
        if before in text:
            yield text.replace(before, after)
    if match := re.search(r"with (\d+) ", text):
        yield text.replace(match[0], f"with {int(match[1]) + 1} ")
        yield text.replace(match[0], "with no ")
    yield from _other_values(text)


def _other_values(text):
    match = re.search(_VALUES, text)
    if not match:
        return
    values = re.split(r", | and ", match["values"])
    for dropped in range(len(values) if len(values) > 1 else 0):
        rest = values[:dropped] + values[dropped + 1 :]
        yield text.replace(match["values"], " and ".join(rest))
    for table in (_SIZES, _COLOURS, ["paris is", "paris ip", "paris iia"]):
        for value in values:
            for other in set(table) - set(values):
                if value in table:
                    changed = [other if v == value else v for v in values]
                    yield text.replace(match["values"], " and ".join(changed))


def test_the_reader_sees_every_planted_change_of_a_prompt(published):
    unseen, planted = [], 0
    for prompt in published:
        for changed in _mutations(prompt):
            planted += 1
            if meaning(changed) == meaning(prompt):
                unseen.append((prompt, changed))
    # Swapping sides in a list that has both gives the same list twice over; nothing is changed.
    unseen = [(a, b) for a, b in unseen if not _same_values(a, b)]
    assert planted > 2500
    assert unseen == []


def _same_values(one, other):
    first, second = (re.search(_VALUES, text.replace("rigth", "right")) for text in (one, other))
    return (
        first is not None
        and second is not None
        and set(re.split(r", | and ", first["values"]))
        == set(re.split(r", | and ", second["values"]))
    )


_SAID_OTHERWISE = [
    *((f" {one}", f" {other}") for one, other in [("upper", "lower"), ("top", "bottom")]),
    *((f" {one}", f" {other}") for one, other in pairwise(_COLOURS)),
    ("left", "right"),
    (" two ", " three "),
    (" exactly one ", " at least one "),
    ("5 to 10", "11 to 20"),
    ("less than", "more than"),
    ("under", "over"),
    ("does not show any", "shows"),
    ("without any", "with some"),
    (" no ", " "),
    ("Is", "Ip"),
    ("endoscopic", "colonoscopic"),
]


def _said_otherwise(text):
    """Planted changes of a rephrasing, each where it changes what is asked."""
    for one, other in _SAID_OTHERWISE:
        for before, after in ((one, other), (other, one)):
            if text.count(before) == 1 and after not in text:
                yield text.replace(before, after)


def test_the_reader_sees_planted_changes_of_rephrasings(rephrased):
    unseen, planted = [], 0
    for prompt, texts in rephrased.items():
        for changed in (changed for text in texts[:6] for changed in _said_otherwise(text)):
            planted += 1
            try:
                if meaning(changed) == meaning(prompt):
                    unseen.append((prompt, changed))
            except NotUnderstood:
                pass
    assert planted > 800
    assert unseen == []
