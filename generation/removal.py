"""Deleting a data set that nothing was made of, with its prompts and image files."""

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS, IntegrityError, models, transaction
from django.db.models import ProtectedError
from django.db.models.deletion import Collector

from generation.models import Dataset, Image, Prompt
from generation.models.uploads import SentFile
from generation.storage import forget

logger = logging.getLogger(__name__)
_AT_ONCE = 500


class DatasetInUse(ValueError):
    """The data set can't be deleted; the message says what uses it."""


def delete_dataset(*, dataset: Dataset, by: User) -> None:
    """Remove a data set with its prompts, their proposals, its images and the images' files; and
    uploads of image sets for its prompts, anybody's, which failed or were cancelled.

    Raises:
        DatasetInUse: a study, a run, a training or a generator was made of it, or work that may
            need it is under way.
    """
    if dataset.rephrasings.unfinished().exists():
        raise DatasetInUse(f"“{dataset}” is being rephrased: wait for it, or cancel it.")
    try:
        with transaction.atomic():
            if _bringing_in():
                raise DatasetInUse("Files are being imported: wait for their end, then delete.")
            if users := _users(dataset, by):
                raise DatasetInUse(f"“{dataset}” is used by {', '.join(users)}.")
            files = {str(name) for name in dataset.images.values_list("file", flat=True)}
            logger.info(
                "Account %s deletes the data set %s: %d images, %d prompts.",
                by.pk,
                dataset.slug,
                len(files),
                dataset.prompts.count(),
            )
            dataset.prompts.exclude(rephrasing_of=None).delete()  # first, as originals are kept
            dataset.images.all().delete()
            dataset.delete()
            transaction.on_commit(partial(_forget_unused, files))
    except IntegrityError as error:
        raise DatasetInUse(f"“{dataset}” has just been taken into use.") from error


def _users(dataset: Dataset, by: User) -> list[str]:
    """What was made of it, in words, each once."""
    found: dict[str, None] = {}
    for rows in (dataset.prompts.all(), dataset.images.all(), [dataset]):
        try:
            Collector(using=DEFAULT_DB_ALIAS).collect(rows)
        except ProtectedError as error:
            # Its own prompts and images keep each other and the data set.
            others = [row for row in error.protected_objects if not isinstance(row, Prompt | Image)]
            found |= dict.fromkeys(_words(whole, by) for whole in _wholes(others))
    return sorted(found)


def _wholes(rows: Iterable[models.Model]) -> Iterator[Any]:
    """The studies, runs and so on whose parts these rows are."""
    by_kind: dict[type[models.Model], list[Any]] = {}
    for row in rows:
        by_kind.setdefault(type(row), []).append(row.pk)
    for kind, pks in by_kind.items():
        paths: tuple[str, ...] = getattr(kind, "parts_of", ())
        for some in _parts(pks):
            for row in kind._base_manager.filter(pk__in=some).select_related(*paths):
                yield next(filter(None, (_at(row, path) for path in paths)), row)


def _at(row: Any, path: str) -> Any:
    for name in path.split("__"):
        row = row and getattr(row, name)
    return row


def _words(whole: Any, by: User) -> str:
    """What it is; of what others keep to themselves, whose it is alone."""
    kind = whole._meta.verbose_name
    owner = getattr(whole, "owner", None) or getattr(whole, "created_by", None)
    if owner and owner != by and not by.is_superuser:
        return f"a {kind} of {owner}"
    return f"the {kind} “{getattr(whole, 'name', whole)}”"


def _parts(rows: list[Any]) -> Iterator[list[Any]]:
    return (rows[i : i + _AT_ONCE] for i in range(0, len(rows), _AT_ONCE))


def _bringing_in() -> bool:
    """Whether an import is under way: it may hold these images, stored once."""
    return any(kind.objects.unfinished().exists() for kind in SentFile.__subclasses__())


def _forget_unused(files: set[str]) -> None:
    """The data set is gone already, so what can't be removed is logged."""
    for some in _parts(sorted(files)):
        used = set(Image.objects.filter(file__in=some).values_list("file", flat=True))
        for name in sorted(set(some) - used):
            try:
                if _bringing_in():
                    raise OSError("an import began meanwhile that may need it")
                forget(name)
            except OSError as error:
                logger.warning("%s belongs to no image and could not be removed: %s", name, error)
