"""Metrics and embedding against SciPy, torch-fidelity, torchmetrics and a bare forward pass.

    python -m benchmarks.analysis          # about 3 minutes; the `dev` requirements

Wall time, and in brackets processor time of all threads, which other work on the machine changes
less; each the best of several.
"""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image

from analysis.metrics.copying import find_copies
from analysis.metrics.embedders import LoadedEmbedder, load_embedder
from analysis.metrics.energy import energy_distance
from analysis.metrics.frechet import Moments, frechet_distance, frechet_of_moments
from analysis.metrics.kid import kid
from analysis.metrics.ms_ssim import ms_ssim
from analysis.metrics.neighbours import compare_manifolds
from analysis.metrics.utility import compare_training

Row = tuple[str, str, str]


class Took(NamedTuple):
    """Seconds a call."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{seconds(self.wall)} ({seconds(self.cpu)})"


def best(function: Callable[[], object], *, repeat: int = 5, number: int = 1) -> Took:
    """The best of `repeat`."""
    found = []
    for _ in range(repeat):
        begun = time.perf_counter(), time.process_time()
        for _ in range(number):
            function()
        ended = time.perf_counter(), time.process_time()
        found.append([(b - a) / number for a, b in zip(begun, ended, strict=True)])
    return Took(*(min(times) for times in zip(*found, strict=True)))


def by_matrix_root(x: np.ndarray, y: np.ndarray) -> float:
    """The definition, as most implementations compute it."""
    from scipy.linalg import sqrtm

    cx, cy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    mean = x.mean(axis=0) - y.mean(axis=0)
    return float(mean @ mean + np.trace(cx + cy) - 2 * np.trace(sqrtm(cx @ cy)).real)


def by_torch_fidelity(x: np.ndarray, y: np.ndarray) -> float:
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    stats = [{"mu": z.mean(axis=0), "sigma": np.cov(z, rowvar=False)} for z in (x, y)]
    return fid_statistics_to_metric(*stats, verbose=False)["frechet_inception_distance"]


def by_torchmetrics(x: np.ndarray, y: np.ndarray) -> float:
    import torch
    from torchmetrics.image.fid import _compute_fid

    means, covariances = zip(
        *((torch.from_numpy(z.mean(axis=0)), torch.from_numpy(np.cov(z, rowvar=False)))
          for z in (x, y)), strict=True,
    )  # fmt: skip
    return float(_compute_fid(means[0], covariances[0], means[1], covariances[1]))


def frechet_rows(rng: np.random.Generator) -> Iterator[Row]:
    for n in (10, 400):
        x, y = rng.normal(size=(2, n, 768))
        ours = best(partial(frechet_distance, x, y), number=100 if n == 10 else 3)
        exact = frechet_distance(x, y)
        yield f"Fréchet distance, {n} against {n}, d = 768", "Blindread", str(ours)
        for name, theirs in (
            ("scipy.linalg.sqrtm", by_matrix_root),
            ("torch-fidelity", by_torch_fidelity),
            ("torchmetrics", by_torchmetrics),
        ):
            found: list[float] = []
            took = best(lambda: found.append(theirs(x, y)), repeat=2)  # noqa: B023
            off = abs(found[-1] - exact) / exact
            yield "", name, f"{took}, {took.cpu / ours.cpu:,.0f} times; differs by {off:.0e}"


def memory() -> float:
    """Peak of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def moments_rows() -> Iterator[Row]:
    """Features as a file would give them: a block at a time."""
    block = np.random.default_rng(1).normal(size=(5000, 512)).astype(np.float32)

    def blocks(shift: float) -> Iterator[np.ndarray]:
        return (block + np.float32(shift + i / 10) for i in range(10))

    before = memory()
    took = best(lambda: frechet_of_moments(Moments.of(blocks(0)), Moments.of(blocks(1))), repeat=4)
    what = "Fréchet distance, 50,000 against 50,000, d = 512"
    yield (
        what,
        "Blindread, in blocks of 5,000",
        (f"{took}; {memory() - before:.0f} MiB above {before:.0f} at its peak"),
    )
    one = best(lambda: Moments.of(blocks(0)), repeat=4)
    yield "", "of which the moments of one side", str(one)


