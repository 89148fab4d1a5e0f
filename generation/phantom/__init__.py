"""A colonoscopy phantom: seeded procedural drawings of colonoscopy frames, with true captions.

Blindread's own demonstration data. A :class:`Scene` says what is in the frame (mucosa, folds,
lumen, polyps, instrument, box artefact, burned-in text), :func:`draw` paints it,
:func:`captions` says it in the wording of the MEDVQA-GI prompts, and :func:`corpus` yields
any number of such images. Equal seeds give equal pixels.

Every image is a cartoon: no patient's image was used to make it, none is imitated, and it
must be labelled a phantom wherever it is shown.
"""

from .captions import DEMO_PROMPTS, MORE_PROMPTS, Prompt, captions, matches
from .corpus import PhantomImage, corpus
from .draw import draw
from .scene import Instrument, Lumen, Polyp, Scene, random_scene, scene_for

__all__ = [
    "DEMO_PROMPTS",
    "MORE_PROMPTS",
    "Instrument",
    "Lumen",
    "PhantomImage",
    "Polyp",
    "Prompt",
    "Scene",
    "captions",
    "corpus",
    "draw",
    "matches",
    "random_scene",
    "scene_for",
]
