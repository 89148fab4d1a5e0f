"""What every training does around its stages: check, resume, record, publish.

``output`` appears whole at the end. Until then the work is in ``<output>.training``, from where a
run that was stopped goes on.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import diffusers
import peft
import torch
import transformers
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from PIL.Image import Image

from generation.engine.loading import (
    CARD_NAME,
    CheckpointError,
    checkpoint_digest,
    checkpoint_directory,
    read_card,
)
from generation.engine.pipeline import PipelineSampler, refuse_missing_weights
from generation.engine.spec import Base, Card
from generation.training.cache import TensorCache, Tensors
from generation.training.checkpoints import SaveFailed
from generation.training.config import CONFIGS, TrainingConfig, TrainingConfigError
from generation.training.data import (
    AugmentedViews,
    CachedViews,
    Plan,
    TrainingImage,
    augmented_view,
    check_images,
    check_lengths,
    view_key,
)
from generation.training.draws import Draws
from generation.training.loop import Progress, Stage, run_stage, whole_batch

Config = TypeVar("Config", bound=TrainingConfig)


class Trainer(Generic[Config]):
    """One training of ``images`` into the checkpoint directory ``output``.

    With ``resume`` an unfinished run of the same data and configuration goes on where it was
    (``config.may_change_on_resume`` lists what may differ) and a finished one has its card in
    ``finished``; without it all starts anew. ``progress`` is called after every step of the main
    process.

    Raises TrainingDataError (before anything is trained), TrainingConfigError (``output`` or its
    unfinished run belong to something else) and CheckpointError (a given part is not to be had);
    `stage` raises TrainingDiverged and SaveFailed (the last good state is kept).
    """

    def __init__(
        self,
        images: Sequence[TrainingImage],
        *,
        config: Config,
        output: Path,
        resume: bool = True,
        progress: Callable[[Progress], None] | None = None,
        licence: str = "unknown",
        phantom: bool = False,
    ) -> None:
        self.images, self.progress = images, progress
        self.output = Path(output)
        self.work = self.output.with_name(self.output.name + ".training")
        self.licence, self.phantom = licence, phantom
        data = check_images(images, config.rephrasing)
        # accelerate keeps the first number format of a process; processes and device may stay
        AcceleratorState._reset_state()
        self.accelerator = Accelerator(mixed_precision=config.mixed_precision)
        self.config: Config = _with_steps(config, len(images), self.accelerator)
        self.recipe: dict[str, Any] = {"config": _recorded(self.config), "data": data}
        self.losses: dict[str, float] = {}
        self.finished = self._finished() if resume else None
        if self.finished:
            return
        if self.output.exists() and not (self.output / CARD_NAME).exists():
            raise TrainingConfigError(
                f"{self.output} exists and holds no checkpoint; choose another name."
            )
        if self.accelerator.is_main_process:
            self._open_work(resume=resume)
        self.accelerator.wait_for_everyone()
        self.plan = Plan(images, self.config)

    @property
    def device(self) -> torch.device:
        return self.accelerator.device

    @property
    def frozen_dtype(self) -> torch.dtype:
        """The number format of weights that aren't trained."""
        return torch.bfloat16 if self.config.mixed_precision == "bf16" else torch.float32

    def draws(self, stage: str, batch_size: int | None = None) -> Draws:
        size = batch_size or self.config.train_batch_size
        return Draws(self.config.seed, stage, whole_batch(self.config, self.accelerator, size))

    def stage(self, stage: Stage) -> None:
        """Train a stage to its end; its loss goes into the card."""
        self.losses[stage.name] = run_stage(
            stage,
            config=self.config,
            accelerator=self.accelerator,
            work=self.work,
            progress=self.progress,
        )

    def samples(
        self, encode: Callable[[torch.Tensor], Tensors], *, name: str = "views"
    ) -> CachedViews | AugmentedViews:
        """The stream of samples; encoded before, once, where the configuration says so.

        ``encode`` takes views (n, 3, size, size) in [-1, 1] to tensors with n rows each.
        """
        if not self.config.cache_latents:
            return AugmentedViews(self.plan)
        flips = (False, True) if self.config.random_flip else (False,)
        views = {
            view_key(image, view=view, flip=flip): (image, view, flip)
            for image in self.images
            for view in range(self.config.cache_views)
            for flip in flips
        }

        def compute(keys: Sequence[str]) -> list[Tensors]:
            rows = [views[key] for key in keys]
            pixels = [augmented_view(i, self.config, view=v, flip=f) for i, v, f in rows]
            encoded = encode(torch.stack(pixels).to(self.device))
            return [{name: t[n].cpu() for name, t in encoded.items()} for n in range(len(keys))]

        cache = TensorCache(self.work / "cache" / name)
        cache.fill(list(views), compute, accelerator=self.accelerator)
        return CachedViews(self.plan, cache)

    def check_prompts(self, tokens: Callable[[str], object]) -> None:
        """Refuse texts that would be cut, before a stage has taken hours; see `check_lengths`.

        Raises TrainingDataError for those of the images, TrainingConfigError for those to be drawn.
        """
        check_lengths(self.images, tokens, self.config.rephrasing)
        for prompt in self.config.validation_prompts:
            try:
                tokens(prompt)
            except ValueError as error:
                raise TrainingConfigError(f"A validation prompt is too long. {error}") from error

    def texts(self, encode: Callable[[str], Tensors], *, name: str = "texts") -> TensorCache:
        """Embeddings, by prompt, of every prompt of a sample or preview; each is computed once."""
        cache = TensorCache(self.work / "cache" / name)
        prompts = dict.fromkeys([*self.plan.prompts(), *self.config.validation_prompts])
        with torch.inference_mode():
            cache.fill(
                list(prompts),
                lambda prompts: [encode(prompt) for prompt in prompts],
                accelerator=self.accelerator,
            )
        return cache

    def preview(
        self,
        sampler: type[PipelineSampler],
        token_length: int,
        **pipelines: diffusers.DiffusionPipeline,
    ) -> list[Image]:
        """The validation prompts, drawn from what is in memory with seeds of their own."""
        prompts = self.config.validation_prompts
        seeds = [self.config.seed + n for n in range(len(prompts))]
        ready = sampler.of(settings=self.config.settings, token_length=token_length, **pipelines)
        with self.accelerator.autocast():
            return ready.sample(prompts, seeds)

    def publish(
        self,
        save: Callable[[Path], None],
        *,
        parameters: dict[str, int],
        token_length: int,
        base: dict[str, Base] | None = None,
        lora: dict[str, Any] | None = None,
    ) -> Card:
        """Write the checkpoint (by ``save``) and its card beside ``output``, then put it there."""
        config = self.config
        card = Card(
            family=next(family for family, kind in CONFIGS.items() if kind is type(config)),
            settings=config.settings,
            token_length=token_length,
            parameters=parameters,
            licence=self.licence,
            phantom=self.phantom,
            base=base or {},
            lora=lora or {},
            training={
                **self.recipe,
                "images": len(self.images),
                "seed": config.seed,
                "processes": self.accelerator.num_processes,
                "loss": {name: round(value, 6) for name, value in self.losses.items()},
                "libraries": {
                    "python": platform.python_version(),
                    "torch": torch.__version__,
                    "diffusers": diffusers.__version__,
                    "transformers": transformers.__version__,
                    "peft": peft.__version__,
                },
            },
        )
        if self.accelerator.is_main_process:
            partial = self.work / "finished"
            shutil.rmtree(partial, ignore_errors=True)
            try:
                save(partial)
                _forget_places(partial)
                text = json.dumps(card.to_json(), indent=2, ensure_ascii=False)
                (partial / CARD_NAME).write_text(text + "\n", encoding="utf-8")
            except OSError as error:
                raise SaveFailed(
                    f"The trained checkpoint can't be written to {partial}: {error}. Its training "
                    "is kept; make room there and start the same command again."
                ) from error
            for kept in ("logs", "validation"):  # hidden: no part of the checkpoint's digest
                if (self.work / kept).exists():
                    (partial / ".training").mkdir(exist_ok=True)
                    os.replace(self.work / kept, partial / ".training" / kept)
            shutil.rmtree(self.output, ignore_errors=True)
            os.replace(partial, self.output)
            shutil.rmtree(self.work)
        self.accelerator.wait_for_everyone()
        return card

    def _finished(self) -> Card | None:
        if not (self.output / CARD_NAME).exists():
            return None
        card = read_card(self.output)
        self._check_same(card.training)
        return card

    def _open_work(self, *, resume: bool) -> None:
        if not resume:
            shutil.rmtree(self.work, ignore_errors=True)
        path = self.work / "recipe.json"
        if path.exists():
            try:
                self._check_same(json.loads(path.read_text(encoding="utf-8")))
            except TrainingConfigError:
                if any(self.work.glob("*/step-*.safetensors")):
                    raise
                shutil.rmtree(self.work)  # nothing was trained: what was refused may be mended
        self.work.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.recipe), encoding="utf-8")

    def _check_same(self, other: dict[str, Any]) -> None:
        if self.recipe["data"] != other["data"]:
            raise TrainingConfigError(
                "The training data differ from those that this run began with. Restore them, "
                "choose another output, or start anew without resuming."
            )
        changed = [
            f"{name} {other['config'].get(name)!r} → {value!r}"
            for name, value in self.recipe["config"].items()
            if other["config"].get(name) != value and name not in self.config.may_change_on_resume
        ]
        if changed:
            raise TrainingConfigError(
                "The configuration differs from the one that this run began with "
                f"({'; '.join(changed)}). Restore it, choose another output, or start anew "
                "without resuming."
            )


