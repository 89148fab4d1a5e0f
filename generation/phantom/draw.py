"""Paint a scene as the frame that an endoscope's processor would show."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .canvas import EVERYWHERE, Canvas, smoothstep
from .instruments import paint_instrument
from .mucosa import paint_mucosa
from .polyps import paint_polyp
from .scene import Box, Scene


def draw(scene: Scene, *, size: int = 256, seed: int) -> Image.Image:
    """Draw the scene as an RGB image of ``size`` × ``size`` pixels.

    The scene says what is shown; the seed decides the rest (the course of folds and vessels,
    highlights). Equal arguments give equal pixels. Painted at twice the size, then halved.
    Raises ValueError for a size below 32.
    """
    if size < 32:
        raise ValueError(f"A phantom needs at least 32 pixels a side, not {size}.")
    canvas = Canvas(2 * size, scene.light, np.random.default_rng(seed))
    paint_mucosa(canvas, scene)
    for polyp in sorted(scene.polyps, key=lambda polyp: polyp.radius):
        paint_polyp(canvas, polyp, tone=scene.tone)
    if scene.instrument:
        paint_instrument(canvas, scene.instrument)
    _mask_to_octagon(canvas)
    image = Image.fromarray(np.clip(canvas.rgb, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    if scene.box:
        _draw_box(pen, canvas, scene.box)
    if scene.text:
        _draw_text(pen, canvas)
    return image.reduce(2)


def _mask_to_octagon(canvas: Canvas) -> None:
    """Black beyond the endoscope's aperture: a square with its corners cut; dimmer towards it."""
    x, y = np.abs(canvas.x), np.abs(canvas.y)
    outside = np.maximum(np.maximum(x, y) - 0.985, (x + y - np.float32(1.46)) * 0.707)
    canvas.darken(EVERYWHERE, smoothstep(-0.012, 0.006, outside))


def _draw_box(pen: ImageDraw.ImageDraw, canvas: Canvas, box: Box) -> None:
    """The rectangle in the lower left where processors show the scope's shape, or blank it."""
    side = canvas.side
    right, top = (
        side * canvas.rng.uniform(0.3, 0.35),
        side * canvas.rng.uniform(0.65, 0.7),
    )
    if box == "black":
        pen.rectangle((0, top, right, side), fill=(0, 0, 0))
        return
    pen.rectangle((0, top, right, side), fill=(16, 122, 62), outline=(8, 70, 36), width=side // 90)
    w, h = right, side - top
    t = np.linspace(0, 1, 40)
    bend = canvas.rng.uniform(0.6, 1.0)
    path_x = w * (0.5 + 0.3 * np.sin(2 * np.pi * bend * t) * (0.4 + 0.6 * t))
    path_y = top + h * (0.88 - 0.74 * t)
    path = list(zip(path_x.tolist(), path_y.tolist(), strict=True))
    pen.line(path, fill=(196, 240, 206), width=max(2, round(0.03 * side)), joint="curve")


def _draw_text(pen: ImageDraw.ImageDraw, canvas: Canvas) -> None:
    """Burned-in lines at the upper left; they name the image a phantom and nobody else."""
    font = ImageFont.load_default(0.065 * canvas.side)
    edge = max(1, canvas.side // 170)
    number = int(canvas.rng.integers(1000, 9999))
    for line, text in enumerate(("PHANTOM", f"No {number}", "00:00:00")):
        at = (0.02 * canvas.side, (0.03 + 0.075 * line) * canvas.side)
        pen.text(
            at, text, font=font, fill=(240, 240, 240), stroke_width=edge, stroke_fill=(30, 22, 22)
        )
