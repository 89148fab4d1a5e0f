"""Give the prompts of a data set other words."""

from argparse import ArgumentTypeError
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from generation.datasets import DatasetError
from generation.datasets.prompts import read_prompts
from generation.management.lookup import one
from generation.management.progress import progress_bar
from generation.models import Dataset, Prompt
from generation.rephrasing.checking import difference
from generation.rephrasing.rules import NoRule, rephrasings

# Which options belong to which source.
_OPTIONS: dict[str, set[str]] = {
    "rules": {"variants", "seed"},
    "file": set(),
    "endpoint": {"variants", "model", "temperature", "timeout"},
}
Pair = tuple[Prompt, str]


class Command(BaseCommand):
    help = (
        "Store rephrasings of a data set's prompts: by rule (MEDVQA-GI's wording, no network), "
        "from a CSV file (columns prompt, rephrasing), or from a language model behind an "
        "OpenAI-compatible address (key: REPHRASING_API_KEY). What is there is not made again. "
        "See docs/rephrasing.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dataset", metavar="DATASET", help="the data set's short name")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--rules", action="store_true")
        source.add_argument("--file", type=Path, metavar="CSV")
        source.add_argument(
            "--endpoint", metavar="URL", help="for example http://localhost:8000/v1"
        )
        parser.add_argument("--model", metavar="NAME", help="endpoint: the model's name there")
        parser.add_argument(
            "--variants",
            type=_positive,
            metavar="N",
            help="rules, endpoint: so many for each prompt, with those that are there (default: 1)",
        )
        parser.add_argument("--seed", type=int, help="rules: which come first (default: 0)")
        parser.add_argument("--temperature", type=float, help="endpoint (default: 0.8)")
        parser.add_argument("--timeout", type=float, help="endpoint: in seconds (default: 60)")
        parser.add_argument("--dry-run", action="store_true", help="print the pairs, store nothing")

    def handle(self, **options: Any) -> None:
        source = next(name for name in _OPTIONS if options[name])
        _check_options(source, options)
        dataset = one(Dataset, options["dataset"])
        prompts = list(dataset.prompts.filter(rephrasing_of=None).prefetch_related("rephrasings"))
        if not prompts:
            raise CommandError(f"“{dataset}” has no prompts to rephrase.")
        if source == "endpoint":
            self._ask(dataset, prompts, options)
            return
        if source == "rules":
            pairs = self._by_rule(dataset, prompts, options["variants"] or 1, options["seed"] or 0)
        else:
            pairs = self._from_file(dataset, prompts, options["file"])
        with transaction.atomic():
            for prompt, text in pairs:
                self._keep(dataset, prompt, text, dry_run=options["dry_run"])
        self._count(dataset, len(pairs), dry_run=options["dry_run"])

    def _by_rule(
        self, dataset: Dataset, prompts: list[Prompt], variants: int, seed: int
    ) -> list[Pair]:
        pairs: list[Pair] = []
        used = set(dataset.prompts.values_list("text", flat=True))
        problems, short = [], 0
        for prompt in prompts:
            try:
                fresh = [t for t in rephrasings(prompt.text, seed=seed) if t not in used]
            except NoRule as error:
                problems.append(str(error))
                continue
            wanted = max(variants - len(_texts(prompt)), 0)
            short += len(fresh) < wanted
            pairs += [(prompt, text) for text in fresh[:wanted]]
            used.update(fresh[:wanted])
        _refuse(problems)
        if short:
            self.stdout.write(f"For {short} prompts the rules have fewer than {variants}.")
        return pairs

    def _from_file(self, dataset: Dataset, prompts: list[Prompt], file: Path) -> list[Pair]:
        known = {prompt.text: prompt for prompt in prompts}
        try:
            rows = [row for row in read_prompts(file) if row.rephrasing]
        except DatasetError as error:
            raise CommandError(f"Nothing was stored.\n{error}") from error
        if not rows:
            raise CommandError(f"{file.name} has no rephrasings: fill its column rephrasing.")
        pairs = [(known[row.prompt], row.rephrasing) for row in rows if row.prompt in known]
        fresh = [(prompt, text) for prompt, text in pairs if text not in _texts(prompt)]
        taken = set(dataset.prompts.values_list("text", flat=True))
        _refuse(
            [f"“{dataset}” has no prompt “{r.prompt}”." for r in rows if r.prompt not in known]
            + [
                f"“{text}” is a prompt of “{dataset}” already, not a rephrasing of “{prompt}”."
                for prompt, text in fresh
                if text in taken
            ]
        )
        for row in rows:
            if changed := difference(row.prompt, row.rephrasing):
                self.stdout.write(
                    f"Look at this one: “{row.prompt}” → “{row.rephrasing}” ({changed})."
                )
        return fresh

    def _ask(self, dataset: Dataset, prompts: list[Prompt], options: dict[str, Any]) -> None:
        """Each answer is stored as it comes, so that a call cut short can be gone on with."""
        from generation.rephrasing.endpoint import EndpointError, NotKept

        endpoint = _endpoint(options)
        missing = [p for p in prompts for _ in range(len(_texts(p)), options["variants"] or 1)]
        taken = set(dataset.prompts.values_list("text", flat=True))
        own = {prompt.pk: _texts(prompt) for prompt in prompts}
        problems, stored = [], 0
        with progress_bar(f"Asking {options['model']}") as show:
            for done, prompt in enumerate(missing, 1):
                try:
                    text = endpoint.rephrase(prompt.text, taken=own[prompt.pk])
                except NotKept as error:
                    problems.append(str(error))
                except EndpointError as error:
                    self._count(dataset, stored, dry_run=options["dry_run"])
                    raise CommandError(f"{error}\nThe same command goes on from here.") from error
                else:
                    if text in taken:
                        problems.append(f"“{text}”, for “{prompt.text}”, is another prompt.")
                    else:
                        self._keep(dataset, prompt, text, dry_run=options["dry_run"])
                        taken.add(text)
                        own[prompt.pk].append(text)
                        stored += 1
                show(done, len(missing))
        self._count(dataset, stored, dry_run=options["dry_run"])
        if problems:
            raise CommandError(
                "\n".join([*problems, f"{len(problems)} are missing; the same command asks again."])
            )

    def _keep(self, dataset: Dataset, prompt: Prompt, text: str, *, dry_run: bool) -> None:
        if dry_run:
            self.stdout.write(f"{prompt.text} → {text}")
        else:
            Prompt.objects.create(dataset=dataset, text=text, rephrasing_of=prompt)

    def _count(self, dataset: Dataset, fresh: int, *, dry_run: bool) -> None:
        there = dataset.prompts.exclude(rephrasing_of=None).count()
        end = "nothing was stored (--dry-run)" if dry_run else f"“{dataset}” has {there} now"
        self.stdout.write(f"{fresh} new rephrasings; {end}.")


def _texts(prompt: Prompt) -> list[str]:
    return [rephrasing.text for rephrasing in prompt.rephrasings.all()]


def _refuse(problems: list[str]) -> None:
    if problems:
        raise CommandError("\n".join(["Nothing was stored.", *problems]))


def _check_options(source: str, options: dict[str, Any]) -> None:
    every = sorted(set().union(*_OPTIONS.values()))
    problems = [
        f"--{option} is not for --{source}."
        for option in every
        if options[option] is not None and option not in _OPTIONS[source]
    ]
    if source == "endpoint" and not options["model"]:
        problems.append("Name the --model, as the endpoint calls it.")
    _refuse(problems)


def _endpoint(options: dict[str, Any]) -> Any:
    from generation.rephrasing.endpoint import Endpoint

    given = {
        option: options[option]
        for option in ("model", "temperature", "timeout")
        if options[option] is not None
    }
    try:
        return Endpoint(options["endpoint"], api_key=settings.REPHRASING_API_KEY, **given)
    except ValueError as error:
        raise CommandError(str(error)) from error


def _positive(text: str) -> int:
    with suppress(ValueError):
        if (number := int(text)) > 0:
            return number
    raise ArgumentTypeError(f"{text} is not a whole number above 0")
