"""What makes sampling faster: batch size, memory format, fused projections, compiled blocks.

    python -m benchmarks.generation_choices [FAMILY …] [--rounds 3]

On the CPU, with the small families of ``benchmarks.generation``. Each is one change to the sampler
as it is (batches of 10); all take turns. Prints the processor time that an image takes, which other
work on the machine hardly changes, and how many times as fast that is, as medians over the rounds;
beforehand how long the first batch takes, which compiles.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import diffusers
import torch

from benchmarks.random_bases import save_base
from generation.engine.cards import card_of
from generation.engine.pipeline import PipelineSampler
from generation.engine.registry import FAMILIES, load_sampler
from generation.engine.tuning import COMPILED

SIZE, STEPS, TOKENS = 128, 5, 64
PROMPT = "a colonoscopy image with two polyps."
BATCH = 10
OTHER_BATCHES = (1, 5, 20, 40)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    for family in args.families or FAMILIES:
        with TemporaryDirectory() as folder:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{folder}/compiled"  # nothing known before
            measure(family, Path(folder) / family, args.rounds)


def measure(family: str, checkpoint: Path, rounds: int) -> None:
    save_base(family, checkpoint, published=False, captions=[PROMPT], device="cpu")
    turns = {}
    for name, change in CHANGES.items():
        sampler = _loaded(family, checkpoint)
        began = time.perf_counter()
        try:
            change(sampler)
            _seconds_an_image(sampler, BATCH)
        except (RuntimeError, ValueError, AttributeError) as error:
            print(f"{family}: {name} can't be: {str(error).splitlines()[0]}", flush=True)
            continue
        took = time.perf_counter() - began
        print(f"{family}: {name}: the first batch takes {took:.1f} s", flush=True)
        turns[name] = partial(_seconds_an_image, sampler, BATCH)
    same = _loaded(family, checkpoint)
    for size in OTHER_BATCHES:
        turns[f"batches of {size}"] = partial(_seconds_an_image, same, size)
    rows = [{name: turn() for name, turn in turns.items()} for _ in range(rounds)]
    for name in turns:
        gains = [row["as it is"] / row[name] for row in rows]
        print(
            f"{family:16} {name:20} {median(row[name] for row in rows) * 1e3:6.0f} ms an image; "
            f"{median(gains):.2f} times as fast ({min(gains):.2f} to {max(gains):.2f})",
            flush=True,
        )


def _loaded(family: str, checkpoint: Path) -> PipelineSampler:
    settings = {"width": SIZE, "height": SIZE, "steps": STEPS}
    card = card_of(
        checkpoint,
        family=family,
        settings=settings | ({"prior_steps": STEPS} if family == "kandinsky" else {}),
        token_length=TOKENS if family == "flux" else None,
    )
    sampler = load_sampler(family, checkpoint, card=card, device="cpu")
    assert isinstance(sampler, PipelineSampler)
    return sampler


def _seconds_an_image(sampler: PipelineSampler, size: int) -> float:
    began = time.process_time()
    sampler.sample([PROMPT] * size, range(size))
    return (time.process_time() - began) / size


def _pipelines(sampler: PipelineSampler) -> Iterator[diffusers.DiffusionPipeline]:
    return (own for own in vars(sampler).values() if isinstance(own, diffusers.DiffusionPipeline))


def _lay_out(sampler: PipelineSampler, *, memory_format: torch.memory_format, parts: str) -> None:
    for pipeline in _pipelines(sampler):
        for name, part in pipeline.components.items():
            if name in parts.split():
                part.to(memory_format=memory_format)


def _fuse(sampler: PipelineSampler) -> None:
    for pipeline in _pipelines(sampler):
        for part in ("unet", "transformer"):
            if model := getattr(pipeline, part, None):
                model.fuse_qkv_projections()


def _layout(memory_format: torch.memory_format, parts: str) -> Callable[[PipelineSampler], None]:
    return partial(_lay_out, memory_format=memory_format, parts=parts)


CHANGES: dict[str, Callable[[PipelineSampler], None]] = {
    "as it is": lambda sampler: None,
    "channels first": _layout(torch.contiguous_format, "unet vae movq"),
    "channels_last U-Net": _layout(torch.channels_last, "unet"),
    "channels_last all": _layout(torch.channels_last, "unet vae movq"),
    "fused projections": _fuse,
    "compiled": lambda sampler: sampler.use([COMPILED]),
}


if __name__ == "__main__":
    main()
