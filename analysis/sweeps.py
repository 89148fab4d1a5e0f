"""A sweep of LoRA ranks (paper, Table 4): train, sample and measure each rank under each seed.

A cell is one rank under one seed, or the untrained base under that seed; see `sweep_cells`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, uuid4

import numpy as np
from django.conf import settings
from PIL import Image as Pillow

from analysis.embedding import embed_images
from analysis.metrics.embedders import load_embedder
from analysis.metrics.fbd import fbd
from analysis.metrics.floors import same_n_values
from analysis.metrics.sets import PromptSets, measure_sets
from analysis.models import RankSweep
from analysis.sweep_cells import Cell, Show, write_whole
from analysis.sweep_tables import TABLES
from generation.engine.batching import batches
from generation.engine.cards import card_of
from generation.engine.loading import CheckpointError, checkpoint_digest, checkpoint_directory
from generation.engine.registry import load_sampler
from generation.engine.spec import Base, Card
from generation.models import Dataset, Image, Prompt
from generation.training.config import KandinskyConfig, LoraConfig
from generation.training.presets import make_config
from generation.training.registry import load_trainer
from generation.trainings import process_state, training_images

if TYPE_CHECKING:
    from generation.training.loop import Progress

RECIPE, FOLDER = "sweep.json", ".folder"
LONGEST_ERROR = 200  # characters of it on the page; the folder's results.csv has all
DIGEST_LENGTH = 64
FLOOR_DRAWS = 40
# Settings that change neither what is learnt nor what is sampled; those of a cell come from it.
_APART = frozenset(
    {
        "rank",
        "seed",
        "gradient_checkpointing",
        "checkpointing_steps",
        "checkpoints_total_limit",
        "dataloader_num_workers",
        "validation_prompts",
        "validation_steps",
        "report_to",
    }
)


class SweepError(ValueError):
    """The sweep can't be begun or gone on with; the message says why and how to mend it."""


