"""Bringing data sets, prompts and generators in: all of it, or nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.text import slugify

from generation.datasets.prompts import PromptRow
from generation.datasets.records import Record
from generation.engine.cards import card_of
from generation.engine.loading import checkpoint_digest, checkpoint_directory
from generation.engine.registry import FAMILIES
from generation.engine.spec import Base
from generation.models import Dataset, Generator, Image, Job, Prompt
from generation.storage import store_image

_BATCH = 500


class ImportRefused(ValueError):
    """What is to be imported clashes with what is there; the message says how to mend it."""


def import_dataset(
    *,
    slug: str,
    name: str,
    records: Sequence[Record],
    source: str = "",
    licence: str = "",
    phantom: bool = False,
    by: User | None = None,
    progress: Callable[[int, int], None] | None = None,
    also: Callable[[Dataset], None] | None = None,
) -> Dataset:
    """Make a data set of the images that `generation.datasets.layouts.read_dataset` has checked.

    Files are written first; if the rows then can't be, the files that were new are removed.

    Args:
        by: who may delete it; by default only superusers.
        also: called with the data set in the transaction that writes its rows.

    Raises:
        ImportRefused: a data set of this name or slug is there already.
    """
    check_free(slug, name)
    fresh: list[str] = []
    try:
        images = []
        for done, record in enumerate(records, 1):
            images.append(_real_image(record, record.read(), fresh))
            if progress:
                progress(done, len(records))
        with transaction.atomic():
            dataset = Dataset.objects.create(
                slug=slug,
                name=name,
                source=source,
                licence=licence,
                phantom=phantom,
                created_by=by,
            )
            _store_rows(dataset, records, images)
            if also:
                also(dataset)
            return dataset
    except Job.Lost:
        raise  # whoever took the work over needs the files
    except BaseException:
        for file in fresh:
            default_storage.delete(file)
        raise


def _real_image(record: Record, data: bytes, fresh: list[str]) -> Image:
    name = f"images/{record.sha256[:2]}/{record.sha256}{record.suffix}"
    known = default_storage.exists(name)
    file, digest = store_image(data, suffix=record.suffix)
    if not known:
        fresh.append(file)
    if digest != record.sha256:
        raise ImportRefused(f"{record.name} has changed while it was imported: start again.")
    return Image(
        kind=Image.Kind.REAL,
        file=file,
        sha256=digest,
        width=record.width,
        height=record.height,
        name=record.name,
        split=record.split,
    )


def _store_rows(dataset: Dataset, records: Sequence[Record], images: Sequence[Image]) -> None:
    for image in images:
        image.dataset = dataset
    Image.objects.bulk_create(images, batch_size=_BATCH)
    texts = dict.fromkeys(caption for record in records for caption in record.captions)
    prompts = {
        prompt.text: prompt
        for prompt in Prompt.objects.bulk_create(
            (Prompt(dataset=dataset, text=text) for text in texts), batch_size=_BATCH
        )
    }
    through = Image.prompts.through
    through.objects.bulk_create(
        (
            through(image_id=image.pk, prompt_id=prompts[caption].pk)
            for image, record in zip(images, records, strict=True)
            for caption in record.captions
        ),
        batch_size=_BATCH,
    )


def prompt_problems(dataset: Dataset, rows: Sequence[PromptRow]) -> list[str]:
    """What keeps prompts from being added to a data set that has some already."""
    there = {prompt.text: prompt for prompt in dataset.prompts.select_related("rephrasing_of")}
    problems = []
    for row in rows:
        prompt, other = there.get(row.prompt), there.get(row.rephrasing)
        if prompt and prompt.rephrasing_of:
            problems.append(
                f"Line {row.line}: “{row.prompt}” is a rephrasing of “{prompt.rephrasing_of}” in "
                f"“{dataset}”, and can't be a prompt of its own."
            )
        if other and (other.rephrasing_of is None or other.rephrasing_of.text != row.prompt):
            problems.append(
                f"Line {row.line}: “{row.rephrasing}” is a prompt of “{dataset}” already: word "
                "the rephrasing otherwise."
            )
    return problems


@transaction.atomic
def import_prompts(
    *,
    slug: str,
    name: str,
    rows: Sequence[PromptRow],
    source: str = "",
    by: User | None = None,
) -> Dataset:
    """Make a data set of prompts alone, in the file's order, each with its rephrasing.

    `by` is as in `import_dataset`. Raises ImportRefused when a data set of this name or slug is
    there already.
    """
    check_free(slug, name)
    dataset = Dataset.objects.create(slug=slug, name=name, source=source, created_by=by)
    add_prompts(dataset=dataset, rows=rows)
    return dataset


@transaction.atomic
def add_prompts(*, dataset: Dataset, rows: Sequence[PromptRow]) -> None:
    """Add prompts with their rephrasings to a data set; a text that is there becomes part of it."""
    for row in rows:
        original, _ = Prompt.objects.update_or_create(
            dataset=dataset,
            text=row.prompt,
            defaults={"reference_caption": row.reference_caption} if row.reference_caption else {},
        )
        if row.rephrasing:
            Prompt.objects.update_or_create(
                dataset=dataset, text=row.rephrasing, defaults={"rephrasing_of": original}
            )


def add_generator(
    *,
    name: str,
    checkpoint: str,
    revision: str = "",
    trained_on: Dataset | None = None,
    trained_split: str = Image.Split.TRAIN,
    family: str = "",
    base: Mapping[str, Base] | None = None,
    settings: Mapping[str, Any] | None = None,
    token_length: int | None = None,
    licence: str = "",
) -> Generator:
    """Register a checkpoint (directory or hub id) under a name, with its card and digest.

    A published model or another trainer's LoRA has no card: ``family`` (and a LoRA's ``base``, by
    part) then say what it is; see `generation.engine.cards.card_of` for all that may be given.

    Raises:
        CheckpointError: it or its base is missing or unsafe, or nothing says what it is.
        ImportRefused: the name is taken, or the family or a setting can't be.
    """
    slug = slugify(name)
    if not slug:
        raise ImportRefused("Give the generator a name with letters or digits in it.")
    if Generator.objects.filter(slug=slug).exists():
        raise ImportRefused(f"There is a generator “{name}” already: choose another name.")
    if family and family not in FAMILIES:
        raise ImportRefused(f"There is no family “{family}”; there are: {', '.join(FAMILIES)}.")
    directory = checkpoint_directory(checkpoint, revision or None)
    try:
        card = card_of(
            directory,
            family=family,
            base=base,
            settings=settings,
            token_length=token_length,
            licence=licence,
        )
    except ValueError as error:
        raise ImportRefused(str(error)) from error
    if card.family not in FAMILIES:
        raise ImportRefused(
            f"The card names the family “{card.family}”; there are: {', '.join(FAMILIES)}."
        )
    local = Path(checkpoint).is_dir()
    return Generator.objects.create(
        name=name,
        slug=slug,
        family=card.family,
        checkpoint=str(Path(checkpoint).resolve()) if local else checkpoint,
        revision=revision,
        digest=checkpoint_digest(directory),
        licence=card.licence,
        settings={key: value for key, value in asdict(card.settings).items() if value is not None},
        card=card.to_json(),
        trained_on=trained_on,
        trained_split=trained_split,
    )


def check_free(slug: str, name: str) -> None:
    if slug != slugify(slug) or not slug:
        raise ImportRefused(f"“{slug}” can't be a short name: use small letters, digits, hyphens.")
    if Dataset.objects.filter(slug=slug).exists() or Dataset.objects.filter(name=name).exists():
        raise ImportRefused(
            f"There is a data set “{slug}” or “{name}” already: choose another name."
        )
