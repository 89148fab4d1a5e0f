"""What a generator is: its settings, its card, and the protocol that samplers follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

# Names that people choose, and the diffusers class behind each.
SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "dpmsolver++": "DPMSolverMultistepScheduler",
    "pndm": "PNDMScheduler",
    "flow_match_euler": "FlowMatchEulerDiscreteScheduler",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an image is sampled.

    ``width`` and ``height`` are pixels (multiples of 8), ``steps`` is the number of denoising
    steps (at least 1), ``guidance_scale`` is diffusers' (1 switches guidance off; a paper's
    ``(w+1)·cond − w·uncond`` is ``w + 1`` here), ``eta`` in [0, 1] is DDIM's step noise.
    In some families only, None in the others: ``prior_steps`` and ``prior_guidance_scale`` are
    Kandinsky's prior's; ``true_cfg_scale`` is FLUX's guidance by a second pass without the prompt,
    as its ``guidance_scale`` is but an input of the model.
    Raises ValueError when a value is out of range.
    """

    width: int
    height: int
    steps: int
    guidance_scale: float
    eta: float = 0.0
    scheduler: str = "ddim"
    prior_steps: int | None = None
    prior_guidance_scale: float | None = None
    true_cfg_scale: float | None = None

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            size = getattr(self, name)
            if size < 8 or size % 8:
                raise ValueError(f"{name} is {size}; it must be a positive multiple of 8 pixels.")
        for name in ("steps", "prior_steps"):
            if (steps := getattr(self, name)) is not None and steps < 1:
                raise ValueError(f"{name} is {steps}; at least 1 denoising step is needed.")
        for name in ("guidance_scale", "prior_guidance_scale", "true_cfg_scale"):
            if (scale := getattr(self, name)) is not None and scale < 1:
                raise ValueError(f"{name} is {scale}; 1 (no guidance) or more.")
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta is {self.eta}; it must lie between 0 and 1.")
        if self.scheduler not in SCHEDULERS:
            known = ", ".join(SCHEDULERS)
            raise ValueError(f"Unknown scheduler {self.scheduler!r}; choose one of: {known}.")
        if self.eta and self.scheduler != "ddim":
            raise ValueError(f"eta acts in ddim only; with {self.scheduler} it must be 0.")


@dataclass(frozen=True)
class Base:
    """A checkpoint that another is sampled on top of: a directory or a hub repository.

    ``digest`` is the SHA-256 over its files; "" where nobody looked yet.
    """

    source: str
    revision: str = ""
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a checkpoint says of itself in ``blindread.json``.

    ``base`` names, by the part they provide, the checkpoints that must be loaded beside this one:
    none where it is whole. ``lora`` ({"rank", "alpha", "targets": {part: module names}}) describes
    low-rank weights that are put on top of the base. ``parameters`` counts weights by part,
    ``training`` records the configuration, the data's digest, seed, steps, library versions and
    losses, ``phantom`` marks a generator of drawings.
    """

    family: str
    settings: Settings
    token_length: int
    parameters: dict[str, int]
    licence: str
    phantom: bool = False
    base: dict[str, Base] = field(default_factory=dict)
    lora: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Card:
        """Raises ValueError for a missing, unknown or invalid field."""
        known = {item.name for item in fields(cls)}
        if unknown := set(data) - known:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        try:
            settings = Settings(**data["settings"])
            base = {part: Base(**values) for part, values in data.get("base", {}).items()}
            return cls(**{**data, "settings": settings, "base": base})
        except KeyError as error:
            raise ValueError(f"the field {error} is missing") from error
        except TypeError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True)
class Tuning:
    """How a generator is sampled fastest on one device.

    ``batch_size`` images go through at once; ``options`` are among its sampler's, and change
    pixels by float rounding at most.
    """

    batch_size: int
    options: tuple[str, ...] = ()


class Sampler(Protocol):
    """A loaded generator."""

    settings: Settings
    device_name: str

    def check(self, prompts: Sequence[str]) -> None:
        """Raises ValueError for a prompt that the text encoder cannot take whole."""
        ...

    def tune(self, most: int) -> Tuning:
        """Measure what is fastest here, for batches of at most ``most`` images."""
        ...

    def use(self, options: Sequence[str]) -> None:
        """Switch on what `tune` chose."""
        ...

    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image]:
        """One RGB image of ``settings``' size for each (prompt, seed), in order.

        An image depends on its own prompt and seed alone, not on its neighbours in the call
        (beyond float rounding). The caller chooses the batch by the length of the sequences.
        Raises ValueError for unequal lengths or a prompt that the text encoder cannot take whole.
        """
        ...

    def provenance(self) -> dict[str, Any]:
        """What, beside prompt and seed, one needs to make the same image again (JSON-ready)."""
        ...
