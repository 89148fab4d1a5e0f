"""The settings of a training as people write them: TOML lines, a file, or flags."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generation.training.config import TrainingConfig, TrainingConfigError
from generation.training.presets import make_config


def read_lines(text: str) -> dict[str, Any]:
    """Settings from lines ``name = value`` in TOML. Raises TrainingConfigError with the line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TrainingConfigError(
            f"These settings can't be read: {error}. Write one a line as name = value; words and "
            'texts in quotes, lists in brackets: mixed_precision = "bf16".'
        ) from error


def read_file(path: Path) -> dict[str, Any]:
    """Settings from a .toml or .json file. Raises TrainingConfigError naming it."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".toml":
            return read_lines(text)
        if path.suffix.lower() == ".json":
            settings = json.loads(text)
            if isinstance(settings, dict):
                return settings
            raise TrainingConfigError('an object is needed: {"learning_rate": 1e-4}')
        raise TrainingConfigError("a configuration ends in .toml or .json.")
    except (OSError, ValueError) as error:  # JSON's, TOML's and encoding's errors are ValueErrors
        raise TrainingConfigError(f"{path}: {error}") from error


def as_lines(settings: Mapping[str, Any]) -> str:
    """Settings as `read_lines` reads them; TOML has no null, so None is the word "none"."""
    return "\n".join(
        f"{name} = {json.dumps('none' if value is None else value, ensure_ascii=False)}"
        for name, value in settings.items()
    )


def resolve(family: str, preset: str, changes: Mapping[str, Any]) -> TrainingConfig:
    """The preset with these changes.

    Raises:
        TrainingConfigError: naming, a line each, all that is wrong by itself.
    """
    try:
        return make_config(family, preset, changes)
    except TrainingConfigError as error:
        make_config(family, preset)  # else nothing more can be said
        first = error
    alone = {name: _problem(family, preset, {name: value}) for name, value in changes.items()}
    good = {name: changes[name] for name, problem in alone.items() if not problem}
    # What is wrong alone may be right together: eta needs the scheduler that another line names.
    problems = [
        problem
        for name in alone
        if name not in good and (problem := _problem(family, preset, {**good, name: changes[name]}))
    ]
    raise TrainingConfigError("\n".join(problems) or str(first)) from first


def _problem(family: str, preset: str, changes: Mapping[str, Any]) -> str:
    try:
        make_config(family, preset, changes)
    except TrainingConfigError as error:
        return str(error)
    return ""
