"""The bowel wall: a lit tube with haustral folds, vessels and wet highlights."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .canvas import EVERYWHERE, Canvas, Field, ramp, shade, smoothstep
from .scene import Scene, Tone

#: From the dark of the lumen to overexposed mucosa near the lamp.
TONES: dict[Tone, Field] = {
    "pink": ramp((22, 8, 8), (96, 38, 34), (172, 86, 76), (222, 136, 122), (252, 206, 194)),
    "orange": ramp((24, 9, 4), (98, 44, 22), (176, 92, 52), (224, 142, 88), (253, 212, 160)),
    "pale": ramp((24, 12, 9), (106, 62, 48), (180, 122, 100), (224, 176, 150), (250, 226, 206)),
    "red": ramp((22, 6, 5), (100, 30, 26), (174, 66, 54), (220, 108, 92), (250, 186, 168)),
}


def paint_mucosa(canvas: Canvas, scene: Scene) -> None:
    """Cover the canvas with the wall of the scene."""
    relief = canvas.noise(3) + 0.5 * canvas.noise(6) + 0.14 * canvas.noise(16)
    light_x, light_y, _ = canvas.light
    slope = light_x * np.gradient(relief, axis=1) + light_y * np.gradient(relief, axis=0)
    slope *= np.float32(0.05 / canvas.pixel)

    brightness, crest = _tube(canvas, scene, relief)
    brightness *= 1 - np.clip(slope, -0.35, 0.35)
    brightness *= 1 + 0.16 * (light_x * canvas.x + light_y * canvas.y)
    texture = canvas.noise(60)
    brightness += 0.018 * texture

    canvas.rgb[:] = shade(TONES[scene.tone], brightness)
    blush = 1 + np.clip(canvas.noise(5), -1, 1)[..., None] * np.array(
        [0.02, -0.07, -0.08], np.float32
    )
    canvas.rgb *= blush
    if scene.vessels:
        _vessels(canvas, scene.vessels * smoothstep(0.3, 0.55, brightness))
    _highlights(canvas, brightness, crest - 0.9 * slope, texture)


def _tube(canvas: Canvas, scene: Scene, relief: Field) -> tuple[Field, Field]:
    """Brightness of the tube, 0 to about 1, and how much each pixel lies on a fold's crest.

    Seen along the bowel, each fold is a ring about the lumen: lit on the face towards the
    viewer, and in front of a shadow that falls on the wall behind it. A fold is strong on
    some sides and runs out on others; three-sided rings give the look of the colon.
    """
    rng, lumen = canvas.rng, scene.lumen
    dx, dy = canvas.x - np.float32(lumen.x), canvas.y - np.float32(lumen.y)
    distance = np.hypot(dx, dy) + np.float32(1e-4)
    cos1, sin1 = dx / distance, dy / distance
    cos2, sin2 = cos1 * cos1 - sin1 * sin1, 2 * cos1 * sin1
    cos3, sin3 = cos1 * cos2 - sin1 * sin2, sin1 * cos2 + cos1 * sin2
    distance *= 1 + 0.05 * relief

    depth = distance / np.float32(distance.max())
    brightness = 0.03 + 0.86 * (1 - np.exp(-np.float32(2.9) * (depth + 0.05)))
    crest = np.zeros_like(brightness)
    phase = rng.uniform(0, 2 * math.pi)
    radius = lumen.radius
    for ring in range(scene.folds + 1):
        a, b, c = phase + rng.normal(0, 0.35), *rng.uniform(0, 2 * math.pi, 2)
        three, two = rng.uniform(0.07, 0.15), rng.uniform(0.05, 0.12)
        drift = rng.normal(0, 0.09 * min(ring, 2), 2)
        rim = 1 + three * math.cos(a) * cos3 + three * math.sin(a) * sin3
        rim += two * math.cos(b) * cos2 + two * math.sin(b) * sin2
        rim += np.float32(drift[0]) * cos1 + np.float32(drift[1]) * sin1
        across = distance * np.float32(1 / radius) - rim  # from the rim, towards the viewer
        inner, outer = np.minimum(across, 0), np.maximum(across, 0)
        before = across > 0
        face = np.exp(-(((outer - 0.09) / 0.1) ** 2)) * before
        hollow = np.exp(-(((outer - 0.42) / 0.2) ** 2)) * before
        cast = smoothstep(0.03, -0.03, across)
        if ring == 0:  # the lumen: dark throughout
            strength, behind = np.float32(1), 0.84 * cast * np.exp(0.3 * inner)
        else:
            side = np.float32(math.cos(c)) * cos1 + np.float32(math.sin(c)) * sin1
            strength = np.clip(0.5 + 0.75 * side, 0, 1)
            behind = cast * (0.5 * np.exp(7 * inner) + 0.17 * np.exp(1.5 * inner))
        brightness *= 1 - strength * (behind - 0.3 * face + 0.12 * hollow)
        crest = np.maximum(crest * before, strength * face)
        radius *= rng.uniform(1.4, 1.95)
    return brightness, crest


def _vessels(canvas: Canvas, visible: Field) -> None:
    """Draw branching vessels, redder and darker than the mucosa, where it is lit."""
    rng = canvas.rng
    mask = Image.new("L", (canvas.side, canvas.side))
    pen = ImageDraw.Draw(mask)
    x, y = rng.uniform(-1, 1, (2, 18))
    heading = rng.uniform(0, 2 * math.pi, 18)
    for width, ink in ((0.011, 220), (0.008, 170), (0.006, 120)):
        headings = heading[:, None] + np.cumsum(rng.normal(0, 0.38, (heading.size, 9)), axis=1)
        xs = x[:, None] + 0.055 * np.cumsum(np.cos(headings), axis=1)
        ys = y[:, None] + 0.055 * np.cumsum(np.sin(headings), axis=1)
        pixels = (np.stack([xs, ys], axis=-1) + 1) * (canvas.side / 2)
        for path in pixels.reshape(heading.size, -1).tolist():
            pen.line(path, fill=ink, width=max(1, round(width / canvas.pixel)))
        forks = [3, 5, 8]  # each vessel forks here, to the left, the right, the left
        turns = rng.uniform(0.5, 1.0, (heading.size, 3)) * (1, -1, 1)
        heading = (headings[:, forks] + turns).ravel()
        x, y = xs[:, forks].ravel(), ys[:, forks].ravel()
    mask = mask.filter(ImageFilter.BoxBlur(canvas.side / 700))
    amount = np.asarray(mask, np.float32) * visible * np.float32(1 / 255)
    canvas.rgb *= 1 - amount[..., None] * np.array([0.16, 0.4, 0.36], np.float32)


def _highlights(canvas: Canvas, brightness: Field, facing: Field, texture: Field) -> None:
    """Wet glints: small, white, hard-edged with a faint halo, where the wall faces the lamp."""
    patches = canvas.noise(6) + 0.5 * canvas.noise(22) + 0.3 * texture
    gloss = patches + 0.55 * facing + 0.9 * np.minimum(brightness, 0.8)
    alpha = np.maximum(0.3 * smoothstep(1.25, 1.7, gloss), smoothstep(1.66, 1.8, gloss))
    canvas.paint(EVERYWHERE, (255, 250, 240), alpha)
