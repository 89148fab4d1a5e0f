"""Three ways to the same images, taking turns; see ``generation.py``. Django must be set up."""

import gc
import os
import re
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import diffusers
import torch
from django.conf import settings as django_settings
from django.db.models import Max, Min

from benchmarks.random_bases import save_base
from generation.datasets.prompts import PromptRow
from generation.engine.batching import batches
from generation.engine.registry import load_sampler
from generation.engine.seeding import image_seed
from generation.engine.spec import Card
from generation.imports import add_generator, import_prompts
from generation.models import Generator, Image, Job, Prompt, Run, TunedGenerator
from generation.runs import CHUNK, create_run, enqueue_run

IMAGES = 10  # of each prompt
SIZES = {"msdm": 64}  # pixels a side of the small families, else 128; its latents are finer
STEPS = {"msdm": 10}  # else 4: a batch takes seconds
TOKENS = 64  # of a small FLUX's T5
LOOK = 0.1  # seconds between two looks at a run
PATIENCE = 1800  # seconds for a run, or for the worker to start
PIPELINES = {
    "flux": diffusers.FluxPipeline,
    "msdm": diffusers.StableDiffusionPipeline,
    "stable_diffusion": diffusers.StableDiffusionPipeline,
}


@dataclass(frozen=True)
class Turn:
    """``seconds`` for all images, and to the first ones; ``peak`` is bytes of a GPU's memory.

    ``sampling`` is the part of a worker's seconds that it spent in its sampler.
    """

    seconds: float
    first: float
    peak: int = 0
    sampling: float = 0.0


