"""How a generator is built and trained; named as diffusers names its flags where it has one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any, ClassVar

from generation.engine.spec import Settings


class TrainingConfigError(ValueError):
    """A configuration that cannot be trained, or that does not fit the run to be resumed."""


CHOICES = {
    "lr_scheduler": ("constant", "cosine"),
    "mixed_precision": ("no", "bf16"),
    "prediction_type": ("epsilon", "v_prediction"),
    "weights_dtype": ("float32", "float16", "bfloat16"),
    "report_to": ("none", "tensorboard"),
    "rephrasing": ("none", "add", "substitute", "replace"),
}
# Smallest and largest, both allowed; where more than 0 is needed, 0 is not.
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        (
            "max_train_steps", "vae_max_train_steps", "num_train_epochs", "train_batch_size",
            "vae_train_batch_size",
            "gradient_accumulation_steps", "checkpointing_steps", "checkpoints_total_limit",
            "validation_steps", "cache_views", "rank", "token_length", "vae_layers_per_block",
            "vae_latent_channels", "vae_norm_num_groups", "unet_layers_per_block", "text_width",
            "text_layers", "attention_heads",
        ),
        (1, inf),
    ),
    **dict.fromkeys(
        ("lr_warmup_steps", "dataloader_num_workers", "prior_max_train_steps",
         "adam_weight_decay", "mse_weight"),
        (0, inf),
    ),
    **dict.fromkeys(("prompt_dropout", "color_jitter", "dropout"), (0, 1)),
    "seed": (0, 2**63 - 1),
}  # fmt: skip
MORE_THAN_0 = ("learning_rate", "vae_learning_rate", "max_grad_norm", "snr_gamma", "lora_alpha")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What all families share. Sizes are pixels, lengths tokens, steps optimizer steps.

    A step takes ``train_batch_size`` samples on each process, ``gradient_accumulation_steps``
    times. ``num_train_epochs``, where given, replaces ``max_train_steps``.
    ``cache_latents`` encodes ``cache_views`` augmented views of each image once and trains on
    those; otherwise images are augmented and encoded anew at every step. ``random_flip`` mirrors
    images whose prompt was dropped, so that left and right in prompts stay true. ``snr_gamma``
    weighs timesteps by min-SNR (Hang et al. 2023, doi 10.1109/ICCV51070.2023.00684).
    ``rephrasing`` is the paper's strategy (4.3): rephrasings beside their captions ("add"), in
    place of a caption half of the times that it is drawn ("substitute"), or alone ("replace").
    ``validation_prompts`` are sampled every ``validation_steps`` steps into a grid.
    """

    resolution: int
    seed: int = 0
    mixed_precision: str = "no"
    weights_dtype: str = "float32"
    gradient_accumulation_steps: int = 1
    gradient_checkpointing: bool = False
    max_grad_norm: float = 1.0
    checkpointing_steps: int = 500
    checkpoints_total_limit: int = 2
    dataloader_num_workers: int = 0
    lr_scheduler: str = "constant"
    lr_warmup_steps: int = 0
    learning_rate: float = 1e-4
    adam_weight_decay: float = 0.0
    train_batch_size: int = 16
    max_train_steps: int = 1000
    num_train_epochs: int | None = None
    use_ema: bool = False
    snr_gamma: float | None = None

    rephrasing: str = "none"
    prompt_dropout: float = 0.1
    color_jitter: float = 0.0
    random_flip: bool = False
    cache_latents: bool = False
    cache_views: int = 1

    validation_prompts: tuple[str, ...] = ()
    validation_steps: int = 500
    report_to: str = "tensorboard"

    steps: int = 50
    guidance_scale: float = 4.0
    eta: float = 0.0
    scheduler: str = "ddim"

    # Changing these does not invalidate what a half-finished run has learnt.
    may_change_on_resume: ClassVar[frozenset[str]] = frozenset(
        {
            "learning_rate",
            "vae_learning_rate",
            "max_grad_norm",
            "gradient_checkpointing",
            "checkpointing_steps",
            "checkpoints_total_limit",
            "dataloader_num_workers",
            "max_train_steps",
            "num_train_epochs",
            "weights_dtype",
            "validation_prompts",
            "validation_steps",
            "report_to",
            "steps",
            "guidance_scale",
            "eta",
            "scheduler",
            "prior_steps",
            "prior_guidance_scale",
            "true_cfg_scale",
        }
    )
    # Directories or hub repositories; a directory is recorded by its digest.
    sources: ClassVar[tuple[str, ...]] = ()
    # With which the family's sampler works; a test holds both together.
    schedulers: ClassVar[tuple[str, ...]] = ("ddim", "ddpm", "dpmsolver++")
    factor: ClassVar[int] = 8

    def __post_init__(self) -> None:
        if self.resolution < self.factor or self.resolution % self.factor:
            raise TrainingConfigError(
                f"resolution is {self.resolution}; it must be a multiple of {self.factor}."
            )
        for name, allowed in CHOICES.items():
            if getattr(self, name, allowed[0]) not in allowed:
                raise TrainingConfigError(
                    f"{name} is {getattr(self, name)!r}; choose one of: {', '.join(allowed)}."
                )
        for name, (low, high) in RANGES.items():
            value = getattr(self, name, None)
            if value is not None and not low <= value <= high:
                wanted = f"at least {low:g}" if high == inf else f"{low:g} to {high:g}"
                raise TrainingConfigError(f"{name} is {value}; {wanted} is needed.")
        for name in MORE_THAN_0:
            value = getattr(self, name, None)
            if value is not None and not 0 < value < inf:
                raise TrainingConfigError(f"{name} is {value}; a number above 0 is needed.")
        if self.scheduler not in self.schedulers:
            raise TrainingConfigError(
                f"scheduler is {self.scheduler!r}; this family can be sampled with: "
                f"{', '.join(self.schedulers)}."
            )
        try:
            self.settings  # noqa: B018 - refuses what cannot be sampled
        except ValueError as error:
            raise TrainingConfigError(str(error)) from error

    @property
    def settings(self) -> Settings:
        """How images are sampled from the trained checkpoint unless somebody asks otherwise."""
        names = {field.name for field in fields(Settings)} & {field.name for field in fields(self)}
        chosen = {name: getattr(self, name) for name in names}
        return Settings(width=self.resolution, height=self.resolution, **chosen)

    def stages(self) -> dict[str, int]:
        """The steps of each stage, in the order in which they are trained."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class MSDMConfig(TrainingConfig):
    """MSDM, from scratch. Channels are listed from the finest level on.

    ``unet_cross_attention`` says at which levels the U-Net attends to the prompt, with
    ``attention_heads`` heads. ``text_encoder`` names a CLIP text model (directory or hub
    repository) that stays frozen; without one a small text model of ``text_width`` and
    ``text_layers`` is trained jointly, with a vocabulary made from the captions.
    ``prediction_type`` is epsilon as published; v_prediction gives an image's layout, and with it
    the prompt, more weight and so learns them sooner. ``vae`` is the directory of a trained
    autoencoder to use instead of training one; ``mse_weight`` (1 as published) weighs the squared
    error against SSIM, which hardly sees hue; ``lpips_weights`` is a safetensors file for the
    perceptual part of the autoencoder's loss (see ``vae.py``), which is left out when absent.
    """

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

    prompt_dropout: float = 0.2
    color_jitter: float = 0.4
    random_flip: bool = True
    use_ema: bool = True
    steps: int = 150
    guidance_scale: float = 4.5
    eta: float = 1.0

    sources: ClassVar[tuple[str, ...]] = ("vae", "text_encoder")

    @property
    def factor(self) -> int:  # type: ignore[override]
        """Pixels a side that one latent stands for."""
        return 2 ** (len(self.vae_block_out_channels) - 1)

    def stages(self) -> dict[str, int]:
        return {"vae": 0 if self.vae else self.vae_max_train_steps, "unet": self.max_train_steps}


@dataclass(frozen=True, kw_only=True)
class LoraConfig(TrainingConfig):
    """What starts from a published model. ``rank`` None trains all weights instead of a LoRA.

    ``lora_alpha`` is the rank where not given, as in the paper.
    """

    pretrained_model_name_or_path: str = ""
    revision: str = ""
    rank: int | None = 64
    lora_alpha: float | None = None

    sources: ClassVar[tuple[str, ...]] = ("pretrained_model_name_or_path",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank is None and self.lora_alpha is not None:
            raise TrainingConfigError("lora_alpha is of a LoRA: give a rank too, or leave it out.")


@dataclass(frozen=True, kw_only=True)
class KandinskyConfig(LoraConfig):
    """Kandinsky 2.2: the prior, then the decoder, each for its own number of steps (0: not)."""

    pretrained_model_name_or_path: str = "kandinsky-community/kandinsky-2-2-decoder"
    pretrained_prior_model_name_or_path: str = "kandinsky-community/kandinsky-2-2-prior"
    prior_revision: str = ""
    prior_max_train_steps: int = 1000
    snr_gamma: float | None = 5.0
    guidance_scale: float = 4.0
    scheduler: str = "ddpm"
    prior_steps: int = 25
    prior_guidance_scale: float = 4.0

    sources: ClassVar[tuple[str, ...]] = (
        "pretrained_model_name_or_path",
        "pretrained_prior_model_name_or_path",
    )
    schedulers: ClassVar[tuple[str, ...]] = ("ddpm",)

    def stages(self) -> dict[str, int]:
        return {"prior": self.prior_max_train_steps, "decoder": self.max_train_steps}


@dataclass(frozen=True, kw_only=True)
class FluxConfig(LoraConfig):
    """FLUX.1: its transformer. ``token_length`` is T5's ``max_sequence_length``, the same in
    training and sampling; 512 costs 2.5 times the computation of 64 at 256×256."""

    pretrained_model_name_or_path: str = "black-forest-labs/FLUX.1-dev"
    token_length: int = 128
    steps: int = 28
    guidance_scale: float = 3.5
    true_cfg_scale: float = 1.0
    scheduler: str = "flow_match_euler"

    schedulers: ClassVar[tuple[str, ...]] = ("flow_match_euler",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.snr_gamma is not None:
            raise TrainingConfigError(
                "snr_gamma weighs the timesteps of a diffusion; FLUX learns by flow matching and "
                "draws its timesteps otherwise. Leave it out."
            )

    def stages(self) -> dict[str, int]:
        return {"transformer": self.max_train_steps}


@dataclass(frozen=True, kw_only=True)
class StableDiffusionConfig(TrainingConfig):
    """MediSyn: U-Net and text encoder of Stable Diffusion, all their weights."""

    pretrained_model_name_or_path: str = "CompVis/stable-diffusion-v1-4"
    revision: str = ""
    guidance_scale: float = 7.5
    scheduler: str = "pndm"

    schedulers: ClassVar[tuple[str, ...]] = ("pndm", "ddim", "ddpm", "dpmsolver++")
    sources: ClassVar[tuple[str, ...]] = ("pretrained_model_name_or_path",)

    def stages(self) -> dict[str, int]:
        return {"unet": self.max_train_steps}


CONFIGS: dict[str, type[TrainingConfig]] = {
    "msdm": MSDMConfig,
    "kandinsky": KandinskyConfig,
    "flux": FluxConfig,
    "stable_diffusion": StableDiffusionConfig,
}
