"""What the families' samplers share: loading a diffusers pipeline, and saying how they sample."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import diffusers
import peft
import torch
import transformers

from generation.engine.cards import LORA_NAME, weights_header
from generation.engine.device import choose_device, device_name
from generation.engine.loading import (
    CheckpointError,
    checkpoint_digest,
    is_copy,
    part_directory,
)
from generation.engine.spec import SCHEDULERS, Card, Settings, Tuning
from generation.engine.tuning import COMPILED, tune

if TYPE_CHECKING:
    from PIL.Image import Image

ROOM = 0.85  # of the GPU's free memory for weights, the rest for images
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.disable_progress_bar()


class PipelineSampler(ABC):
    """A family on top of diffusers; see ``spec.Sampler``.

    A family names the schedulers that it can be sampled with, how a published model of it is
    sampled by default, and the parts that its checkpoints have; it loads its pipelines in ``load``
    and draws in ``draw``.
    """

    schedulers: ClassVar[Sequence[str]]
    defaults: ClassVar[Settings]
    default_token_length: ClassVar[int]
    parts: ClassVar[tuple[str, ...]] = ("pipeline",)
    options: tuple[str, ...] = ()  # of `tuning`, that are switched on

    def __init__(
        self, directory: Path, *, card: Card, settings: Settings, device: str = "auto"
    ) -> None:
        if settings.scheduler not in self.schedulers:
            raise ValueError(
                f"A generator of the family {card.family} can't be sampled with the scheduler "
                f"{settings.scheduler}; choose one of: {', '.join(self.schedulers)}."
            )
        self.card, self.settings, self.directory = card, settings, directory
        self.device, self.dtype = choose_device(device)
        self.device_name = device_name(self.device)
        self.digest = checkpoint_digest(directory)
        self.prepare(**self.load())

    @classmethod
    def of(
        cls, *, settings: Settings, token_length: int, **pipelines: diffusers.DiffusionPipeline
    ) -> PipelineSampler:
        """Samples pipelines that are in memory already, for a look at a training under way."""
        sampler = cls.__new__(cls)
        sampler.settings = settings
        sampler.card = Card(
            family="", settings=settings, token_length=token_length, parameters={}, licence=""
        )
        sampler.device = next(iter(pipelines.values())).device
        for pipeline in pipelines.values():
            pipeline.set_progress_bar_config(disable=True)
        sampler.prepare(**pipelines)
        return sampler

    @abstractmethod
    def load(self) -> dict[str, diffusers.DiffusionPipeline]:
        """Load what `prepare` takes. Raises CheckpointError."""

    #: ``prepare(**pipelines)`` keeps what `load` gave and sets it up for sampling.
    prepare: Callable[..., None]

    @abstractmethod
    def draw(self, prompts: list[str], generators: list[torch.Generator]) -> list[Image]:
        """One image for each prompt; every random number comes from that image's generator."""

    @abstractmethod
    def tokens(self, prompt: str) -> torch.Tensor:
        """Token ids of shape (1, tokens), padded. Raises ValueError where some would be cut."""

    @abstractmethod
    def blocks(self) -> Iterable[torch.nn.Module]:
        """The modules that take most of the time, to be compiled one by one."""

    def check(self, prompts: Sequence[str]) -> None:
        for prompt in prompts:
            self.tokens(prompt)

    def tune(self, most: int) -> Tuning:
        return tune(self, most)

    def use(self, options: Sequence[str]) -> None:
        self.options = tuple(options)
        for block in self.blocks():
            if COMPILED not in options:
                block._compiled_call_impl = None
            elif block._compiled_call_impl is None:
                block.compile()

    @torch.inference_mode()
    def sample(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image]:
        if len(prompts) != len(seeds):
            raise ValueError(f"{len(prompts)} prompts, but {len(seeds)} seeds.")
        if not prompts:
            return []
        # One CPU generator an image draws its first latents and its step noise, so that an image
        # does not depend on its batch, nor its noise on the device.
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        return self.draw(list(prompts), generators)

    def provenance(self) -> dict[str, Any]:
        chosen = {name: v for name, v in asdict(self.settings).items() if v is not None}
        base = {part: asdict(base) for part, base in self.card.base.items()}
        return {
            "family": self.card.family,
            "checkpoint": self.digest,
            **({"base": base} if base else {}),
            **({"lora": self.card.lora} if self.card.lora else {}),
            **chosen,
            **({"options": list(self.options)} if self.options else {}),
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device_name,
            "libraries": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "diffusers": diffusers.__version__,
                "transformers": transformers.__version__,
                **({"peft": peft.__version__} if self.card.lora else {}),
            },
        }

    def load_pipeline(
        self, kind: type[diffusers.DiffusionPipeline], part: str = "pipeline", **options: Any
    ) -> diffusers.DiffusionPipeline:
        """The pipeline that provides ``part``, in this sampler's number format and place."""
        directory = part_directory(self.directory, self.card, part)
        try:
            pipeline = kind.from_pretrained(
                directory,
                dtype=self.dtype,
                use_safetensors=True,
                local_files_only=True,
                **options,
            )
        except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"{directory} does not load as a {self.card.family} ({kind.__name__}): {error}"
            ) from error
        refuse_missing_weights(pipeline, directory)
        pipeline.set_progress_bar_config(disable=True)
        return self._place(pipeline)

    def _place(self, pipeline: diffusers.DiffusionPipeline) -> diffusers.DiffusionPipeline:
        """On the device; part by part, while it is needed, where the GPU has no room for all."""
        if self.device.type == "cuda":
            sizes = [
                sum(weight.nbytes for weight in model.parameters())
                for model in pipeline.components.values()
                if isinstance(model, torch.nn.Module)
            ]
            free, _ = torch.cuda.mem_get_info(self.device)
            if max(sizes) > ROOM * free:
                pipeline.enable_sequential_cpu_offload(device=self.device)
                return pipeline
            if sum(sizes) > ROOM * free:
                pipeline.enable_model_cpu_offload(device=self.device)
                return pipeline
        return pipeline.to(self.device)

    def load_lora(self, part: str, model: torch.nn.Module) -> None:
        """Put the checkpoint's low-rank weights of ``part``, if it has any, on ``model``.

        They lie in the folder ``part``; those of other trainers often in the checkpoint itself.
        """
        if not self.card.lora:
            return
        places = [self.directory / part / LORA_NAME, self.directory / LORA_NAME]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise CheckpointError(
                f"{self.directory} has no {part}/{LORA_NAME}, which its card names."
            )
        names = [name for name in weights_header(path) if name.startswith(f"{part}.")]
        prefixed = bool(names)
        names = names or list(weights_header(path))
        try:
            model.load_lora_adapter(
                path.parent, weight_name=LORA_NAME, prefix=part if prefixed else None
            )
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"The LoRA {path} does not fit its base; was it trained on another? {error}"
            ) from error
        if not getattr(model, "peft_config", None):
            raise CheckpointError(f"The LoRA {path} has no weights for this {part}.")
        loaded = {name for name, _ in model.named_parameters() if ".lora_" in name}
        known = {name.replace(".default_0.", ".") for name in loaded}
        lost = [
            name
            for name in names
            if ".lora_" in name and name.removeprefix(f"{part}.") not in known
        ]
        if lost:  # diffusers only warns
            raise CheckpointError(
                f"The LoRA {path} does not fit its base; was it trained on another? "
                f"It has {len(lost)} weights for which this {part} has no place, such as {lost[0]}."
            )


