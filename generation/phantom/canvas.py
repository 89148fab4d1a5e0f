"""What the painters share: a float picture with coordinates, and a few shading helpers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.floating[Any]]  # float32 in truth; mypy loses that in arithmetic
Window = tuple[slice, slice]

EVERYWHERE: Window = (slice(None), slice(None))


@dataclass
class Canvas:
    """A square picture in the making.

    ``rgb`` is (side, side, 3), 0 to 255; ``x`` is (1, side) and ``y`` (side, 1), both from -1
    to 1; ``light`` points from the surface to the light (x, y, towards the viewer), length 1.
    """

    side: int
    light_angle: float
    rng: np.random.Generator
    rgb: Field = field(init=False)
    x: Field = field(init=False)
    y: Field = field(init=False)
    light: tuple[float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        axis = (np.arange(self.side, dtype=np.float32) + 0.5) * (2 / self.side) - 1
        self.x, self.y = axis[None, :], axis[:, None]
        self.rgb = np.zeros((self.side, self.side, 3), np.float32)
        self.light = (
            0.5 * math.cos(self.light_angle),
            0.5 * math.sin(self.light_angle),
            0.866,
        )

    @property
    def pixel(self) -> float:
        """The side of a pixel in frame units."""
        return 2 / self.side

    def noise(self, cells: int, side: int | None = None) -> Field:
        """Smooth noise, about -1 to 1, with ``cells`` bumps across; the same at every size."""
        grid = self.rng.uniform(-1, 1, (cells + 3, cells + 3)).astype(np.float32)
        side = side or self.side
        image = Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)
        return np.asarray(image)

    def window(self, x: float, y: float, reach: float) -> Window:
        """The pixels within ``reach`` of (x, y) along both axes."""
        lo_x, hi_x = ((v + 1) * self.side / 2 for v in (x - reach, x + reach))
        lo_y, hi_y = ((v + 1) * self.side / 2 for v in (y - reach, y + reach))
        return (
            slice(max(0, int(lo_y)), min(self.side, math.ceil(hi_y))),
            slice(max(0, int(lo_x)), min(self.side, math.ceil(hi_x))),
        )

    def paint(self, window: Window, color: Field | tuple[float, ...], alpha: Field) -> None:
        """Lay a colour over the window; ``alpha`` (h, w) is 0 where it leaves what is there."""
        there = self.rgb[window]
        there += (np.asarray(color, np.float32) - there) * alpha[..., None]

    def darken(self, window: Window, amount: Field) -> None:
        """Cast a shadow on the window: 0 leaves the light, 1 takes it all."""
        self.rgb[window] *= 1 - amount[..., None]


def smoothstep(low: float, high: float, value: Field) -> Field:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t: Field = np.clip((value - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def ramp(*stops: tuple[float, float, float]) -> Field:
    """A table of 512 colours, (512, 3), through evenly spaced stops: dark to light."""
    at = np.linspace(0, 1, len(stops))
    fine = np.linspace(0, 1, 512)
    channels = [np.interp(fine, at, [stop[c] for stop in stops]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def shade(table: Field, brightness: Field) -> Field:
    """The colours, (h, w, 3), of brightnesses from 0 to 1 in a table made by ``ramp``."""
    return table[np.clip(brightness * 511, 0, 511).astype(np.intp)]