def other_rows(rng: np.random.Generator) -> Iterator[Row]:
    x, y = rng.normal(size=(2, 400, 768))
    small = x[:10], y[:10]
    yield (
        "Energy distance, 10 against 10",
        "Blindread",
        str(best(lambda: energy_distance(*small), number=100)),
    )
    yield "KID, 400 against 400", "Blindread", str(best(lambda: kid(x, y)))
    yield "", "torch-fidelity, 100 subsets of 100", str(best(lambda: their_kid(x, y), repeat=2))
    yield (
        "Precision, recall, density, coverage, 400 against 400",
        "Blindread",
        str(best(lambda: compare_manifolds(x, y))),
    )
    yield (
        "Copying, 400 against 5,000 and 400 held out",
        "Blindread",
        str(best(lambda: find_copies(x, np.tile(x, (13, 1))[:5000] + 1, y), repeat=2)),
    )
    labels = np.repeat(np.arange(10), 40)
    yield (
        "Utility, 10 classes, 400 of each kind, 140 trainings",
        "Blindread",
        str(best(lambda: compare_training((x, labels), (y, labels), (x, labels)), repeat=2)),
    )
    pictures = rng.integers(0, 256, (10, 256, 256, 3), dtype=np.uint8)
    yield (
        "MS-SSIM of a set of 10, 256×256 (45 pairs)",
        "Blindread",
        str(best(lambda: ms_ssim(list(pictures)), repeat=3)),
    )
    yield (
        "",
        "torchmetrics, in one batch",
        str(best(lambda: their_ms_ssim(pictures), repeat=2)),
    )


def their_kid(x: np.ndarray, y: np.ndarray) -> float:
    import torch
    from torch_fidelity.metric_kid import kid_features_to_metric

    found = kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=100, kid_subset_size=100,
        verbose=False,
    )  # fmt: skip
    return found["kernel_inception_distance_mean"]


def their_ms_ssim(pictures: np.ndarray) -> float:
    import torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    greys = torch.from_numpy(pictures.astype(np.float32) @ weights / 255)[:, None]
    i, j = np.triu_indices(len(pictures), 1)
    return float(multiscale_structural_similarity_index_measure(greys[i], greys[j], data_range=1.0))


def embedding_rows() -> Iterator[Row]:
    """Stored JPEGs to features, as a report does it, against the network alone."""
    import timm
    import torch

    from analysis.metrics.encoders import Encoder

    rng = np.random.default_rng(0)
    files = [jpeg(rng) for _ in range(32)]
    tower = timm.create_model("vit_base_patch16_224", pretrained=False, num_classes=0)
    row = load_embedder("efficientnet-lite0").row
    contestants = {
        "EfficientNet-Lite0": load_embedder("efficientnet-lite0"),
        "BiomedCLIP's tower (ViT-B/16, random weights)": LoadedEmbedder(
            row, Encoder(tower, tower, 768), device="cpu"
        ),
    }
    for name, embedder in contestants.items():
        size = embedder.batch
        fed = [embedder.prepare(opened(files[i : i + size])) for i in range(0, len(files), size)]

        def bare(embedder: LoadedEmbedder = embedder, fed: list[np.ndarray] = fed) -> None:
            with torch.inference_mode():
                for batch in fed:
                    embedder.forward(batch)

        def whole(embedder: LoadedEmbedder = embedder, size: int = size) -> None:
            with ThreadPoolExecutor(2) as pool:
                made = [
                    pool.submit(lambda part: embedder.prepare(opened(part)), files[i : i + size])
                    for i in range(0, len(files), size)
                ]
                for batch in made:
                    embedder.forward(batch.result())

        whole()
        turns = [(best(bare, repeat=1), best(whole, repeat=1)) for _ in range(7)]
        wall = np.median([w.wall / b.wall - 1 for b, w in turns])
        cpu = np.median([w.cpu / b.cpu - 1 for b, w in turns])
        fastest = [
            Took(*(min(times) / len(files) for times in zip(*took, strict=True)))
            for took in zip(*turns, strict=True)
        ]
        yield f"Embedding a 512×512 JPEG, {name}", "bare forward pass", str(fastest[0])
        yield (
            "",
            "read, decode, resize, forward",
            (f"{fastest[1]}; {wall:+.1%} ({cpu:+.1%}), median of 7 turns"),
        )


def jpeg(rng: np.random.Generator) -> bytes:
    small = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    out = BytesIO()
    small.resize((512, 512), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def opened(files: list[bytes]) -> list[Image.Image]:
    return [Image.open(BytesIO(data)).convert("RGB") for data in files]


def seconds(value: float) -> str:
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:.1e} s"


def main() -> None:
    import torch

    print(f"{os.cpu_count()} CPU threads, torch uses {torch.get_num_threads()}; ", end="")
    print(f"load {os.getloadavg()[0]:.1f} at the start\n")
    print("| what | by | wall time (processor time) |\n|---|---|---|")
    parts = (moments_rows, lambda: frechet_rows(np.random.default_rng(0)),
             lambda: other_rows(np.random.default_rng(0)), embedding_rows)  # fmt: skip
    for part in parts:
        for row in part():
            print("| " + " | ".join(row) + " |")
            sys.stdout.flush()
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
