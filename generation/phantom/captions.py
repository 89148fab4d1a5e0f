"""True captions of a scene, and the prompts of the demonstration, in the MEDVQA-GI wording.

One table of prompts serves both: a caption of a scene is the text of a prompt that the scene
matches. So a prompt means exactly what its captions meant in training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .scene import COLUMNS, ROWS, Scene


@dataclass(frozen=True)
class Prompt:
    """A prompt, a rephrasing of the same meaning, and what both say of a scene."""

    text: str
    rephrasing: str
    means: Callable[[Scene], bool]


def _polyp_with(attribute: str, value: str) -> Callable[[Scene], bool]:
    return lambda scene: any(getattr(polyp, attribute) == value for polyp in scene.polyps)


def _instrument(kind: str) -> Callable[[Scene], bool]:
    return lambda scene: scene.instrument is not None and scene.instrument.kind == kind


#: The six of the quick start: each differs from the others at a glance.
DEMO_PROMPTS: tuple[Prompt, ...] = (
    Prompt(
        "Generate an image with no polyps.",
        "Create a colonoscopy picture without any polyp.",
        lambda scene: not scene.polyps,
    ),
    Prompt(
        "Generate an image with a large polyp.",
        "Create a colonoscopy picture that shows a big polyp.",
        _polyp_with("size", "large"),
    ),
    Prompt(
        "Generate an image with two or more polyps.",
        "Create a colonoscopy picture that shows several polyps.",
        lambda scene: len(scene.polyps) >= 2,
    ),
    Prompt(
        "Generate an image with 1 instrument.",
        "Create a colonoscopy picture that shows an instrument.",
        lambda scene: scene.instrument is not None,
    ),
    Prompt(
        "Generate an image containing a green/black box artefact.",
        "Create a colonoscopy picture that has a green or black box in the corner.",
        lambda scene: scene.box is not None,
    ),
    Prompt(
        "Generate an image containing a polyp and no instruments.",
        "Create a colonoscopy picture that shows a polyp but no instrument.",
        lambda scene: bool(scene.polyps) and scene.instrument is None,
    ),
)

#: Further prompts, so that a larger study needs no other data.
MORE_PROMPTS: tuple[Prompt, ...] = (
    Prompt(
        "Generate an image containing a polyp.",
        "Create a colonoscopy picture that shows a polyp.",
        lambda scene: bool(scene.polyps),
    ),
    Prompt(
        "Generate an image with 1 polyp.",
        "Create a colonoscopy picture that shows exactly one polyp.",
        lambda scene: len(scene.polyps) == 1,
    ),
    Prompt(
        "Generate an image with a small polyp.",
        "Create a colonoscopy picture that shows a little polyp.",
        _polyp_with("size", "small"),
    ),
    Prompt(
        "Generate an image containing a polyp and 1 instrument.",
        "Create a colonoscopy picture that shows a polyp and an instrument.",
        lambda scene: bool(scene.polyps) and scene.instrument is not None,
    ),
    Prompt(
        "Generate an image with no instruments.",
        "Create a colonoscopy picture without any instrument.",
        lambda scene: scene.instrument is None,
    ),
    Prompt(
        "Generate an image containing biopsy forceps.",
        "Create a colonoscopy picture that shows a forceps for biopsies.",
        _instrument("biopsy forceps"),
    ),
    Prompt(
        "Generate an image containing polyp snare.",
        "Create a colonoscopy picture that shows a snare for polyps.",
        _instrument("polyp snare"),
    ),
    Prompt(
        "Generate an image containing tube.",
        "Create a colonoscopy picture that shows a tube.",
        _instrument("tube"),
    ),
    Prompt(
        "Generate an image not containing a green/black box artefact.",
        "Create a colonoscopy picture without a box in the corner.",
        lambda scene: scene.box is None,
    ),
    Prompt(
        "Generate an image containing text.",
        "Create a colonoscopy picture that has text on it.",
        lambda scene: scene.text,
    ),
    Prompt(
        "Generate an image not containing text.",
        "Create a colonoscopy picture without any text.",
        lambda scene: not scene.text,
    ),
    *(
        Prompt(
            f"Generate a polyp of type paris {paris}.",
            f"Create a colonoscopy picture that shows a {kind} polyp.",
            _polyp_with("kind", kind),
        )
        for paris, kind in (("is", "sessile"), ("ip", "pedunculated"), ("iia", "flat"))
    ),
    *(
        Prompt(
            f"Generate an image with an abnormality with the color {color}.",
            f"Create a colonoscopy picture that shows a {color} polyp.",
            _polyp_with("color", color),
        )
        for color in ("pink", "red", "white")
    ),
    *(
        Prompt(
            f"Generate an image with an abnormality located in the {place}.",
            f"Create a colonoscopy picture that shows a polyp in the {place}.",
            _polyp_with("place", place),
        )
        for row in ROWS
        for column in COLUMNS
        for place in ["center" if row == column == "center" else f"{row}-{column}"]
    ),
)

_MEANING: dict[str, Callable[[Scene], bool]] = {
    text: prompt.means
    for prompt in DEMO_PROMPTS + MORE_PROMPTS
    for text in (prompt.text, prompt.rephrasing)
}


def matches(prompt: str, scene: Scene) -> bool:
    """Whether the scene is what the prompt, or its rephrasing, asks for.

    Raises ValueError for a text that is not one of the phantom's prompts.
    """
    if prompt not in _MEANING:
        raise ValueError(f"Not a prompt of the phantom: {prompt!r}. Use one of captions.py.")
    return _MEANING[prompt](scene)


def captions(scene: Scene) -> list[str]:
    """Every prompt and rephrasing that is true of the scene: about ten to thirty texts."""
    return [text for text, means in _MEANING.items() if means(scene)]