@dataclass(frozen=True)
class HeldOut:
    """The real images of a split, and the prompts that ask for such: captions and rephrasings."""

    images: list[Image]
    prompts: list[list[str]]  # an original caption and its rephrasings
    captioned: list[list[str]]  # for each of these the SHA-256 of the real images it describes

    @classmethod
    def of(cls, dataset: Dataset, split: str) -> Self:
        """Raises SweepError for fewer than 2 images, or none with a caption."""
        images = list(dataset.images.filter(split=split).prefetch_related("prompts__rephrasing_of"))
        if len(images) < 2:
            has = ", ".join(f"{n} {name}" for name, n in dataset.splits().items()) or "none"
            raise SweepError(
                f"A Fréchet distance needs at least 2 held-out images; the split “{split}” of "
                f"“{dataset}” has {len(images)} (the data set's images: {has})."
            )
        originals: dict[Prompt, dict[str, None]] = {}
        for image in images:
            for prompt in image.prompts.all():
                originals.setdefault(prompt.original, {})[image.sha256] = None
        if not originals:
            raise SweepError(f"No image of the split “{split}” of “{dataset}” has a caption.")
        ordered = sorted(originals, key=lambda prompt: prompt.pk)
        return cls(
            images,
            [[p.text, *(r.text for r in p.rephrasings.order_by("pk"))] for p in ordered],
            [list(originals[prompt]) for prompt in ordered],
        )

    @property
    def texts(self) -> list[str]:
        return [text for texts in self.prompts for text in texts]

    def digest(self) -> str:
        """SHA-256 (hex) over images and prompts, whatever their order."""
        pairs = sorted(zip(self.prompts, map(sorted, self.captioned), strict=True))
        content = [sorted(image.sha256 for image in self.images), pairs]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class Sweep:
    """The cells of ``ranks`` × ``seeds`` and of the base, in ``output``.

    ``config`` is that of every cell but for rank and seed. Nothing is written before all that
    can be checked was: the data, the base, the embedder, and that ``output`` is this sweep's.

    Raises:
        SweepError, TrainingError, TrainingDataError, CheckpointError, EmbedderError, MeasureError.
    """

    def __init__(
        self,
        *,
        family: str,
        dataset: Dataset,
        split: str,
        evaluation_split: str,
        config: LoraConfig,
        output: Path,
        images_per_prompt: int,
        embedder: str,
    ) -> None:
        from generation.engine.device import choose_device, device_name
        from generation.training.data import check_images

        if process_state().num_processes > 1:
            raise SweepError("A sweep runs in one process; start it without accelerate launch.")
        self.family, self.dataset, self.config, self.output = family, dataset, config, output
        self.split, self.evaluation_split = split, evaluation_split
        self.images_per_prompt = images_per_prompt
        self.held_out = HeldOut.of(dataset, evaluation_split)
        self.images = training_images(dataset, split)
        data = check_images(self.images, config.rephrasing)
        device = choose_device(settings.DEVICE)[0]
        self.device = device_name(device)
        self.base = _bases(config)
        self.embedder = load_embedder(embedder, sources=settings.EMBEDDER_SOURCES, device=device)
        self.recipe = {
            "family": family,
            "base": {part: base.digest for part, base in self.base.items()},
            "training data": data,
            "held-out data": self.held_out.digest(),
            "images per prompt": images_per_prompt,
            "embedder": self.embedder.fingerprint,
            "config": _shared(config),
        }
        self.digest = hashlib.sha256(json.dumps(self.recipe, sort_keys=True).encode()).hexdigest()
        self._check_same()
        features = embed_images(self.held_out.images, embedder=self.embedder)
        # In one order, whatever was known before: sums of floats depend on theirs.
        self.real = {image.sha256: features[image.sha256] for image in self.held_out.images}
        self.floor = real_floor(np.stack(list(self.real.values())))

    def run(self, *, ranks: Sequence[int], seeds: Sequence[int], show: Show) -> list[Cell]:
        """Do what the cells still lack, seed by seed; the cells that failed.

        A cell that fails is recorded and the rest goes on, but for a failure of the base, or of
        the disk. Tables are written after each cell, the row of the page before the first too.

        Raises SweepError, OSError, and those of the data.
        """
        cells = [Cell.within(self.output, rank, s) for s in seeds for rank in (None, *ranks)]
        self.output.mkdir(parents=True, exist_ok=True)
        with _alone(self.output):
            write_whole(self.output / RECIPE, json.dumps(self.recipe, indent=2) + "\n")
            self._record(cells, self.results())
            for number, cell in enumerate(cells, 1):
                title = f"Cell {number} of {len(cells)}: {cell}"
                if not self._known(cell):
                    self._attempt(cell, _titled(show, title))
                    self._write_tables(cells)
            self._write_tables(cells)
        return [cell for cell in cells if cell.failure() is not None]

    def results(self) -> list[dict[str, Any]]:
        """Of all cells in the folder that have finished or failed, the base's first."""
        cells = Cell.all_within(self.output)
        found = []
        for cell in sorted(cells, key=lambda cell: (cell.rank or 0, cell.seed)):
            if result := self._known(cell):
                found.append({key: v for key, v in result.items() if key != "sweep"})
            elif error := cell.failure():
                found.append({"rank": cell.rank, "seed": cell.seed, "error": error})
        return found

    def _known(self, cell: Cell) -> dict[str, Any] | None:
        result = cell.result()
        if result and result["sweep"] != self.digest:
            raise SweepError(
                f"{cell.folder} holds the result of another sweep; move that folder away."
            )
        return result

    def _attempt(self, cell: Cell, show: Show) -> None:
        from generation.training.loop import TrainingDiverged

        try:
            self._perform(cell, show)
        except (TrainingDiverged, CheckpointError, RuntimeError, MemoryError, ValueError) as error:
            if cell.rank is None:
                raise SweepError(f"The base can't be sampled and measured: {error}") from error
            cell.fail(f"{type(error).__name__}: {error}")
        finally:
            _free_memory()

    def _perform(self, cell: Cell, show: Show) -> None:
        made = self._untrained() if cell.rank is None else self._train(cell, show)
        _free_memory()
        files = self._sample(cell, made, show)
        _free_memory()
        measures = self._measure(files, show)
        trained = made.card.training if cell.rank is not None else {}
        steps = make_config(self.family, "paper", trained["config"]).stages() if trained else {}
        cell.finish(
            {
                "rank": cell.rank,
                "seed": cell.seed,
                "alpha": made.card.lora.get("alpha"),
                "lora_parameters": made.card.parameters.get("lora", 0),
                "steps": steps,
                "loss": trained["loss"] if trained else {},
                "measures": measures,
                **{f"seconds_{phase}": round(s, 1) for phase, s in cell.seconds().items()},
                "checkpoint_digest": made.digest,
                "embedder": self.embedder.fingerprint,
                "embedder_weights": self.embedder.weights,
                "device": self.device,
                "sweep": self.digest,
            }
        )

    def _untrained(self) -> _Made:
        """The base as a generator, sampled as the trained ones are."""
        source = list(self.base.values())[-1]
        directory = checkpoint_directory(source.source, source.revision or None)
        card = card_of(
            directory,
            family=self.family,
            base=self.base,
            settings={k: v for k, v in asdict(self.config.settings).items() if v is not None},
            token_length=getattr(self.config, "token_length", None),
        )
        return _Made(directory, card, " ".join(base.digest for base in self.base.values()))

    def _train(self, cell: Cell, show: Show) -> _Made:
        process_state()  # forgets the number format of the cell before
        with cell.timed("trained") as note:

            def progress(now: Progress) -> None:
                note()
                show(now.step, now.total, f"training the {now.stage}, loss {now.loss:.4f}")

            show(0, next(iter(self.config.stages().values())), "preparing")
            card = load_trainer(self.family)(
                self.images,
                config=replace(self.config, rank=cell.rank, seed=cell.seed),
                output=cell.checkpoint,
                progress=progress,
                licence=self.dataset.licence or "unknown",
                phantom=self.dataset.phantom,
            )
        return _Made(cell.checkpoint, card, checkpoint_digest(cell.checkpoint))

    def _sample(self, cell: Cell, made: _Made, show: Show) -> list[list[Path]]:
        with cell.timed("sampled") as note:

            def progress(done: int, total: int) -> None:
                note()
                show(done, total, "sampling")

            return cell.sample(
                lambda: load_sampler(
                    self.family, made.directory, card=made.card, device=settings.DEVICE
                ),
                by={"checkpoint": made.digest, "sweep": self.digest},
                prompts=self.held_out.texts,
                images_per_prompt=self.images_per_prompt,
                progress=progress,
            )

    def _measure(self, files: list[list[Path]], show: Show) -> dict[str, Any]:
        flat = [path for paths in files for path in paths]
        parts: list[np.ndarray] = []
        for number, batch in enumerate(batches(flat, self.embedder.batch)):
            show(number * self.embedder.batch, len(flat), "measuring")
            parts.append(self.embedder.embed([_read_image(path) for path in batch]))
        sets = iter(np.split(np.concatenate(parts), len(files)))
        prompts = [
            PromptSets([next(sets) for _ in texts], np.stack([self.real[s] for s in captioned]))
            for texts, captioned in zip(self.held_out.prompts, self.held_out.captioned, strict=True)
        ]
        return asdict(measure_sets(prompts, np.stack(list(self.real.values()))))

    def _write_tables(self, cells: Sequence[Cell]) -> None:
        results = self.results()
        for name, rows in TABLES.items():
            write_whole(self.output / f"{name}.csv", rows(results).to_csv(index=False))
        self._record(cells, results)

    def _record(self, cells: Sequence[Cell], results: Sequence[dict[str, Any]]) -> None:
        """Show the page what there is."""
        folder = self._folder()
        before = RankSweep.objects.filter(folder=folder, recipe=self.recipe).first()
        asked = {(cell.rank, cell.seed) for cell in cells}
        asked |= {(rank, seed) for rank, seed in (before.asked if before else [])}
        RankSweep.objects.update_or_create(
            folder=folder,
            defaults={
                "output": self.output.resolve().name,
                "family": self.family,
                "dataset": self.dataset,
                "split": self.split,
                "evaluation_split": self.evaluation_split,
                "embedder": self.embedder.row.title,
                "recipe": self.recipe,
                "asked": sorted(asked, key=lambda cell: (cell[0] or 0, cell[1])),
                "results": [_briefly(result) for result in results],
                "floor": self.floor,
            },
        )

    def _folder(self) -> UUID:
        path = self.output / FOLDER
        if not path.exists():
            write_whole(path, f"{uuid4()}\n")
        return UUID(path.read_text(encoding="utf-8").strip())

    def _check_same(self) -> None:
        path = self.output / RECIPE
        if not path.exists():
            if self.output.exists() and any(self.output.iterdir()):
                raise SweepError(f"{self.output} holds something else; choose another --output.")
            return
        differences = list(_differences(json.loads(path.read_text(encoding="utf-8")), self.recipe))
        begun = any(cell.begun() for cell in Cell.all_within(self.output))
        if differences and begun:
            raise SweepError(
                f"{self.output} holds a sweep with other settings ({'; '.join(differences)}). "
                "Restore them, or choose another --output."
            )


