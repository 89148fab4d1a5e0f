"""MSDM: a latent diffusion model trained from scratch, sampled as a Stable Diffusion pipeline.

Its U-Net pools the text into the time embedding too, and its autoencoder has latents of 8 channels.
As published it is sampled with 150 DDIM steps, eta = 1, guidance 4.5 at 256×256.
"""

from collections.abc import Sequence
from typing import ClassVar

from generation.engine.families import stable_diffusion
from generation.engine.spec import Settings


class Sampler(stable_diffusion.Sampler):
    """Samples an MSDM checkpoint; see ``spec.Sampler``."""

    schedulers: ClassVar[Sequence[str]] = ("ddim", "ddpm", "dpmsolver++")
    defaults = Settings(width=256, height=256, steps=150, guidance_scale=4.5, eta=1.0)
    default_token_length = 64
