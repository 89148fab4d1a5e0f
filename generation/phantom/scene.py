"""What is in a phantom frame: a scene, drawn at random from a seed.

Coordinates: x to the right and y downwards, both from -1 to 1 over the frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal["sessile", "pedunculated", "flat"]
Size = Literal["small", "medium", "large"]
Color = Literal["pink", "red", "white"]
InstrumentKind = Literal["biopsy forceps", "polyp snare", "tube"]
Tone = Literal["pink", "orange", "pale", "red"]
Box = Literal["green", "black"]

RADIUS: dict[Size, float] = {"small": 0.15, "medium": 0.25, "large": 0.4}
ROWS = ("upper", "center", "lower")
COLUMNS = ("left", "center", "right")


def place_name(x: float, y: float) -> str:
    """The cell of the 3×3 grid that holds (x, y): "upper-left" … "center" … "lower-right"."""
    row, column = (min(2, max(0, math.floor((v + 1) * 1.5))) for v in (y, x))
    return "center" if row == column == 1 else f"{ROWS[row]}-{COLUMNS[column]}"


@dataclass(frozen=True)
class Polyp:
    """A polyp with its centre at (x, y)."""

    kind: Kind
    size: Size
    color: Color
    x: float
    y: float

    @property
    def radius(self) -> float:
        """Radius in frame units (the frame is 2 wide)."""
        return RADIUS[self.size]

    @property
    def place(self) -> str:
        """The cell of the 3×3 grid, in the prompts' words ("upper-left", "center", …)."""
        return place_name(self.x, self.y)


@dataclass(frozen=True)
class Instrument:
    """An instrument that enters at an edge, (from_x, from_y), and ends at (tip_x, tip_y)."""

    kind: InstrumentKind
    from_x: float
    from_y: float
    tip_x: float
    tip_y: float


@dataclass(frozen=True)
class Lumen:
    """The dark end of the bowel; it may lie outside the frame (a view of the wall)."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """All that a phantom frame shows. Finer detail comes from the seed given to ``draw``."""

    tone: Tone
    lumen: Lumen
    folds: int
    vessels: float  # 0 (none visible) to 1
    light: float  # direction the light comes from, radians
    polyps: tuple[Polyp, ...] = ()
    instrument: Instrument | None = None
    box: Box | None = None
    text: bool = False


def random_scene(seed: int) -> Scene:
    """The scene of a seed: equal seeds give equal scenes."""
    rng = Random(f"scene {seed}")
    box: Box | None = rng.choices((None, "green", "black"), (55, 25, 20))[0]
    text = rng.random() < 0.4
    polyps = _polyps(rng, box=box, text=text)
    return Scene(
        tone=rng.choices(("pink", "orange", "pale", "red"), (40, 28, 17, 15))[0],
        lumen=_lumen(rng, polyps),
        folds=rng.randint(3, 5),
        vessels=rng.uniform(0.25, 1.0),
        light=rng.uniform(0, 2 * math.pi),
        polyps=polyps,
        instrument=_instrument(rng, polyps) if rng.random() < 0.4 else None,
        box=box,
        text=text,
    )


def scene_for(wanted: Callable[[Scene], bool], *, seed: int, tries: int = 2000) -> Scene:
    """A scene for which ``wanted`` holds, random in all else; equal seeds give equal scenes.

    Raises ValueError when ``tries`` random scenes hold none.
    """
    for attempt in range(tries):
        scene = random_scene(seed * tries + attempt)
        if wanted(scene):
            return scene
    raise ValueError(f"None of {tries} random scenes is as wanted: ask for something less rare.")


def _polyps(rng: Random, *, box: Box | None, text: bool) -> tuple[Polyp, ...]:
    """None to three polyps, apart from each other and not under the box or the text."""
    polyps: list[Polyp] = []
    for _ in range(rng.choices((0, 1, 2, 3), (30, 40, 22, 8))[0]):
        for _ in range(50):
            polyp = Polyp(
                kind=rng.choices(("sessile", "pedunculated", "flat"), (45, 33, 22))[0],
                size=rng.choices(("small", "medium", "large"), (25, 40, 35))[0],
                color=rng.choices(("pink", "red", "white"), (38, 38, 24))[0],
                x=rng.choice((-0.5, 0.0, 0.5)) + rng.uniform(-0.1, 0.1),
                y=rng.choice((-0.5, 0.0, 0.5)) + rng.uniform(-0.1, 0.1),
            )
            boxed = box and polyp.x - polyp.radius < -0.3 and polyp.y + polyp.radius > 0.3
            written_over = text and polyp.size == "small" and polyp.place == "upper-left"
            apart = all(
                math.hypot(polyp.x - other.x, polyp.y - other.y)
                > 1.1 * (polyp.radius + other.radius)
                for other in polyps
            )
            if apart and not boxed and not written_over:
                polyps.append(polyp)
                break
    return tuple(polyps)


def _lumen(rng: Random, polyps: tuple[Polyp, ...]) -> Lumen:
    """A lumen that no polyp covers: in the frame where there is room, else beyond its edge."""
    for _ in range(12 if rng.random() < 0.8 else 0):
        lumen = Lumen(rng.uniform(-0.55, 0.55), rng.uniform(-0.6, 0.45), rng.uniform(0.15, 0.27))
        gaps = (math.hypot(lumen.x - p.x, lumen.y - p.y) - p.radius for p in polyps)
        if all(gap > lumen.radius + 0.1 for gap in gaps):
            return lumen
    angle = rng.uniform(0, 2 * math.pi)
    return Lumen(1.15 * math.cos(angle), 1.15 * math.sin(angle), rng.uniform(0.25, 0.35))


def _instrument(rng: Random, polyps: tuple[Polyp, ...]) -> Instrument:
    """An instrument from the right, the bottom or the top right; clear of polyps if it can be."""
    kinds: tuple[InstrumentKind, ...] = ("biopsy forceps", "polyp snare", "tube")
    kind = rng.choices(kinds, (40, 35, 25))[0]
    candidates = []
    for _ in range(40):
        angle = math.radians(rng.uniform(-40, 100))
        from_x, from_y = 1.5 * math.cos(angle), 1.5 * math.sin(angle)
        tip_x, tip_y = rng.uniform(-0.25, 0.5), rng.uniform(-0.35, 0.5)
        if math.hypot(tip_x - from_x, tip_y - from_y) < 0.95:
            continue
        instrument = Instrument(kind, from_x, from_y, tip_x, tip_y)
        clearance = min((_distance(p, instrument) - p.radius for p in polyps), default=1.0)
        if clearance > 0.2:
            return instrument
        candidates.append((clearance, instrument))
    return max(candidates, key=lambda pair: pair[0])[1]


def _distance(polyp: Polyp, instrument: Instrument) -> float:
    """From the polyp's centre to the instrument's axis."""
    ax, ay = instrument.tip_x - instrument.from_x, instrument.tip_y - instrument.from_y
    px, py = polyp.x - instrument.from_x, polyp.y - instrument.from_y
    along = min(1.0, max(0.0, (px * ax + py * ay) / (ax * ax + ay * ay)))
    return math.hypot(px - along * ax, py - along * ay)
