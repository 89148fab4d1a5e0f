"""Uploads: what becomes of a ZIP that a researcher sent. All of it comes in, or nothing."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.core.files.base import File
from django.db import transaction
from django.utils.text import slugify

from generation.datasets import DatasetError
from generation.datasets.archives import Archive, open_archive
from generation.datasets.layouts import read_dataset
from generation.imported_sets import check_name, import_sets
from generation.imports import ImportRefused, check_free, import_dataset
from generation.jobs import enqueue, shown, titled
from generation.models import Dataset, Job, Upload
from generation.storage import local_file

_TABLES = {".csv", ".json", ".jsonl", ".parquet", ".arrow", ".txt"}
_CAPTIONS = "captions.csv"


class UploadError(ValueError):
    """The ZIP can't be brought in; the message says why, or that the problems are listed."""


@transaction.atomic
def create_upload(
    *,
    kind: str,
    name: str,
    file: File,
    by: User,
    source: str = "",
    licence: str = "",
    prompts: Dataset | None = None,
    **options: object,
) -> Upload:
    """Store the ZIP and queue its import.

    Args:
        name: of the data set or the generator to be.
        prompts: of image sets, the data set whose prompts they answer.
        options: of a data set ``layout`` and ``holdout``; of image sets ``some``.

    Raises:
        ImportRefused: the name can't be, is taken, or is being uploaded already.
        OSError: the file can't be stored.
    """
    slug = slugify(name)
    if kind == Upload.Kind.SETS:
        check_name(name)
    else:
        check_free(slug, name)
    User.objects.select_for_update(no_key=True).get(pk=by.pk)  # a double click waits here
    waiting = Upload.objects.unfinished().filter(kind=kind)
    if any(slugify(other.name) == slug for other in waiting):
        raise ImportRefused(f"“{name}” is being imported already: wait for it, or cancel it.")
    upload = Upload(
        kind=kind,
        name=name,
        file_name=(file.name or "")[-255:],
        source=source,
        licence=licence,
        prompts=prompts,
        options=options,
        created_by=by,
    )
    upload.file.save(f"uploads/{uuid4().hex}.zip", file, save=False)
    upload.save()
    enqueue(upload)
    return upload


def perform_upload(upload: Upload) -> None:
    """Check and import the ZIP; done again after a crash, it adds nothing.

    Raises UploadError with everything that is wrong in the row's ``problems``.
    """
    if upload.dataset_id or upload.run_id:
        return  # its worker died after the last row was written
    bring_in = _dataset if upload.kind == Upload.Kind.DATASET else _sets
    try:
        bring_in(upload)
    except DatasetError as error:
        upload.held().update(problems=error.problems)
        number = len(error.problems)
        raise UploadError(
            f"Nothing was imported: {number} problem{'' if number == 1 else 's'} in the file."
        ) from error


def _sets(upload: Upload) -> None:
    assert upload.prompts  # a constraint holds it
    import_sets(
        name=upload.name,
        source=upload.source,
        licence=upload.licence,
        dataset=upload.prompts,
        archive=local_file(str(upload.file.name)),
        archive_name=upload.file_name,
        by=upload.created_by,
        some=bool(upload.options.get("some")),
        progress=shown(upload),
        also=lambda imported: _keep(upload, run=imported.run, summary=imported.summary),
    )


def _dataset(upload: Upload) -> None:
    show = shown(upload)
    with tempfile.TemporaryDirectory(prefix="blindread-") as place:
        root = _unpacked(upload, Path(place), show)
        options: dict[str, Any] = {}
        layout = upload.options["layout"]
        holdout = upload.options.get("holdout")
        if layout == "folder":
            options = _folder_options(root, split_anew=holdout is not None)
        try:
            records = read_dataset(
                layout,
                root,
                holdout=holdout,
                progress=partial(titled, show, "Checking images"),
                **options,
            )
        except DatasetError as error:  # people know the places in the ZIP, not those here
            places = [(f"{root}/", ""), (str(root), upload.file_name)]
            raise DatasetError([_replaced(text, places) for text in error.problems]) from error
        import_dataset(
            slug=slugify(upload.name),
            name=upload.name,
            source=upload.source,
            licence=upload.licence,
            records=records,
            by=upload.created_by,
            progress=partial(titled, show, "Storing images"),
            also=lambda dataset: _keep(upload, dataset=dataset, summary=_summary(dataset)),
        )


def _replaced(text: str, pairs: list[tuple[str, str]]) -> str:
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def _keep(upload: Upload, **result: object) -> None:
    """Within the transaction that writes what came in: either both stand, or none."""
    if not upload.held().update(**result):
        raise Job.Lost


def _summary(dataset: Dataset) -> str:
    splits = ", ".join(f"{n} {split}" for split, n in dataset.splits().items())
    return f"Imported “{dataset}”: {splits} images, {dataset.prompts.count()} captions."


def _unpacked(upload: Upload, place: Path, show: Callable[[int, int, str], None]) -> Path:
    """The folder in which the ZIP's files lie, without those that hold all the rest."""
    with open_archive(local_file(str(upload.file.name)), name=upload.file_name) as archive:
        problems = []
        for done, (name, read) in enumerate(archive.read.items(), 1):
            target = place / name
            data, problem = _read(name, read)
            problems += problem
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                clash = f"{name} is a file, or lies in one, where there is a folder as well: "
                raise DatasetError([f"{clash}pack the folder itself."]) from error
            show(done, len(archive.read), "Unpacking")
        if problems:
            raise DatasetError(problems)
        return place / _top(archive)


def _read(name: str, read: Callable[[], bytes]) -> tuple[bytes, list[str]]:
    """Of a damaged image nothing: it is then named among all that can't be decoded."""
    try:
        return read(), []
    except OSError as error:
        if PurePosixPath(name).suffix.lower() in _TABLES:
            return b"", [f"{name} can't be read ({error}): pack it again."]
        return b"", []


def _top(archive: Archive) -> str:
    """The folders within each other that hold all of the archive, such as “polyps/”."""
    common: list[str] = []
    for parts in zip(*(PurePosixPath(name).parts[:-1] for name in archive.read), strict=False):
        if len(set(parts)) > 1 or parts[0].lower() == "images":
            break
        common.append(parts[0])
    return "/".join(common)


def _folder_options(root: Path, *, split_anew: bool) -> dict[str, Any]:
    """Where images and captions lie: the images beside the table will do."""
    tables = sorted(root.glob("*.csv"))
    captions = next((file for file in tables if file.name.lower() == _CAPTIONS), None)
    if captions is None and len(tables) != 1:
        found = ", ".join(file.name for file in tables) or "none"
        raise DatasetError(
            [f"The ZIP needs a table {_CAPTIONS} beside its images; its CSV files are: {found}."]
        )
    images = root / "images"
    options: dict[str, Any] = {
        "images": images if images.is_dir() else root,
        "captions": captions or tables[0],
    }
    return {**options, "split_column": ""} if split_anew else options
