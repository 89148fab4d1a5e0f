"""Train a LoRA for each rank and seed, measure them all, and tabulate."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from analysis.embedding import MeasureError
from analysis.metrics.embedders import EMBEDDER_NAMES, EmbedderError
from analysis.sweep_tables import table_text
from analysis.sweeps import Sweep, SweepError
from generation.engine.loading import CheckpointError
from generation.management.lookup import one
from generation.management.progress import progress_bar
from generation.models import Dataset, Image
from generation.training.config import CONFIGS, LoraConfig, TrainingConfigError
from generation.training_settings import read_file, resolve

FAMILIES = [family for family, kind in CONFIGS.items() if issubclass(kind, LoraConfig)]
RANKS, SEEDS = [4, 8, 16, 32, 64, 128, 256], [1, 2, 3]  # the paper's ranks


class Command(BaseCommand):
    help = (
        "LoRA ranks compared (the paper's Table 4): each is trained under each seed, sampled with "
        "the captions of held-out images, measured against these, and set beside the untrained "
        "base. Stopped, the same command goes on where it was. See docs/lora-sweep.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("family", metavar="FAMILY", help=" or ".join(FAMILIES))
        parser.add_argument("--dataset", required=True, metavar="SLUG")
        parser.add_argument("--split", default="train", choices=Image.Split.values)
        parser.add_argument("--evaluation-split", default="test", choices=Image.Split.values)
        parser.add_argument("--output", type=Path, required=True, metavar="DIR")
        parser.add_argument(
            "--ranks", type=_numbers, default=RANKS, help="default: 4,8,16,32,64,128,256"
        )
        parser.add_argument(
            "--seeds", type=_numbers, default=SEEDS, help="of training and sampling; default: 1,2,3"
        )
        parser.add_argument("--preset", default="paper", help="default: paper")
        parser.add_argument(
            "--config", type=Path, metavar="FILE", help="settings in TOML or JSON; --set goes first"
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            type=_setting,
            metavar="NAME=VALUE",
            help="a setting of the family, as `train FAMILY --help` lists them; repeatable",
        )
        parser.add_argument("--images-per-prompt", type=int, default=10)
        parser.add_argument(
            "--embedder", default=settings.EMBEDDER, metavar="NAME", help=EMBEDDER_NAMES
        )

    def handle(self, **options: Any) -> None:
        from generation.training.data import TrainingDataError

        try:
            self._sweep(**options)
        except (
            CheckpointError,
            EmbedderError,
            MeasureError,
            OSError,
            TrainingDataError,
            ValueError,  # SweepError, TrainingConfigError, TrainingError
        ) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. The same command goes on where it was.") from None

    def _sweep(self, *, ranks: list[int], seeds: list[int], **options: Any) -> None:
        config = _config(ranks, options)
        with progress_bar("Checking images, base and embedder") as show:
            sweep = Sweep(
                family=options["family"],
                dataset=one(Dataset, options["dataset"]),
                split=options["split"],
                evaluation_split=options["evaluation_split"],
                config=config,
                output=options["output"],
                images_per_prompt=options["images_per_prompt"],
                embedder=options["embedder"],
            )
            failed = sweep.run(ranks=ranks, seeds=seeds, show=show)
        self.stdout.write(table_text(sweep.results()))
        self.stdout.write(f"Tables: {sweep.output / 'results.csv'}, {sweep.output / 'table.csv'}")
        if failed:
            raise CommandError(
                "\n".join(
                    [
                        f"{len(failed)} cells failed; the same command tries these again:",
                        *(f"{cell}: {cell.failure()}" for cell in failed),
                    ]
                )
            )


def _config(ranks: list[int], options: dict[str, Any]) -> LoraConfig:
    """The cells' shared configuration; raises SweepError with all that is wrong."""
    family, problems = options["family"], []
    if family not in FAMILIES:
        raise SweepError(
            f"{family} is no family that is trained by LoRA; there are: {', '.join(FAMILIES)}."
        )
    if min(ranks) < 1:
        problems.append(f"--ranks: {min(ranks)} is no rank; ranks begin at 1.")
    if options["split"] == options["evaluation_split"]:
        problems.append(
            f"--evaluation-split: “{options['split']}” is trained on; name another split."
        )
    if options["images_per_prompt"] < 2:
        problems.append("--images-per-prompt: the metrics need at least 2.")
    try:
        changes = {**(read_file(options["config"]) if options["config"] else {})}
        changes |= dict(options["set"])
        problems += [
            f"{name} is set by --{name}s, for each cell."
            for name in ("rank", "seed")
            if name in changes
        ]
        config = resolve(family, options["preset"], changes)
    except TrainingConfigError as error:
        problems.append(str(error))
    if problems:
        raise SweepError("\n".join(problems))
    assert isinstance(config, LoraConfig)
    return config


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: whole numbers with commas are needed: 4,8,16") from None
    if min(numbers) < 0:
        raise ArgumentTypeError(f"{text!r}: {min(numbers)} is negative")
    return sorted(set(numbers))


def _setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (sign and name.strip()):
        raise ArgumentTypeError(f"{text!r}: NAME=VALUE is needed")
    return name.strip(), value.strip()