def _forget_places(directory: Path) -> None:
    """Drop where diffusers loaded a part from: no matter of anybody who gets the checkpoint."""
    for path in directory.rglob("*.json"):
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict) and values.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def base_of(source: str, revision: str = "") -> tuple[Path, Base]:
    """The directory of a given checkpoint, and what a card says of it. Raises CheckpointError."""
    directory = checkpoint_directory(source, revision or None)
    name = str(directory.resolve()) if Path(source).is_dir() else source
    return directory, Base(name, revision, checkpoint_digest(directory))


def load_base(
    kind: type[diffusers.DiffusionPipeline], directory: Path, **options: Any
) -> diffusers.DiffusionPipeline:
    """A pipeline from a local directory in float32 unless told otherwise.

    Raises CheckpointError when it does not load.
    """
    chosen = {"dtype": torch.float32, "use_safetensors": True, "local_files_only": True, **options}
    pipeline = _load(kind, directory, **chosen)
    refuse_missing_weights(pipeline, directory, given=options)
    return pipeline


def load_part(
    kind: type[torch.nn.Module], directory: Path, part: str = "", dtype: torch.dtype = torch.float32
) -> torch.nn.Module:
    """One model of a pipeline, or the only one of a directory; raises as `load_base`."""
    return _load(kind, directory, subfolder=part, dtype=dtype, use_safetensors=True)