def real_floor(real: np.ndarray) -> dict[str, Any]:
    """Fréchet distance of a random half of the real images from the other: mean, middle 95 %.

    ``value`` is None with fewer than 4 images; ``real`` has the shape (images, dimensions).
    """
    half = len(real) // 2
    if half < 2:
        return {"value": None, "n": half, "draws": 0}
    values = same_n_values(fbd, real, None, n=half, m=half, seed=0, draws=FLOOR_DRAWS)
    low, high = np.quantile(values, [0.025, 0.975])
    estimate = {"value": float(values.mean()), "low": float(low), "high": float(high)}
    return estimate | {"n": half, "draws": FLOOR_DRAWS}


@dataclass(frozen=True)
class _Made:
    """A generator to be sampled."""

    directory: Path
    card: Card
    digest: str


def _bases(config: LoraConfig) -> dict[str, Base]:
    """What is trained on, by part, with digests. Raises CheckpointError."""
    from generation.training.trainer import base_of

    own = base_of(config.pretrained_model_name_or_path, config.revision)[1]
    if not isinstance(config, KandinskyConfig):
        return {"pipeline": own}
    prior = base_of(config.pretrained_prior_model_name_or_path, config.prior_revision)[1]
    return {"prior": prior, "decoder": own}


def _shared(config: LoraConfig) -> dict[str, Any]:
    """The settings that all cells share; what is trained on stands in the recipe by its digest."""
    apart = _APART | set(config.sources) | {"revision", "prior_revision"}
    values = json.loads(json.dumps(config.to_json()))
    return {name: value for name, value in values.items() if name not in apart}


def _differences(there: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for name in sorted(there.keys() | now.keys()):
        old, new = there.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new)
        elif old != new:
            yield f"{name} {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    is_digest = isinstance(value, str) and len(value) == DIGEST_LENGTH
    return f"{value[:12]}…" if is_digest else repr(value)


def _briefly(result: dict[str, Any]) -> dict[str, Any]:
    if "error" not in result:
        return result
    first = next(iter(result["error"].splitlines()), "")
    return result | {"error": shorten(first, LONGEST_ERROR, placeholder=" …")}


def _titled(show: Show, title: str) -> Show:
    return lambda done, total, what: show(done, total, f"{title} · {what}")


def _read_image(path: Path) -> Pillow.Image:
    with Pillow.open(path) as image:
        return image.convert("RGB")


def _free_memory() -> None:
    """Let go of a model before the next is loaded."""
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Raises SweepError while another process works in ``output``; a killed one doesn't."""
    with (output / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SweepError(f"Another sweep is at work in {output}.") from error
        yield
