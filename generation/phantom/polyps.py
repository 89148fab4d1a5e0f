"""Polyps: domes of tissue with a boundary, a shadow, a pitted surface and a wet highlight."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

from .canvas import Canvas, Field, Window, ramp, shade, smoothstep
from .mucosa import TONES
from .scene import Color, Polyp, Size, Tone

COLORS: dict[Color, Field] = {
    "pink": ramp((58, 20, 18), (150, 62, 58), (214, 112, 104), (244, 162, 150), (255, 216, 206)),
    "red": ramp((46, 10, 10), (118, 30, 28), (178, 56, 50), (214, 92, 80), (248, 172, 156)),
    "white": ramp((76, 50, 40), (160, 122, 104), (218, 190, 170), (244, 226, 210), (255, 248, 240)),
}
LOBES: dict[Size, int] = {"small": 1, "medium": 5, "large": 9}


def paint_polyp(canvas: Canvas, polyp: Polyp, *, tone: Tone) -> None:
    """Paint one polyp, its stalk if it has one, and its shadow on the wall."""
    if polyp.kind == "pedunculated":
        _paint_stalk(canvas, polyp, tone)
    window = canvas.window(polyp.x, polyp.y, 1.6 * polyp.radius)
    dx = canvas.x[:, window[1]] - np.float32(polyp.x)
    dy = canvas.y[window[0]] - np.float32(polyp.y)
    height, alpha = _head(canvas, polyp, dx, dy)
    _cast_shadow(canvas, window, alpha, reach=0.22 * polyp.radius)

    facing = _facing(canvas, height)
    patches = _texture(canvas, dx, dy)
    body = 0.08 + 0.72 * np.clip(facing, 0, 1) + 0.07 * patches
    canvas.paint(window, shade(COLORS[polyp.color], body), alpha)
    gloss = facing + 0.05 * patches
    wet = 0.9 if polyp.kind == "flat" else 1.0
    canvas.paint(window, (255, 250, 244), wet * alpha * smoothstep(0.985, 1.01, gloss))


def _head(canvas: Canvas, polyp: Polyp, dx: Field, dy: Field) -> tuple[Field, Field]:
    """Height of the polyp in frame units and how much it covers each pixel, both (h, w)."""
    rng, radius = canvas.rng, polyp.radius
    turn, stretch = rng.uniform(0, math.pi), rng.uniform(1.0, 1.2)
    along = (dx * math.cos(turn) + dy * math.sin(turn)) * np.float32(1 / (stretch * radius))
    across = (dy * math.cos(turn) - dx * math.sin(turn)) * np.float32(1 / radius)
    inside = 1 - along**2 - across**2
    lobes = np.zeros_like(inside)
    for _ in range(0 if polyp.kind == "flat" else LOBES[polyp.size]):
        angle, out = rng.uniform(0, 2 * math.pi), 0.85 * math.sqrt(rng.uniform(0, 1))
        off_x, off_y = (
            np.float32(out * math.cos(angle)),
            np.float32(out * math.sin(angle)),
        )
        square = (along - off_x) ** 2 + (across - off_y) ** 2
        lobes = np.maximum(lobes, 0.6 * np.exp(square * np.float32(-7)))
    inside += lobes
    rough = canvas.noise(4, max(inside.shape))[: inside.shape[0], : inside.shape[1]]
    inside += np.float32(0.22 if polyp.kind == "flat" else 0.08) * rough
    inside = np.maximum(inside, 0)
    if polyp.kind == "flat":
        height = radius * 0.34 * (1 - np.exp(-2.5 * inside))
    else:
        height = radius * np.sqrt(inside)
    return height, smoothstep(0.0, 0.12, inside)


def _facing(canvas: Canvas, height: Field) -> Field:
    """Cosine of the angle between the surface and the light, (h, w)."""
    slope_y, slope_x = np.gradient(height, canvas.pixel)
    light_x, light_y, light_z = canvas.light
    upright = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
    facing: Field = (light_z - slope_x * light_x - slope_y * light_y) * upright
    return facing


def _texture(canvas: Canvas, dx: Field, dy: Field) -> Field:
    """Pits and patches of the surface, about -1 to 1, (h, w)."""
    h, w = dy.shape[0], dx.shape[1]
    fine = canvas.noise(26, max(h, w))[:h, :w]
    coarse = canvas.noise(9, max(h, w))[:h, :w]
    return 0.6 * fine + 0.5 * coarse


def _cast_shadow(canvas: Canvas, window: Window, alpha: Field, *, reach: float) -> None:
    """Darken the wall around the shape, most on the side away from the light."""
    blur = ImageFilter.BoxBlur(reach / canvas.pixel)
    soft = Image.fromarray(np.uint8(alpha * 255)).filter(blur)
    away = [1.8 * reach / canvas.pixel * part for part in canvas.light[:2]]
    moved = soft.transform(soft.size, Image.Transform.AFFINE, (1, 0, away[0], 0, 1, away[1]))
    canvas.darken(window, np.asarray(moved, np.float32) * np.float32(0.55 / 255))


def _paint_stalk(canvas: Canvas, polyp: Polyp, tone: Tone) -> None:
    """A stalk from the head to the wall: a bent, flaring cylinder in the wall's own colour."""
    rng, radius = canvas.rng, polyp.radius
    inwards = math.atan2(-polyp.y, -polyp.x)
    angle = inwards + rng.uniform(-1.3, 1.3)
    length, bend = np.float32(1.15 * radius + 0.32), np.float32(rng.uniform(-0.1, 0.1))
    window = canvas.window(polyp.x, polyp.y, 1.15 * float(length))
    dx = canvas.x[:, window[1]] - np.float32(polyp.x)
    dy = canvas.y[window[0]] - np.float32(polyp.y)
    t = (dx * math.cos(angle) + dy * math.sin(angle)) / length
    offset = dy * math.cos(angle) - dx * math.sin(angle) - bend * 4 * t * (1 - t)
    half = np.float32(0.055 + 0.26 * radius) * (1 + 0.8 * np.clip(t, 0, 1) ** 3)
    round_ = 1 - (offset / half) ** 2
    alpha = smoothstep(0.0, 0.25, round_) * smoothstep(1.0, 0.7, t) * (t > 0)
    _cast_shadow(canvas, window, alpha, reach=0.08)
    light_x, light_y, _ = canvas.light
    sideways = light_y * math.cos(angle) - light_x * math.sin(angle)
    lit = np.sqrt(np.maximum(round_, 0)) * 0.62 + offset / half * np.float32(0.4 * sideways)
    canvas.paint(window, shade(TONES[tone], 0.12 + 0.74 * lit), alpha)
    canvas.paint(window, (255, 248, 238), 0.6 * alpha * smoothstep(0.64, 0.7, lit))