def _load(kind: Any, directory: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(directory, **options)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        where = directory / options.get("subfolder", "")
        raise CheckpointError(f"{where} does not load as a {kind.__name__}: {error}") from error


def count(*models: torch.nn.Module) -> int:
    """Parameters, trained or not."""
    return sum(parameter.numel() for model in models for parameter in model.parameters())


def stack(cache: TensorCache, prompts: Iterable[str], device: torch.device) -> Tensors:
    """The embeddings of several prompts, by name, in one tensor each."""
    rows = [cache[prompt] for prompt in prompts]
    return {name: torch.stack([row[name] for row in rows]).to(device) for name in rows[0]}


def _with_steps(config: Config, images: int, accelerator: Accelerator) -> Config:
    """``num_train_epochs`` as steps."""
    if config.num_train_epochs is None:
        return config
    whole = whole_batch(config, accelerator, config.train_batch_size)
    return replace(config, max_train_steps=math.ceil(images * config.num_train_epochs / whole))


def _recorded(config: TrainingConfig) -> dict[str, Any]:
    """The configuration as JSON has it; local directories by their digest, not their place."""
    values = json.loads(json.dumps(config.to_json()))
    for name in config.sources:
        if values[name] and Path(values[name]).is_dir():
            values[name] = f"sha256:{checkpoint_digest(Path(values[name]))}"
    return values
