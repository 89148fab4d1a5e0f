"""A small CLIP, taught to tell which captions are true of an image.

For the demonstration's models: published ones come with a CLIP that stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from generation.engine.pipeline import token_ids
from generation.training.bases import new_clip
from generation.training.config import TrainingConfig
from generation.training.data import TrainingImage, centre_view
from generation.training.families.kandinsky import image_embeddings

SCALE = 10.0  # of cosines to logits


def train_clip(
    directory: Path,
    images: Sequence[TrainingImage],
    *,
    config: TrainingConfig,
    steps: int,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    progress: Callable[[int, float], None] | None = None,
) -> None:
    """Train a new text and image encoder into the folders ``text`` and ``vision`` of ``directory``.

    Every caption of the data is scored against every image of a batch: a pairwise sigmoid loss
    (Zhai et al. 2023, doi 10.1109/ICCV51070.2023.01100) with true captions as positives.
    """
    torch.manual_seed(config.seed)
    captions = sorted({caption for image in images for caption in image.captions})
    clip = new_clip(captions, config.resolution)
    ids = torch.cat([token_ids(clip.tokenizer, caption) for caption in captions])
    true = torch.tensor([[c in image.captions for c in captions] for image in images]).float()
    bias = torch.nn.Parameter(torch.zeros(len(captions)))
    parameters = [*clip.text.parameters(), *clip.vision.parameters(), bias]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    pixels = torch.stack([centre_view(image, config) for image in images])
    rng = np.random.default_rng(config.seed)
    for step in range(steps):
        chosen = torch.from_numpy(rng.choice(len(images), batch_size, replace=False))
        seen = functional.normalize(image_embeddings(clip.vision, pixels[chosen]), dim=1)
        said = functional.normalize(clip.text(ids).text_embeds, dim=1)
        loss = functional.binary_cross_entropy_with_logits(
            SCALE * seen @ said.T + bias, true[chosen]
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if progress:
            progress(step + 1, loss.item())
    clip.save(directory)
