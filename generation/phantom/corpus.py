"""A corpus of phantom images: as many as wanted, split into train and test, always the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from PIL import Image

from .captions import DEMO_PROMPTS, captions
from .draw import draw
from .scene import Scene, random_scene, scene_for

Split = Literal["train", "test"]


@dataclass(frozen=True)
class PhantomImage:
    """One drawn frame, with its captions and the scene it shows."""

    name: str
    image: Image.Image
    captions: list[str]
    scene: Scene
    split: Split


def corpus(n: int, *, seed: int, size: int) -> Iterator[PhantomImage]:
    """Yield ``n`` phantom images of ``size`` × ``size`` pixels, RGB; about 30 % are test images.

    Within each split the scenes go round the demo prompts and one free scene, so that 240
    images hold at least 8 test images for every demo prompt. A larger corpus of the same
    seed begins with the smaller one.
    """
    drawn: Counter[Split] = Counter()
    for index in range(n):
        split = _split(index)
        turn = drawn[split] % (len(DEMO_PROMPTS) + 1)
        drawn[split] += 1
        number = seed * 1_000_003 + index
        scene = (
            scene_for(DEMO_PROMPTS[turn].means, seed=number)
            if turn < len(DEMO_PROMPTS)
            else random_scene(number)
        )
        yield PhantomImage(
            name=f"phantom-{index:05d}",
            image=draw(scene, size=size, seed=number),
            captions=captions(scene),
            scene=scene,
            split=split,
        )


def _split(index: int) -> Split:
    """By hash of the index, so that a longer corpus leaves every image in its split."""
    return "test" if sha256(f"split {index}".encode()).digest()[0] < 77 else "train"
