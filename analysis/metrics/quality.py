"""What a person should look at before images are shown to readers: rules, not judgements.

PURE. Two rules are absolute (an image of one colour, a pixel size of its own), one compares the
images of a set (nearly the same picture), and the others compare an image with all images of its
arm: an arm that is soft or pale throughout is what a study is there to find out, one image that is
softer than its siblings may be a fault. "Far" is `FAR` robust standard deviations (1.4826 times the
median absolute deviation) from the arm's median; of normally distributed values, 1 in 150,000 lies
so far on one side. With fewer than `FEWEST` images nothing is told about an arm.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from analysis.metrics.pixel_views import PixelView

PLAIN = 2.0  # grey levels of standard deviation; below it an image is of one colour
SAME = 24  # differing bits of 256, up to which two images are nearly the same picture
NEAREST = 0.5  # of the least distance of a held-out image, below which one is nearly a copy
CLIPPED = 0.1  # of the pixels, from which on white is much
FAR = 4.5
FEWEST = 20
_SIDE = 256  # pixels a side at which sharpness is measured, whatever the size

KINDS = {
    "plain": "of one colour",
    "size": "another size",
    "same": "nearly the same",
    "soft": "blurred",
    "flat": "low contrast",
    "white": "washed out",
    "colour": "odd colours",
    "copy": "near a training image",
}


@dataclass(frozen=True)
class Looked:
    """An image as the rules see it: its size and what `measured` says of it."""

    size: tuple[int, int]
    mean: float  # of luminance, 0 to 255
    deviation: float  # of the channel that varies most
    contrast: float  # standard deviation of luminance
    sharpness: float  # natural logarithm of the variance of its Laplacian
    clipped: float  # share of the pixels that are white: 250 or more in every channel
    red_green: float  # of the mean colour
    yellow_blue: float

    @classmethod
    def of(cls, size: tuple[int, int], vector: np.ndarray) -> "Looked":
        return cls(size, *(float(value) for value in vector))


@dataclass(frozen=True)
class Flag:
    """Why to look at the image at this place."""

    place: int
    kind: str
    detail: str


def measured(image: Image.Image) -> np.ndarray:
    """What `Looked` holds beside the size, of shape (7,)."""
    image = image.convert("RGB")
    pixels = np.asarray(image, dtype=np.float64)
    grey = pixels @ (0.299, 0.587, 0.114)
    red, green, blue = pixels.mean((0, 1))
    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    kernel = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
    edges = np.asarray(small.filter(kernel), dtype=np.float64)[1:-1, 1:-1]
    return np.array(
        [
            grey.mean(),
            pixels.std((0, 1)).max(),
            grey.std(),
            np.log(edges.var() + 0.1),
            (pixels.min(2) >= 250).mean(),
            red - green,
            (red + green) / 2 - blue,
        ]
    )


QUALITY = PixelView("quality:2", measured)


def flag_arm(images: Sequence[Looked]) -> list[Flag]:
    """What to look at among the images of one arm, by their places."""
    found = list(_absolute(images))
    plain = {flag.place for flag in found if flag.kind == "plain"}
    rest = [place for place in range(len(images)) if place not in plain]
    if len(rest) >= FEWEST:
        found += _relative([(place, images[place]) for place in rest])
    return found


def flag_set(hashes: np.ndarray) -> list[Flag]:
    """The later of any two images of a set that are nearly the same picture, from their 256 bits
    of perceptual hash, one row an image."""
    differing = (hashes[:, None] != hashes[None]).sum(2)
    found = []
    for place in range(1, len(hashes)):
        other = int(differing[place, :place].argmin())
        bits = int(differing[place, other])
        if bits <= SAME:
            detail = f"nearly the same as image {other + 1}: {bits} of 256 bits differ"
            found.append(Flag(place, "same", detail))
    return found


def flag_copy(place: int, distance: float, held_out: np.ndarray) -> Flag | None:
    """Whether a generated image lies less than half as far from a training image as any held-out
    image does, which is evidence of copying."""
    least = float(held_out.min()) if len(held_out) else 0.0
    if distance >= NEAREST * least:
        return None
    detail = f"{distance:.3g} from a training image; no held-out image is nearer than {least:.3g}"
    return Flag(place, "copy", detail)


def _absolute(images: Sequence[Looked]) -> Iterator[Flag]:
    sizes = Counter(image.size for image in images)
    usual = sizes.most_common(1)[0][0] if images else (0, 0)
    for place, image in enumerate(images):
        if image.deviation < PLAIN:
            name = "black" if image.mean < 16 else "white" if image.mean > 239 else "one colour"
            yield Flag(place, "plain", f"all {name}")
        if image.size != usual:
            width, height = image.size
            detail = f"{width}×{height} pixels; most of the arm have {usual[0]}×{usual[1]}"
            yield Flag(place, "size", detail)


def _relative(images: Sequence[tuple[int, Looked]]) -> Iterator[Flag]:
    of = [image for _, image in images]
    sharp = _scores([image.sharpness for image in of], least=0.1)
    contrast = _scores([image.contrast for image in of], least=1.0)
    clipped = _scores([image.clipped for image in of], least=0.01)
    red_green = _scores([image.red_green for image in of], least=2.0)
    yellow_blue = _scores([image.yellow_blue for image in of], least=2.0)
    colour = np.hypot(red_green, yellow_blue)
    for i, (place, image) in enumerate(images):
        if sharp[i] < -FAR:
            yield Flag(place, "soft", f"edges weaker than the arm's by {_far(sharp[i])}")
        if contrast[i] < -FAR:
            detail = f"{image.contrast:.0f} grey levels, below the arm's by {_far(contrast[i])}"
            yield Flag(place, "flat", detail)
        if image.clipped > CLIPPED and clipped[i] > FAR:
            detail = f"{image.clipped:.0%} of its pixels are white"
            yield Flag(place, "white", detail)
        if colour[i] > FAR:
            yield Flag(place, "colour", f"mean colour off the arm's by {_far(colour[i])}")


def _scores(values: Sequence[float], *, least: float) -> np.ndarray:
    """Robust z scores; the spread counts as `least` at least, lest equal images make any other
    one odd."""
    array = np.asarray(values)
    median = np.median(array)
    spread = max(1.4826 * float(np.median(np.abs(array - median))), least)
    return (array - median) / spread


def _far(score: float) -> str:
    return f"{abs(score):.1f} robust standard deviations"
