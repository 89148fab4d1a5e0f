"""What one can watch while a stage trains: TensorBoard curves and validation grids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diffusers.utils import make_image_grid
from PIL.Image import Image
from torch.utils.tensorboard import SummaryWriter
from torchvision.transforms import functional as transforms

from generation.training.config import TrainingConfig

COLUMNS = 4


class Journal:
    """Writes ``<work>/logs`` (TensorBoard) and ``<work>/validation/<stage>-<step>.png``."""

    def __init__(
        self, work: Path, stage: str, first: int, config: TrainingConfig, *, on: bool
    ) -> None:
        self.work, self.stage, self.on = work, stage, on
        self.writer = None
        if on and config.report_to == "tensorboard":
            # what a killed run wrote after its last checkpoint is written again
            self.writer = SummaryWriter(str(work / "logs" / stage), purge_step=first + 1)

    def numbers(self, step: int, **values: float) -> None:
        if self.writer:
            for name, value in values.items():
                self.writer.add_scalar(f"{self.stage}/{name}", value, step)

    def grid(self, step: int, draw: Callable[[], list[Image]]) -> None:
        if not self.on:
            return
        images = draw()
        columns = min(COLUMNS, len(images))
        images += [images[0].copy().point(lambda _: 0)] * (-len(images) % columns)
        grid = make_image_grid(images, rows=len(images) // columns, cols=columns)
        path = self.work / "validation" / f"{self.stage}-{step:08}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grid.save(path)
        if self.writer:
            self.writer.add_image(f"{self.stage}/validation", transforms.to_tensor(grid), step)

    def close(self) -> None:
        if self.writer:
            self.writer.close()
