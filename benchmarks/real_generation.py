"""A family trained on real images, at a size for two CPU cores: how far it gets from its base.

    python -m benchmarks.real_generation FAMILY DATA OUT

DATA is a folder with ``images/`` and ``captions.csv`` (image, split, caption). What is not trained
is Birch (kandinsky), Cedar (flux) or a new base with Alder's autoencoder (stable_diffusion), which
have seen drawings alone, and for msdm the same training stopped after one step. Prints the Fréchet
distance from the test split's images in EfficientNet-Lite0's features, before and after, as many
generated as real; real against real (the training split) is the mark to aim at. Writes grids into
OUT. Held-out images are never trained on.
"""

import csv
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from analysis.metrics.embedders import load_embedder
from analysis.metrics.frechet import frechet_distance
from generation.engine.registry import load_sampler
from generation.engine.seeding import image_seed
from generation.training.bases import make_base
from generation.training.data import TrainingImage, read_image
from generation.training.presets import make_config
from generation.training.registry import load_trainer

DEMO = Path(__file__).parent.parent / "generation" / "demo_checkpoints"
SIZE, CUBIC = 64, Image.Resampling.BICUBIC
COMMON = {"resolution": SIZE, "cache_views": 4, "color_jitter": 0.05, "checkpointing_steps": 500}
SETTINGS: dict[str, dict] = {
    "msdm": {
        "vae_max_train_steps": 800,
        "vae_block_out_channels": (16, 32, 48),
        "unet_block_out_channels": (32, 64, 96),
        "max_train_steps": 1500,
        "steps": 30,
        "learning_rate": 2e-3,
    },
    "kandinsky": {"rank": 16, "prior_max_train_steps": 600, "max_train_steps": 1200, "steps": 30},
    "flux": {"rank": 16, "max_train_steps": 1500, "steps": 20, "true_cfg_scale": 1.5},
    "stable_diffusion": {"max_train_steps": 1500, "steps": 25, "learning_rate": 1e-3},
}


def read(data: Path) -> dict[str, list[TrainingImage]]:
    captions, splits = defaultdict(list), {}
    with (data / "captions.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            captions[row["image"]].append(row["caption"])
            splits[row["image"]] = row["split"]
    images = defaultdict(list)
    for name, texts in captions.items():
        images[splits[name]].append(TrainingImage(name, data / "images" / name, tuple(texts)))
    return images


def configure(family: str, out: Path, captions: list[str]):
    """The configuration, and the same with one step: the base as it is."""
    settings = {**COMMON, **SETTINGS[family]}
    base = DEMO / {"kandinsky": "birch", "flux": "cedar"}.get(family, "alder")
    if family == "stable_diffusion":
        base = out / "base"
        if not base.exists():
            make_base(family, base, captions=captions, resolution=SIZE, vae=DEMO / "alder" / "vae")
    if family == "kandinsky":
        settings["pretrained_model_name_or_path"] = str(base / "decoder")
        settings["pretrained_prior_model_name_or_path"] = str(base / "prior")
    elif family != "msdm":
        settings["pretrained_model_name_or_path"] = str(base)
    once = {"max_train_steps": 1, "lr_warmup_steps": 0, "learning_rate": 1e-9, "use_ema": False}
    if family == "kandinsky":
        once["prior_max_train_steps"] = 1
    if family == "msdm":
        once["vae"] = str(out / "trained" / "vae")
    return make_config(family, "small", settings), make_config(family, "small", settings | once)


def sample(family: str, checkpoint: Path, images: list[TrainingImage]) -> list[Image.Image]:
    sampler = load_sampler(family, checkpoint)
    prompts = [image.captions[0] for image in images]
    seeds = [image_seed(seed=1, prompt=p, index=i) for i, p in enumerate(prompts)]
    drawn: list[Image.Image] = []
    for start in range(0, len(prompts), 10):
        drawn += sampler.sample(prompts[start : start + 10], seeds[start : start + 10])
    return drawn


def grid(images: list[Image.Image], path: Path) -> None:
    sheet = Image.new("RGB", (8 * SIZE, 3 * SIZE))
    for n, image in enumerate(images[:24]):
        sheet.paste(image, (n % 8 * SIZE, n // 8 * SIZE))
    sheet.resize((16 * SIZE, 6 * SIZE)).save(path)


def main() -> None:
    family, data, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    images = read(data)
    config, once = configure(family, out, [c for i in images["train"] for c in i.captions])
    train = load_trainer(family)
    losses: dict[str, list[float]] = defaultdict(list)
    started = time.monotonic()
    train(
        images["train"],
        config=config,
        output=out / "trained",
        progress=lambda now: losses[now.stage].append(now.loss),
    )
    seconds = time.monotonic() - started
    train(images["train"], config=once, output=out / "untrained")
    for stage, values in losses.items():
        print(f"{family} {stage}: mean loss {values[50]:.4f} (50 steps), {values[-1]:.4f} (end)")
    embedder = load_embedder("efficientnet-lite0")

    def features(pictures: list[Image.Image]) -> np.ndarray:
        return np.concatenate(
            [embedder.embed(pictures[i : i + 16]) for i in range(0, len(pictures), 16)]
        )

    def views(some: list[TrainingImage]) -> list[Image.Image]:
        return [ImageOps.fit(read_image(image.path), (SIZE, SIZE), CUBIC) for image in some]

    test, count = images["test"], len(images["test"])
    real = features(views(test))
    others = features(views(images["train"][:count]))
    print(f"{family}: Fréchet distance of {count} generated from {count} held-out real images")
    print(f"{family} other real images: {frechet_distance(others, real):.1f}")
    for name in ("untrained", "trained"):
        drawn = sample(family, out / name, test)
        grid(drawn, out / f"{name}.png")
        print(f"{family} {name}: {frechet_distance(features(drawn), real):.1f}")
    print(f"{family} trained in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