class PlainLoop:
    """``for prompt: pipe(prompt, num_images_per_prompt=10)``, and each image saved as PNG."""

    def __init__(self, generator: Generator, device: str, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.card = Card.from_json(generator.card)
        self.pipeline = _load(self.card, Path(generator.checkpoint), device)
        self.pipeline.set_progress_bar_config(disable=True)
        self.options = _diffusers_options(self.card)

    def __call__(self, prompts: Sequence[Prompt], seed: int) -> Turn:
        return timed(partial(self._prompt, prompt.text) for prompt in prompts)

    def _prompt(self, text: str) -> None:
        images = self.pipeline(text, num_images_per_prompt=IMAGES, **self.options).images
        for number, image in enumerate(images):
            image.save(self.folder / f"{hash(text)}-{number}.png")


class BareSampler:
    """The worker's sampler in the worker's batches; nothing is stored."""

    def __init__(self, generator: Generator, device: str) -> None:
        card = Card.from_json(generator.card)
        self.sampler = load_sampler(card.family, generator.checkpoint, card=card, device=device)
        self.tuned = TunedGenerator.objects.get(generator=generator)
        self.sampler.use(self.tuned.options)

    def __call__(self, prompts: Sequence[Prompt], seed: int) -> Turn:
        return timed(
            partial(self._batch, batch, seed)
            for chunk in batches(prompts, CHUNK // IMAGES)
            for batch in batches(
                [(prompt.text, index) for prompt in chunk for index in range(IMAGES)],
                self.tuned.batch_size,
            )
        )

    def _batch(self, batch: Sequence[tuple[str, int]], seed: int) -> None:
        seeds = [image_seed(seed=seed, prompt=text, index=index) for text, index in batch]
        self.sampler.sample([text for text, _ in batch], seeds)


class Worker:
    """``manage.py worker``, asked for runs through the database and the queue."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.generator: Generator
        began = time.perf_counter()
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "worker"],
                env=os.environ,
                cwd=django_settings.BASE_DIR,
                stdout=file,
                stderr=file,
            )
        while b" ready." not in log.read_bytes():
            self._wait(began, "The worker did not start")
        print(f"The worker starts in {time.perf_counter() - began:.1f} s.", flush=True)

    def __call__(self, prompts: Sequence[Prompt], seed: int) -> Turn:
        """From the moment it takes the first chunk; the first image from being asked."""
        run = self._run(prompts, seed)
        chunks = run.chunks.aggregate(began=Min("started_at"), ended=Max("finished_at"))
        images = Image.objects.filter(image_set__run=run).aggregate(first=Min("created_at"))
        said = re.findall(rf"of run {run.pk}: ([\d.]+) s in the sampler", self.log.read_text())
        return Turn(
            (chunks["ended"] - chunks["began"]).total_seconds(),
            (images["first"] - run.queued_at).total_seconds(),
            sampling=sum(map(float, said)),
        )

    def _run(self, prompts: Sequence[Prompt], seed: int) -> Run:
        run = create_run(
            generator=self.generator, prompts=prompts, images_per_set=IMAGES, seed=seed, by=None
        )
        enqueue_run(run)
        began = time.perf_counter()
        while run.unfinished:
            self._wait(began, f"{run} is {run.status}")
            run.refresh_from_db()
        if run.status != Job.Status.DONE or run.done != len(prompts) * IMAGES:
            raise RuntimeError(f"{run} {run.status}: {run.error}\n{self.log.read_text()}")
        return run

    def _wait(self, began: float, what: str) -> None:
        if self.process.poll() is not None or time.perf_counter() - began > PATIENCE:
            raise RuntimeError(f"{what}:\n{self.log.read_text()}")
        time.sleep(LOOK)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def timed(parts: Iterable[Callable[[], None]]) -> Turn:
    """How long it takes to do all parts, and the first one."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    began, first = time.perf_counter(), 0.0
    for part in parts:
        part()
        first = first or time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return Turn(time.perf_counter() - began, first, peak)


def contest(args: Namespace, folder: Path) -> None:
    """Print how fast each contestant is, family by family."""
    rows = [PromptRow(f"a colonoscopy image with {n} polyps.") for n in range(args.prompts)]
    prompts = list(import_prompts(slug="prompts", name="Prompts", rows=rows).prompts.all())
    worker = Worker(folder / "worker.log")
    try:
        for family in args.families:
            generator = _generator(family, args, folder, [prompt.text for prompt in prompts])
            worker.generator = generator
            cold = worker(prompts[:1], seed=0).first
            device = os.environ["DEVICE"]
            makers: list[Callable[[], Callable[..., Turn]]] = [
                partial(PlainLoop, generator, device, folder / f"{family}-plain"),
                partial(BareSampler, generator, device),
                lambda: worker,
            ]
            turns = _take_turns(makers, prompts, args.rounds)
            gains = [] if args.published else _duel(makers[0](), makers[1](), prompts * args.rounds)
            _report(generator, len(prompts), cold, turns, gains)
    finally:
        worker.stop()


def _generator(family: str, args: Namespace, folder: Path, captions: list[str]) -> Generator:
    size = args.size or (256 if args.published else SIZES.get(family, 128))
    settings = {"width": size, "height": size}
    if steps := args.steps or (None if args.published else STEPS.get(family, 4)):
        settings["steps"] = steps
        if family == "kandinsky":
            settings["prior_steps"] = steps
    checkpoint = folder / family
    device = os.environ["DEVICE"]
    save_base(family, checkpoint, published=args.published, captions=captions, device=device)
    return add_generator(
        name=family,
        checkpoint=str(checkpoint),
        family=family,
        settings=settings,
        token_length=TOKENS if family == "flux" and not args.published else None,
    )


def _take_turns(
    makers: Sequence[Callable[[], Callable[..., Turn]]], prompts: Sequence[Prompt], rounds: int
) -> list[list[Turn]]:
    """Each contestant's turns, once it is warm; who begins changes from round to round.

    On a GPU, which has no room for all of them, one after the other.
    """
    if os.environ["DEVICE"] == "cuda" and len(makers) > 1:
        return [_take_turns([make], prompts, rounds)[0] for make in makers]
    gc.collect()
    torch.cuda.empty_cache()
    contestants = [make() for make in makers]
    turns: list[list[Turn]] = [[] for _ in contestants]
    for contestant in contestants:
        contestant(prompts[:1], seed=1)
    for number in range(rounds):
        for place in range(len(contestants)):
            which = (number + place) % len(contestants)
            turns[which].append(contestants[which](prompts, seed=number + 2))
    return turns


def _duel(
    loop: Callable[..., Turn], sampler: Callable[..., Turn], prompts: Sequence[Prompt]
) -> list[float]:
    """How many times as fast the sampler is, by processor time, prompt by prompt in turns."""
    loop(prompts[:1], seed=0)
    sampler(prompts[:1], seed=0)
    gains = []
    for prompt in prompts:
        seconds = []
        for contestant in (loop, sampler):
            began = time.process_time()
            contestant([prompt], seed=1)
            seconds.append(time.process_time() - began)
        gains.append(seconds[0] / seconds[1])
    return gains


def _report(
    generator: Generator,
    prompts: int,
    cold: float,
    turns: list[list[Turn]],
    gains: Sequence[float],
) -> None:
    weights, settings = sum(generator.card["parameters"].values()), generator.card["settings"]
    tuned = TunedGenerator.objects.get(generator=generator)
    print(
        f"\n{generator.name}, {weights / 1e6:.1f} M weights, {settings['width']}×"
        f"{settings['height']}, {settings['steps']} steps, {prompts} × {IMAGES} images, on "
        f"{tuned.device}; batches of {tuned.batch_size} {' '.join(tuned.options)}"
    )
    for name, own in zip(("plain loop", "sampler", "worker"), turns, strict=True):
        speeds = [prompts * IMAGES / turn.seconds for turn in own]
        peak = max(turn.peak for turn in own)
        print(
            f"  {name:10} {median(speeds):6.2f} images/s ({min(speeds):.2f} to {max(speeds):.2f}), "
            f"first after {median(turn.first for turn in own):.2f} s"
            + (f", peak {peak / 2**30:.1f} GiB" if peak else "")
        )
    plain, sampler, worker = turns
    over = [w.seconds / s.seconds - 1 for w, s in zip(worker, sampler, strict=True)]
    gain = [p.seconds / w.seconds for p, w in zip(plain, worker, strict=True)]
    beside = [w.seconds / w.sampling - 1 for w in worker]
    print(
        f"  worker, beside its own sampling {median(beside):+.1%} ({min(beside):+.1%} to "
        f"{max(beside):+.1%}); over the other sampler {median(over):+.1%} ({min(over):+.1%} to "
        f"{max(over):+.1%})\n"
        f"  {median(gain):.2f} times the plain loop's speed ({min(gain):.2f} to {max(gain):.2f}); "
        f"first image of a worker that has to load it: {cold:.1f} s",
        flush=True,
    )
    if gains:
        print(
            f"  prompt by prompt in turns, by processor time, the sampler is {median(gains):.2f} "
            f"times as fast as the loop ({min(gains):.2f} to {max(gains):.2f}, n = {len(gains)})",
            flush=True,
        )


def _load(card: Card, directory: Path, device: str) -> diffusers.DiffusionPipeline:
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    options = {"dtype": dtype, "use_safetensors": True, "local_files_only": True}
    if card.family != "kandinsky":
        return PIPELINES[card.family].from_pretrained(directory, **options).to(device)
    prior = diffusers.KandinskyV22PriorPipeline.from_pretrained(directory / "prior", **options)
    decoder = diffusers.KandinskyV22Pipeline.from_pretrained(directory / "decoder", **options)
    parts = {f"prior_{name}": part for name, part in prior.components.items()}
    return diffusers.KandinskyV22CombinedPipeline(**decoder.components, **parts).to(device)


def _diffusers_options(card: Card) -> dict:
    settings = card.settings
    options = {
        "width": settings.width,
        "height": settings.height,
        "num_inference_steps": settings.steps,
        "guidance_scale": settings.guidance_scale,
    }
    if card.family == "flux":
        return {**options, "max_sequence_length": card.token_length}
    if card.family == "kandinsky":
        return {
            **options,
            "prior_num_inference_steps": settings.prior_steps,
            "prior_guidance_scale": settings.prior_guidance_scale,
        }
    return {**options, "eta": settings.eta}
