"""MSDM: a latent diffusion model trained from scratch, sampled as a Stable Diffusion pipeline.

Its U-Net pools the text into the time embedding too, and its autoencoder has latents of 8 channels.
As published it is sampled with 150 DDIM steps, eta = 1, guidance 4.5 at 256×256.
"""

from generation.engine.families import stable_diffusion


class Sampler(stable_diffusion.Sampler):
    """Samples an MSDM checkpoint; see ``spec.Sampler``."""

    schedulers = ("ddim", "ddpm", "dpmsolver++")
