"""The function that trains a family; its module, and torch with it, is imported when asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from generation.training import families
from generation.training.config import CONFIGS, TrainingConfigError

if TYPE_CHECKING:
    from generation.engine.spec import Card


def load_trainer(family: str) -> Callable[..., Card]:
    """``train(images, *, config, output, resume, progress, licence, phantom)``, see ``Trainer``.

    Raises TrainingConfigError for a family that can't be trained.
    """
    if family not in CONFIGS:
        raise TrainingConfigError(
            f"There is no training for the family {family!r}; there are: {', '.join(CONFIGS)}."
        )
    return import_module(f"{families.__name__}.{family}").train
