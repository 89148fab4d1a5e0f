"""Instruments that enter the frame: biopsy forceps, a polyp snare, a plain tube."""

from __future__ import annotations

import math

import numpy as np

from .canvas import EVERYWHERE, Canvas, Field, ramp, shade, smoothstep
from .scene import Instrument

METAL = ramp((26, 28, 32), (92, 98, 106), (150, 158, 166), (206, 212, 216), (252, 254, 255))
PLASTIC = ramp((20, 40, 74), (48, 92, 146), (96, 148, 200), (172, 208, 236), (246, 252, 255))


def paint_instrument(canvas: Canvas, instrument: Instrument) -> None:
    """Paint the instrument from the frame's edge to its tip, over what is there."""
    length = math.hypot(instrument.tip_x - instrument.from_x, instrument.tip_y - instrument.from_y)
    ux = np.float32((instrument.tip_x - instrument.from_x) / length)
    uy = np.float32((instrument.tip_y - instrument.from_y) / length)
    dx, dy = (
        canvas.x - np.float32(instrument.tip_x),
        canvas.y - np.float32(instrument.tip_y),
    )
    ahead, beside = dx * ux + dy * uy, dy * ux - dx * uy
    lit_from = canvas.light[1] * float(ux) - canvas.light[0] * float(uy)
    match instrument.kind:
        case "biopsy forceps":
            _rod(
                canvas,
                METAL,
                ahead,
                beside,
                half=0.095,
                end=-0.2,
                lit_from=lit_from,
                coil=True,
            )
            for way in (1, -1):
                _jaw(canvas, ahead, beside, way, lit_from)
        case "polyp snare":
            _rod(canvas, PLASTIC, ahead, beside, half=0.095, end=-0.3, lit_from=lit_from)
            _loop(canvas, ahead, beside)
        case "tube":
            _rod(canvas, PLASTIC, ahead, beside, half=0.12, end=0.0, lit_from=lit_from)
            mouth = 1 - (ahead / np.float32(0.05)) ** 2 - (beside / np.float32(0.12)) ** 2
            canvas.paint(EVERYWHERE, (188, 214, 236), smoothstep(0.0, 0.15, mouth))
            canvas.paint(EVERYWHERE, (22, 24, 34), smoothstep(0.35, 0.5, mouth))


def _rod(
    canvas: Canvas,
    table: Field,
    ahead: Field,
    beside: Field,
    *,
    half: float,
    end: float,
    lit_from: float,
    coil: bool = False,
) -> None:
    """A cylinder of half-width ``half`` along the axis, up to ``end`` ahead of the tip."""
    edge = 1.5 * canvas.pixel
    inside = smoothstep(edge, -edge, ahead - np.float32(end))
    shadow = np.abs(beside + np.float32(0.7 * half * math.copysign(1, lit_from)))
    near = smoothstep(0.08, -0.08, ahead - np.float32(end))
    canvas.darken(EVERYWHERE, 0.5 * near * smoothstep(1.9 * half, 0.5 * half, shadow))
    v = beside / np.float32(half)
    dome = np.sqrt(np.maximum(0, 1 - v * v))
    lit = 0.12 + 0.55 * dome + 0.3 * v * np.float32(2 * lit_from) * dome
    lit += 0.5 * np.exp(-(((v - np.float32(0.8 * lit_from)) / 0.16) ** 2))
    if coil:
        lit *= 0.84 + 0.16 * np.cos(ahead * np.float32(2 * math.pi / 0.07) + 1.4 * v)
    canvas.paint(
        EVERYWHERE,
        shade(table, lit),
        inside * smoothstep(half + edge, half, abs(beside)),
    )


def _jaw(canvas: Canvas, ahead: Field, beside: Field, way: int, lit_from: float) -> None:
    """One open cup of the forceps, hinged at the end of the shaft."""
    turn = 0.5 * way
    along = (ahead + np.float32(0.2)) * math.cos(turn) + beside * math.sin(turn)
    across = beside * math.cos(turn) - (ahead + np.float32(0.2)) * math.sin(turn)
    square = ((along - 0.13) / np.float32(0.16)) ** 2 + (across / np.float32(0.075)) ** 2
    dome = np.sqrt(np.maximum(0, 1 - square))
    lit = 0.25 + 0.5 * dome + across / np.float32(0.075) * np.float32(0.5 * lit_from)
    lit += 0.5 * smoothstep(0.9, 1.0, dome + 0.1 * lit_from * way)
    canvas.paint(EVERYWHERE, shade(METAL, lit), smoothstep(1.0, 0.86, square))
    cup = ((along - 0.15) / np.float32(0.1)) ** 2 + (
        (across + np.float32(0.03 * way)) / np.float32(0.035)
    ) ** 2
    canvas.paint(EVERYWHERE, (40, 34, 36), 0.85 * smoothstep(1.0, 0.6, cup))


def _loop(canvas: Canvas, ahead: Field, beside: Field) -> None:
    """The wire loop of the snare, ahead of its sheath."""
    long, wide = np.float32(0.3), np.float32(0.22)
    a, b = (ahead + np.float32(0.02)) / long, beside / wide
    level = np.hypot(a, b) + np.float32(1e-4)
    wire = np.abs(level - 1) * level / np.hypot(a / long, b / wide)  # distance, to first order
    canvas.darken(EVERYWHERE, 0.45 * smoothstep(0.07, 0.02, wire))
    canvas.paint(EVERYWHERE, (176, 170, 150), smoothstep(0.036, 0.022, wire))
    canvas.paint(EVERYWHERE, (255, 252, 236), smoothstep(0.018, 0.004, wire))