def refuse_missing_weights(
    pipeline: diffusers.DiffusionPipeline, directory: Path, given: Container[str] = ()
) -> None:
    """Raise CheckpointError where a text or image encoder lacks weights.

    transformers would fill them in at random and only warn; diffusers refuses its own models.
    Parts in ``given`` were not loaded from ``directory``.
    """
    for part, model in pipeline.components.items():
        if part in given or not isinstance(model, transformers.PreTrainedModel):
            continue
        files = [path for path in (directory / part).glob("*.safetensors") if not is_copy(path)]
        there = {name for path in files for name in weights_header(path)}
        ends = {name.split(".", 1)[-1] for name in there}  # a prefix came and went with versions
        shared: dict[int, list[str]] = {}
        for name, tensor in model.named_parameters(remove_duplicate=False):
            shared.setdefault(tensor.data_ptr(), []).append(name)
        for names in shared.values():
            if not any({name, name.split(".", 1)[-1]} & (there | ends) for name in names):
                raise CheckpointError(
                    f"{directory / part} has no weights for {names[0]}. Copy the part's "
                    "safetensors files again, all of them."
                )


def token_ids(tokenizer: Any, prompt: str, length: int | None = None) -> torch.Tensor:
    """Token ids of shape (1, ``length``), padded; used in training and sampling alike.

    ``length`` defaults to the tokenizer's. Raises ValueError, with the part that would be lost,
    when the prompt has too many tokens.
    """
    length = length or tokenizer.model_max_length
    ids = tokenizer(prompt).input_ids
    if len(ids) > length:
        lost = tokenizer.decode(ids[length - 1 : -1]).strip()
        raise ValueError(
            f"The prompt has {len(ids)} tokens, the text encoder takes {length}; "
            f"it would lose {lost!r}. Shorten {prompt!r}."
        )
    return torch.tensor([ids + [tokenizer.pad_token_id] * (length - len(ids))])


def set_scheduler(pipeline: diffusers.DiffusionPipeline, name: str) -> None:
    """Give the pipeline the scheduler of this name, configured as its own was."""
    kind = getattr(diffusers, SCHEDULERS[name])
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config)


def repeated_blocks(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The blocks of which diffusers says that a model is built."""
    return [part for part in model.modules() if type(part).__name__ in model._repeated_blocks]
