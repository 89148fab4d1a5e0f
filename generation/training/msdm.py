"""Train an MSDM: the autoencoder, then the U-Net (and a small text encoder, unless one is given).

``output`` appears whole at the end. Until then the work is in ``<output>.training``, from where a
run that was stopped goes on.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from accelerate import Accelerator
from diffusers import AutoencoderKL, StableDiffusionPipeline

from generation.engine.loading import CARD_NAME, checkpoint_digest, checkpoint_directory, read_card
from generation.engine.spec import Card
from generation.training.checkpoints import Checkpoints
from generation.training.config import (
    MAY_CHANGE_ON_RESUME,
    TrainingConfig,
    TrainingConfigError,
)
from generation.training.data import (
    AugmentedViews,
    CachedLatents,
    CentreViews,
    Plan,
    TrainingImage,
    augmented_view,
    centre_view,
    check_images,
)
from generation.training.loop import Progress, Stage, run_stage
from generation.training.text import build_text
from generation.training.unet import Denoiser, DenoiserLoss, build_scheduler, build_unet
from generation.training.vae import Reconstruction, VaeLoss, build_vae, encode, whiten_colours

ENCODE_BATCH = 16


def train_msdm(
    images: Sequence[TrainingImage],
    *,
    config: TrainingConfig,
    output: Path,
    resume: bool = True,
    progress: Callable[[Progress], None] | None = None,
    licence: str = "unknown",
    phantom: bool = False,
) -> Card:
    """Train on ``images`` and write the checkpoint directory ``output``; its card.

    With ``resume`` an unfinished run of the same data and configuration goes on where it was
    (``MAY_CHANGE_ON_RESUME`` lists what may differ) and a finished one returns at once; without
    it all starts anew. ``progress`` is called after every step of the main process.

    Raises TrainingDataError (before anything is trained), TrainingConfigError (``output`` or its
    unfinished run belong to something else), CheckpointError (a given part is not to be had) and
    TrainingDiverged (the last good state is kept).
    """
    output = Path(output)
    work = output.with_name(output.name + ".training")
    digest = check_images(images)
    recipe = {"config": _recorded(config), "data": digest}
    if resume and (output / CARD_NAME).exists():
        card = read_card(output)
        _check_same(recipe, card.training)
        return card
    if output.exists() and not (output / CARD_NAME).exists():
        raise TrainingConfigError(f"{output} exists and holds no checkpoint; choose another name.")

    accelerator = Accelerator(mixed_precision=config.mixed_precision)
    if accelerator.is_main_process:
        _open_work(work, recipe, resume=resume)
    accelerator.wait_for_everyone()

    def train(stage: Stage) -> float:
        checkpoints = Checkpoints(work / stage.name, limit=config.checkpoints_total_limit)
        return run_stage(
            stage,
            config=config,
            accelerator=accelerator,
            checkpoints=checkpoints,
            progress=progress,
        )

    plan = Plan(images, config)
    losses: dict[str, float] = {}
    vae = _train_vae(plan, accelerator.device, train, losses)
    captions = [caption for image in images for caption in image.captions]
    torch.manual_seed(config.seed + 1)
    tokenizer, text_encoder = build_text(config, captions)
    unet = build_unet(
        config,
        text_width=text_encoder.config.hidden_size,
        latent_size=config.resolution // 2 ** (len(config.vae_block_out_channels) - 1),
    )
    if config.cache_views:
        samples, encode_batch = CachedLatents(plan, _latents(vae, images, config)), None
    else:
        samples, encode_batch = AugmentedViews(plan), lambda batch: encode(vae, batch)
    scheduler = build_scheduler(config)
    losses["unet"] = train(
        Stage(
            name="unet",
            model=Denoiser(unet, text_encoder),
            loss=DenoiserLoss(scheduler, tokenizer, accelerator.device, encode_batch),
            samples=samples,
            batch_size=config.train_batch_size,
            learning_rate=config.learning_rate,
            total=config.max_train_steps,
            use_ema=config.use_ema,
        )
    )

    parts = {"vae": vae, "unet": unet, "text_encoder": text_encoder}
    card = Card(
        family="msdm",
        settings=config.settings,
        token_length=config.token_length,
        parameters={name: part.num_parameters() for name, part in parts.items()},
        licence=licence,
        phantom=phantom,
        training={
            **recipe,
            "images": len(images),
            "seed": config.seed,
            "loss": {name: round(value, 6) for name, value in losses.items()},
            "libraries": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "diffusers": diffusers.__version__,
                "transformers": transformers.__version__,
            },
        },
    )
    if accelerator.is_main_process:
        dtype = getattr(torch, config.weights_dtype)
        pipeline = StableDiffusionPipeline(
            # Module.to, as diffusers' own override warns of a cast even where nothing is lost
            **{name: torch.nn.Module.to(part, "cpu", dtype) for name, part in parts.items()},
            tokenizer=tokenizer,
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        _publish(pipeline, card, work=work, output=output)
    accelerator.wait_for_everyone()
    return card


def _recorded(config: TrainingConfig) -> dict[str, Any]:
    """The configuration as JSON has it; local directories by their digest, not their place."""
    values = json.loads(json.dumps(config.to_json()))
    for name in ("vae", "text_encoder"):
        if values[name] and Path(values[name]).is_dir():
            values[name] = f"sha256:{checkpoint_digest(Path(values[name]))}"
    return values


def _check_same(recipe: dict[str, Any], other: dict[str, Any]) -> None:
    if recipe["data"] != other["data"]:
        raise TrainingConfigError(
            "The training data differ from those that this run began with. Restore them, choose "
            "another output, or start anew without resuming."
        )
    changed = [
        f"{name} {other['config'].get(name)!r} → {value!r}"
        for name, value in recipe["config"].items()
        if other["config"].get(name) != value and name not in MAY_CHANGE_ON_RESUME
    ]
    if changed:
        raise TrainingConfigError(
            f"The configuration differs from the one that this run began with ({'; '.join(changed)}"
            "). Restore it, choose another output, or start anew without resuming."
        )


def _open_work(work: Path, recipe: dict[str, Any], *, resume: bool) -> None:
    if not resume:
        shutil.rmtree(work, ignore_errors=True)
    path = work / "recipe.json"
    if path.exists():
        _check_same(recipe, json.loads(path.read_text(encoding="utf-8")))
    work.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(recipe), encoding="utf-8")


def _train_vae(
    plan: Plan, device: torch.device, train: Callable[[Stage], float], losses: dict[str, float]
) -> AutoencoderKL:
    """The autoencoder, given or trained, frozen, with the scaling factor of these images."""
    config = plan.config
    if config.vae:
        directory = checkpoint_directory(config.vae)
        vae = AutoencoderKL.from_pretrained(directory, use_safetensors=True)
        return vae.to(device, memory_format=torch.channels_last).requires_grad_(False).eval()
    torch.manual_seed(config.seed)
    vae = build_vae(config)
    some = [plan.images[plan.draw(n).index] for n in range(min(256, len(plan.images)))]
    views = [centre_view(image, config) for image in some]
    whiten_colours(vae, torch.stack(views))
    losses["vae"] = train(
        Stage(
            name="vae",
            model=Reconstruction(vae),
            loss=VaeLoss(config, device),
            samples=CentreViews(plan),
            batch_size=config.vae_train_batch_size,
            learning_rate=config.vae_learning_rate,
            total=config.vae_max_train_steps,
        )
    )
    vae.requires_grad_(False)
    vae.register_to_config(scaling_factor=1.0)
    latents = _encoded(vae, views)
    vae.register_to_config(scaling_factor=1 / float(latents.std()))
    return vae


def _latents(
    vae: AutoencoderKL, images: Sequence[TrainingImage], config: TrainingConfig
) -> dict[str, torch.Tensor]:
    """By image id: latents (views, orientations, channels, height, width) on the CPU."""
    flips = (False, True) if config.random_flip else (False,)
    return {
        image.id: _encoded(
            vae,
            (
                augmented_view(image, config, view=view, flip=flip)
                for view in range(config.cache_views)
                for flip in flips
            ),
        ).unflatten(0, (config.cache_views, len(flips)))
        for image in images
    }


def _encoded(vae: AutoencoderKL, views: Iterable[torch.Tensor]) -> torch.Tensor:
    views = list(views)
    batches = (views[i : i + ENCODE_BATCH] for i in range(0, len(views), ENCODE_BATCH))
    return torch.cat([encode(vae, torch.stack(batch)).cpu() for batch in batches])


def _publish(pipeline: StableDiffusionPipeline, card: Card, *, work: Path, output: Path) -> None:
    """Write the checkpoint beside ``output``, then put it in place and drop the work."""
    partial = work / "finished"
    shutil.rmtree(partial, ignore_errors=True)
    pipeline.save_pretrained(partial, safe_serialization=True)
    text = json.dumps(card.to_json(), indent=2, ensure_ascii=False, default=str)
    (partial / CARD_NAME).write_text(text + "\n", encoding="utf-8")
    shutil.rmtree(output, ignore_errors=True)
    os.replace(partial, output)
    shutil.rmtree(work)
