"""Samplers that misbehave, to see that runs survive them. They draw; no model is loaded."""

from dataclasses import asdict

import numpy as np
from PIL import Image

from generation.engine.spec import Settings, Tuning


class Noise:
    """Colour noise from the seed, 16×16 pixels."""

    settings = Settings(width=16, height=16, steps=1, guidance_scale=1)
    device_name = "cpu"

    def __init__(self, directory, *, card, settings, device="auto"):
        type(self).calls = []

    def sample(self, prompts, seeds):
        self.calls.append(list(zip(prompts, seeds, strict=True)))
        return [self.draw(prompt, seed) for prompt, seed in self.calls[-1]]

    def draw(self, prompt, seed):
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        return Image.fromarray(pixels)

    def check(self, prompts):
        pass

    def tune(self, most):
        return Tuning(10)

    def use(self, options):
        pass

    def provenance(self):
        return {"family": type(self).__name__, **asdict(self.settings)}


class BlankAtFirst(Noise):
    """Black on the first call, fine afterwards."""

    def draw(self, prompt, seed):
        return Image.new("RGB", (16, 16)) if len(self.calls) == 1 else super().draw(prompt, seed)


class BlankOnTwo(Noise):
    """Always nearly uniform for the second prompt."""

    def draw(self, prompt, seed):
        fine = super().draw(prompt, seed)
        return Image.new("RGB", (16, 16), (90, 40, 30)) if "2 polyps" in prompt else fine


class WrongSize(Noise):
    def draw(self, prompt, seed):
        return super().draw(prompt, seed).resize((8, 16))


class Repeating(Noise):
    """The same image whatever the seed."""

    def draw(self, prompt, seed):
        return super().draw(prompt, 1)


class SmallMemory(Noise):
    """Room for three images at a time."""

    def sample(self, prompts, seeds):
        if len(prompts) > 3:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().sample(prompts, seeds)


class Interrupted(Noise):
    """Someone cancels while the first batch is sampled."""

    def sample(self, prompts, seeds):
        from generation.models import Run

        images = super().sample(prompts, seeds)
        if len(self.calls) == 1:
            Run.objects.get().cancel()
        return images
