"""Train a generator on the images of a data set."""

import argparse
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any, get_type_hints

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.engine.loading import CheckpointError
from generation.imports import ImportRefused
from generation.management.lookup import one
from generation.management.progress import progress_bar
from generation.models import Dataset, Generator, Image
from generation.training.config import CONFIGS, TrainingConfig
from generation.training.presets import PRESETS
from generation.training.registry import load_trainer
from generation.training_settings import read_file, resolve
from generation.trainings import (
    TrainingError,
    check_name,
    process_state,
    register,
    training_images,
)


class Command(BaseCommand):
    help = (
        "Train a generator on a data set and register it. Stopped, the same command goes on where "
        "it was. `train FAMILY --help` lists the family's settings. On several GPUs: "
        "accelerate launch --num_processes 2 manage.py train FAMILY …"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        families = parser.add_subparsers(dest="family", required=True, metavar="FAMILY")
        for family, kind in CONFIGS.items():
            about = inspect.getdoc(kind) or ""
            _add_family(
                families.add_parser(
                    family,
                    help=about.partition("\n")[0],
                    description=f"{about}\n\n{inspect.getdoc(TrainingConfig)}",
                    formatter_class=argparse.RawDescriptionHelpFormatter,
                    allow_abbrev=False,
                ),
                family,
            )

    def handle(self, **options) -> None:
        from generation.training.data import TrainingDataError
        from generation.training.loop import TrainingDiverged

        try:
            self._train(**options)
        except (
            CheckpointError,
            ImportRefused,
            OSError,  # SaveFailed among them
            TrainingDataError,
            TrainingDiverged,
            ValueError,  # TrainingConfigError, TrainingError
        ) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. The same command goes on where it was.") from None

    def _train(self, *, family: str, output: Path, name: str, restart: bool, **options) -> None:
        dataset = one(Dataset, options["dataset"])
        config = resolve(family, options["preset"], _changes(family, options))
        _check_place(name, output, restart=restart)
        images = training_images(dataset, options["split"])
        main = process_state().is_main_process
        with alone(output) if main else nullcontext(), progress_bar("Preparing", on=main) as show:
            load_trainer(family)(
                images,
                config=config,
                output=output,
                resume=not restart,
                progress=lambda now: show(
                    now.step, now.total, f"{now.stage} · loss {now.loss:.4f}"
                ),
                licence=dataset.licence or "unknown",
                phantom=dataset.phantom,
            )
        if main:
            generator = register(name, output, dataset, options["split"])
            self.stdout.write(f"Trained and added the generator “{generator}”: {generator.slug}")


def _add_family(parser: CommandParser, family: str) -> None:
    presets = PRESETS[family]
    parser.add_argument("--dataset", required=True, metavar="SLUG")
    parser.add_argument("--split", default="train", choices=Image.Split.values)
    parser.add_argument("--name", required=True, help="the generator's name")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--preset", default="paper", choices=list(presets), help="default: paper")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings in TOML or JSON; flags go before it"
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume_from_checkpoint",
        choices=["latest"],
        default="latest",
        help="it always goes on from the newest checkpoint, unless:",
    )
    again.add_argument("--restart", action="store_true", help="drop an unfinished training")
    settings = parser.add_argument_group("settings (default in each preset)")
    kinds = get_type_hints(CONFIGS[family])
    for field in fields(CONFIGS[family]):
        defaults = {preset: getattr(config, field.name) for preset, config in presets.items()}
        settings.add_argument(
            f"--{field.name}",
            dest=f"set_{field.name}",
            help=_said(defaults).replace("%", "%%"),
            **_reading(kinds[field.name]),
        )


def _reading(kind: Any) -> dict[str, Any]:
    """How argparse takes a value; `make_config` reads it."""
    if kind is bool:
        return {"nargs": "?", "const": "true", "metavar": "true|false"}
    if str(kind).startswith("tuple"):
        return {"nargs": "+", "metavar": "VALUE"}
    return {"metavar": "VALUE"}


def _said(defaults: Mapping[str, Any]) -> str:
    if len(set(defaults.values())) == 1:
        return _word(next(iter(defaults.values())))
    return "; ".join(f"{preset}: {_word(value)}" for preset, value in defaults.items())


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_word, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value in (None, "") else str(value)


def _changes(family: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the preset: the file's settings, and over them the flags'."""
    file = read_file(options["config"]) if options["config"] else {}
    given = {field.name: options[f"set_{field.name}"] for field in fields(CONFIGS[family])}
    return {**file, **{name: value for name, value in given.items() if value is not None}}


def _check_place(name: str, output: Path, *, restart: bool) -> None:
    """Raises TrainingError when the result could not be registered, days later."""
    check_name(name, output=None if restart else output)
    holds = Generator.objects.filter(checkpoint=str(output.resolve())).first()
    if restart and holds:
        raise TrainingError(
            f"{output} holds the checkpoint of the generator “{holds}”; choose another --output."
        )


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Raises TrainingError while another `train` of this machine writes to the same folder."""
    from filelock import FileLock, Timeout

    name = sha256(str(output.resolve()).encode()).hexdigest()[:16]
    lock = FileLock(Path(gettempdir()) / f"blindread-train-{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise TrainingError(
            f"Another `train` writes to {output}: wait until it is through, stop it, or choose "
            "another --output."
        ) from None
    try:
        yield
    finally:
        lock.release()
