"""How an MSDM is built and trained; named as diffusers names its flags where it has one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from generation.engine.spec import Settings


class TrainingConfigError(ValueError):
    """A configuration that cannot be trained, or that does not fit the run to be resumed."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One MSDM. Sizes are pixels, lengths tokens, channels are listed from the finest level on.

    ``unet_cross_attention`` says at which levels the U-Net attends to the prompt, with
    ``attention_heads`` heads. ``text_encoder`` names a CLIP text model (directory or hub
    repository) that stays frozen; without one a small text model of ``text_width`` and
    ``text_layers`` is trained jointly, with a vocabulary made from the captions.
    ``cache_views`` n > 0 encodes n augmented views of each image once and trains on those;
    0 augments and encodes anew at every step. ``random_flip`` mirrors images whose prompt was
    dropped, so that left and right in prompts stay true. ``prediction_type`` is epsilon as
    published; v_prediction gives an image's layout, and with it the prompt, more weight and so
    learns them sooner. ``vae`` is the directory of a trained autoencoder to use instead of
    training one; ``mse_weight`` (1 as published) weighs the squared error against SSIM, which
    hardly sees hue; ``lpips_weights`` is a safetensors file for the perceptual part of the
    autoencoder's loss (see ``vae.py``), which is left out when absent.
    """

    resolution: int
    seed: int = 0
    mixed_precision: str = "no"
    weights_dtype: str = "float32"
    max_grad_norm: float = 1.0
    checkpointing_steps: int = 1000
    checkpoints_total_limit: int = 2
    dataloader_num_workers: int = 0
    lr_scheduler: str = "constant"
    lr_warmup_steps: int = 0

    vae: str | None = None
    vae_block_out_channels: tuple[int, ...] = (64, 128, 256, 512)
    vae_layers_per_block: int = 1
    vae_latent_channels: int = 8
    vae_norm_num_groups: int = 8
    vae_train_batch_size: int = 16
    vae_learning_rate: float = 1e-4
    vae_max_train_steps: int = 100_000
    mse_weight: float = 1.0
    lpips_weights: str | None = None

    text_encoder: str | None = None
    text_width: int = 64
    text_layers: int = 2
    token_length: int = 64

    unet_block_out_channels: tuple[int, ...] = (256, 512, 896)
    unet_cross_attention: tuple[bool, ...] = (True, True, True)
    unet_layers_per_block: int = 2
    attention_heads: int = 8
    dropout: float = 0.1
    prediction_type: str = "epsilon"
    train_batch_size: int = 32
    learning_rate: float = 1e-4
    max_train_steps: int = 200_000
    prompt_dropout: float = 0.2
    color_jitter: float = 0.4
    random_flip: bool = True
    cache_views: int = 0
    use_ema: bool = True

    steps: int = 150
    guidance_scale: float = 4.5
    eta: float = 1.0
    scheduler: str = "ddim"

    def __post_init__(self) -> None:
        factor = 2 ** (len(self.vae_block_out_channels) - 1)
        if self.resolution % factor:
            raise TrainingConfigError(
                f"resolution is {self.resolution}; this autoencoder needs a multiple of {factor}."
            )
        for name, allowed in {
            "lr_scheduler": ("constant", "cosine"),
            "mixed_precision": ("no", "bf16"),
            "prediction_type": ("epsilon", "v_prediction"),
            "weights_dtype": ("float32", "float16"),
        }.items():
            if getattr(self, name) not in allowed:
                raise TrainingConfigError(
                    f"{name} is {getattr(self, name)!r}; choose one of: {', '.join(allowed)}."
                )
        for name in ("max_train_steps", "train_batch_size", "checkpointing_steps"):
            if getattr(self, name) < 1:
                raise TrainingConfigError(f"{name} is {getattr(self, name)}; at least 1 is needed.")
        self.settings  # noqa: B018 - raises ValueError for settings that cannot be sampled

    @property
    def settings(self) -> Settings:
        """How images are sampled from the trained checkpoint unless somebody asks otherwise."""
        return Settings(
            width=self.resolution,
            height=self.resolution,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            eta=self.eta,
            scheduler=self.scheduler,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


# Changing these does not invalidate what a half-finished run has learnt.
MAY_CHANGE_ON_RESUME = {
    "learning_rate",
    "vae_learning_rate",
    "max_grad_norm",
    "checkpointing_steps",
    "checkpoints_total_limit",
    "dataloader_num_workers",
    "max_train_steps",
    "weights_dtype",
    "steps",
    "guidance_scale",
    "eta",
    "scheduler",
}

# MSDM as published; 494.2 M parameters with its text encoder.
PAPER = TrainingConfig(
    resolution=256,
    text_encoder="openai/clip-vit-large-patch14",
    mixed_precision="bf16",
    dataloader_num_workers=8,
)

# A few hundred real images on two cores in about a quarter of an hour.
SMALL = TrainingConfig(
    resolution=128,
    lr_scheduler="cosine",
    lr_warmup_steps=50,
    checkpointing_steps=200,
    vae_block_out_channels=(24, 48, 96, 128),
    vae_train_batch_size=8,
    vae_learning_rate=1.5e-3,
    vae_max_train_steps=700,
    unet_block_out_channels=(96, 160, 224),
    unet_layers_per_block=1,
    attention_heads=4,
    dropout=0.0,
    train_batch_size=32,
    learning_rate=8e-4,
    max_train_steps=1200,
    color_jitter=0.1,
    cache_views=2,
    steps=40,
    guidance_scale=3.0,
)

# Drawings of 64×64 pixels; what ``demo.py`` starts from.
DEMO = replace(
    SMALL,
    resolution=64,
    weights_dtype="float16",
    vae_block_out_channels=(16, 32, 32, 64),
    vae_norm_num_groups=2,
    vae_learning_rate=4e-3,
    mse_weight=40.0,
    token_length=32,
    unet_block_out_channels=(64, 128),
    unet_cross_attention=(False, True),
    train_batch_size=16,
    learning_rate=2e-3,
    prediction_type="v_prediction",
    color_jitter=0.0,
    random_flip=False,
    cache_views=1,
    steps=25,
)

PRESETS = {"paper": PAPER, "small": SMALL, "demo": DEMO}
