"""The prompts of MEDVQA-GI from the questions and answers of Kvasir-VQA.

Both were written from the same annotations, so this is their inverse: the wording is that of the
483 published prompts, "an an abnormality" included, for a model knows a prompt by its words. Two
things are done otherwise: an image with several findings or instruments gets a prompt for each
("polyp snareandtube" becomes two), and counts that are not numbers are left out.
"""

from collections.abc import Callable

Rule = Callable[[list[str]], list[str]]

_NO_ANSWER = {"", "none", "not relevant", "n/a", "no answer"}


def is_known(question: str) -> bool:
    """Whether this is one of Kvasir-VQA's questions."""
    return _key(question) in _RULES


def prompts_for(question: str, answer: str) -> list[str]:
    """The prompts that a question with its answer amounts to; none for "none".

    Raises KeyError for a question that `is_known` doesn't know.
    """
    answers = [part.strip().lower() for part in answer.split(";")]
    given = [part for part in dict.fromkeys(answers) if part not in _NO_ANSWER]
    return _RULES[_key(question)](given) if given else []


def _key(question: str) -> str:
    """Questions end in hints such as "Check all that are present.", in some versions."""
    return question.split("?")[0].strip().lower()


def _listed(items: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def _present(what: str) -> Rule:
    def rule(answers: list[str]) -> list[str]:
        containing = {"yes": "containing", "no": "not containing"}.get(answers[0])
        return [f"Generate an image {containing} {what}."] if containing else []

    return rule


def _count(noun: str) -> Rule:
    def rule(answers: list[str]) -> list[str]:
        number = answers[0]
        if not number.isdigit():
            return []
        plural = "" if number == "1" else "s"
        return [f"Generate an image with {number if int(number) else 'no'} {noun}{plural}."]

    return rule


def _each(pattern: str) -> Rule:
    def rule(answers: list[str]) -> list[str]:
        return [pattern.format("a polyp" if answer == "polyp" else answer) for answer in answers]

    return rule


def _located(what: str) -> Rule:
    return lambda answers: [f"Generate an image with an {what} located in the {_listed(answers)}."]


def _colours(answers: list[str]) -> list[str]:
    noun = "color" if len(answers) == 1 else "colors"
    return [f"Generate an image with an abnormality with the {noun} {_listed(answers)}."]


def _polyp_types(answers: list[str]) -> list[str]:
    noun = "a polyp" if len(answers) == 1 else "polyps"
    return [f"Generate {noun} of type {_listed(answers)}."]


def _polyp_sizes(answers: list[str]) -> list[str]:
    noun = "a polyp" if len(answers) == 1 else "polyps"
    sizes = ["< 5mm" if answer == "<5mm" else answer for answer in answers]
    return [f"Generate an image with {noun} of size {_listed(sizes)}."]


def _no_prompt(answers: list[str]) -> list[str]:
    """MEDVQA-GI has no prompt for this question."""
    return []


_RULES: dict[str, Rule] = {
    "what type of procedure is the image taken from": _each(
        "Generate an image from a {} procedure."
    ),
    "is there text": _present("text"),
    "is there a green/black box artefact": _present("a green/black box artefact"),
    "how many findings are present": _count("finding"),
    "how many polyps are in the image": _count("polyp"),
    "how many instrumnets are in the image": _count("instrument"),  # as published
    "how many instruments are in the image": _count("instrument"),
    "are there any abnormalities in the image": _each("Generate an image containing {}."),
    "are there any instruments in the image": _each("Generate an image containing {}."),
    "are there any anatomical landmarks in the image": _each(
        "Generate an image containing the {}."
    ),
    "where in the image is the abnormality": _located("an abnormality"),
    "where in the image is the instrument": _located("an instrument"),
    "where in the image is the anatomical landmark": _located("an anatomical landmark"),
    "what color is the abnormality": _colours,
    "what type of polyp is present": _polyp_types,
    "what is the size of the polyp": _polyp_sizes,
    "what color is the anatomical landmark": _no_prompt,
    "have all polyps been removed": _no_prompt,
    "is this finding easy to detect": _no_prompt,
    "does this image contain any finding": _no_prompt,
    "where exactly in the image is the polyp located": _no_prompt,
    "where exactly in the image is the instrument located": _no_prompt,
}
