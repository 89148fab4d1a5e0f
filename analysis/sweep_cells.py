"""One cell of a LoRA-rank sweep: a folder that fills up, and what is in it is never done again.

``checkpoint/`` (in training ``checkpoint.training/``), ``images/<prompt>/<image>.png`` with
``images/sampled.json``, ``seconds.json``, and at the end ``result.json``, or ``failed.json``.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generation.engine.batching import batches, run_batched
from generation.engine.seeding import image_seed

if TYPE_CHECKING:
    from generation.engine.spec import Sampler

BATCH = 10  # images; halved when the memory is too small
NOTE_EVERY = 10.0  # seconds; what a kill can take off the recorded times
Show = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Cell:
    """A rank (None: the untrained base) under a seed, which trains and samples alike."""

    folder: Path
    rank: int | None
    seed: int

    @classmethod
    def within(cls, output: Path, rank: int | None, seed: int) -> Cell:
        name = "base" if rank is None else f"rank-{rank}"
        return cls(output / f"{name}-seed-{seed}", rank, seed)

    @classmethod
    def all_within(cls, output: Path) -> list[Cell]:
        found = (re.fullmatch(r"(?:base|rank-(\d+))-seed-(\d+)", f.name) for f in output.iterdir())
        return [cls(output / m[0], int(m[1]) if m[1] else None, int(m[2])) for m in found if m]

    def __str__(self) -> str:
        return f"{'base' if self.rank is None else f'rank {self.rank}'} · seed {self.seed}"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    def begun(self) -> bool:
        """Whether hours of work are in it: a training or a result."""
        return any(self.folder.glob("checkpoint*")) or self.result() is not None

    def result(self) -> dict[str, Any] | None:
        return _read(self.folder / "result.json")

    def finish(self, result: dict[str, Any]) -> None:
        write_whole(self.folder / "result.json", _lines(result))
        (self.folder / "failed.json").unlink(missing_ok=True)

    def failure(self) -> str | None:
        failed = _read(self.folder / "failed.json")
        return None if failed is None or self.result() else failed["error"]

    def fail(self, error: str) -> None:
        write_whole(self.folder / "failed.json", _lines({"error": error}))

    def seconds(self) -> dict[str, float]:
        """Wall time by phase, over all attempts."""
        return _read(self.folder / "seconds.json") or {}

    @contextmanager
    def timed(self, phase: str) -> Iterator[Callable[[], None]]:
        """Adds the time within to the phase's; call what it yields now and then, for kills."""
        before, begun = self.seconds(), time.monotonic()
        noted = begun

        def note(*, now: bool = False) -> None:
            nonlocal noted
            if now or time.monotonic() - noted >= NOTE_EVERY:
                noted = time.monotonic()
                total = before.get(phase, 0.0) + noted - begun
                write_whole(self.folder / "seconds.json", _lines({**before, phase: total}))

        try:
            yield note
        finally:
            note(now=True)

    def sample(
        self,
        load: Callable[[], Sampler],
        *,
        by: dict[str, str],
        prompts: Sequence[str],
        images_per_prompt: int,
        progress: Callable[[int, int], None],
    ) -> list[list[Path]]:
        """The files of each prompt's images; samples those that aren't there.

        A batch that was cut short is sampled again whole: pixels depend, by float rounding, on the
        batch. Images that others made (``by``: checkpoint, sweep) are dropped.
        """
        head = {**by, "prompts": list(prompts)}
        note = self.images / "sampled.json"
        if _read(note) != head:
            shutil.rmtree(self.images, ignore_errors=True)
            write_whole(note, _lines(head))
        files = [
            [self.images / f"{number:05}" / f"{index:03}.png" for index in range(images_per_prompt)]
            for number in range(1, len(prompts) + 1)
        ]
        wanted = [
            (prompt, index, path)
            for prompt, paths in zip(prompts, files, strict=True)
            for index, path in enumerate(paths)
        ]
        missing = [
            item
            for batch in batches(wanted, BATCH)
            if not all(path.exists() for _, _, path in batch)
            for item in batch
        ]
        if missing:
            self._sample(load(), missing, len(wanted), progress)
        return files

    def _sample(
        self,
        sampler: Sampler,
        missing: Sequence[tuple[str, int, Path]],
        total: int,
        progress: Callable[[int, int], None],
    ) -> None:
        def draw(batch: Sequence[tuple[str, int, Path]]) -> list:
            seeds = [image_seed(seed=self.seed, prompt=p, index=i) for p, i, _ in batch]
            return sampler.sample([prompt for prompt, _, _ in batch], seeds)

        done = total - len(missing)
        progress(done, total)
        for batch, pictures in run_batched(draw, missing, BATCH):
            for (_, _, path), picture in zip(batch, pictures, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                draft = path.with_suffix(".partial")
                picture.save(draft, "PNG")
                draft.replace(path)
            done += len(batch)
            progress(done, total)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that its name never stands for half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".partial")
    draft.write_text(text, encoding="utf-8", newline="")
    draft.replace(path)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _lines(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
