"""A study out of such a ZIP: all of it, or nothing."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import DataError, IntegrityError, transaction

from analysis.takeout import TakeoutError
from analysis.takeout.arriving import Arriving
from analysis.takeout.cells import Row, read_csv
from analysis.takeout.corpus import check_images
from analysis.takeout.tables import TABLES
from analysis.takeout.texts import ABOUT, FORMAT, SUMS, VERSION
from annotation.manifest import manifest_digest
from annotation.models import Study
from annotation.protocols import ProtocolError
from annotation.record import answer_faults, faults
from generation.datasets import DatasetError
from generation.datasets.archives import Archive, open_archive
from generation.models import Job
from generation.permissions import RESEARCHERS, is_researcher
from generation.storage import store_image

Show = Callable[[int, int], None]
_MOST = 5  # problems of one kind that are named
# What tables that contradict each other can end in.
_UNFIT = (AttributeError, DataError, IntegrityError, KeyError, TypeError, ValueError)


def read_study(
    archive: Path | IO[bytes],
    *,
    name: str = "",
    by: User,
    progress: Show | None = None,
    arrived: Callable[[Study], None] | None = None,
) -> Study:
    """Restore the study that the archive holds; `by` becomes its owner.

    Readers become accounts that nobody can sign in to. What of data sets and generators is here
    already, and says the same, is used; all else is made.

    Args:
        archive: the ZIP, or a folder into which it was unpacked.
        name: of the archive in messages.
        progress: called with (files checked, files in all).
        arrived: called with the study in the transaction that makes it.

    Raises:
        TakeoutError: with all that is wrong with the archive, or what it clashes with here.
        OSError: an image can't be stored.
    """
    if not is_researcher(by):
        raise TakeoutError(f"{by} is no researcher: add them to the group “{RESEARCHERS}”.")
    fresh: list[str] = []
    try:
        with open_archive(archive, name=name) as opened:
            _check_about(opened)
            _check_sums(opened, progress or (lambda done, total: None))
            tables = {
                table.name: read_csv(
                    f"data/{table.name}.csv", _read(opened, table.name), table.columns
                )
                for table in TABLES
            }
            stored = _stored(opened, check_images(tables["images"], opened.read), fresh)
            arriving = Arriving(
                by=by,
                files=frozenset(opened.read),
                read=lambda file: opened.read[file](),
                stored=stored,
            )
            with transaction.atomic():
                _restore(arriving, tables)
                _check_whole(arriving.study)
                if arrived:
                    arrived(arriving.study)
            return arriving.study
    except Job.Lost:
        raise  # whoever took the work over needs the files
    except BaseException as error:
        for file in fresh:
            default_storage.delete(file)
        if isinstance(error, DatasetError):
            raise TakeoutError(error.problems) from error
        raise


def _check_about(opened: Archive) -> None:
    try:
        about = json.loads(opened.read[ABOUT]())
        known, version = about["format"] == FORMAT, about["version"]
    except (KeyError, TypeError, ValueError):
        known = False
    if not known:
        raise TakeoutError(f"{opened.name} is no study that was exported from a Blindread.")
    if version != VERSION:
        raise TakeoutError(
            f"{opened.name} was made by Blindread {about.get('blindread', '')}, in version "
            f"{version} of the format; this one reads version {VERSION}: bring both to the same."
        )


def _check_sums(opened: Archive, show: Show) -> None:
    """Every file must be there, none beside them, and each as it was."""
    if SUMS not in opened.read:
        raise TakeoutError(f"{SUMS} is missing in {opened.name}: it is not whole.")
    listed = opened.read[SUMS]().decode(errors="replace").splitlines()
    sums = {}
    for line in listed:
        if not (found := re.fullmatch(r"([0-9a-f]{64})  (\S.*)", line)):
            raise TakeoutError(f"{SUMS} can't be read: “{line[:80]}”.")
        sums[found[2]] = found[1]
    there = set(opened.read) - {SUMS}
    problems = _named("is missing", sorted(set(sums) - there))
    problems += _named(f"is not named in {SUMS}", sorted(there - set(sums)))
    changed = []
    for done, name in enumerate(sorted(there & set(sums)), 1):
        if hashlib.sha256(opened.read[name]()).hexdigest() != sums[name]:
            changed.append(name)
        show(done, len(sums))
    problems += _named("is damaged or was changed", changed)
    if problems:
        raise TakeoutError([*problems, f"Get {opened.name} again from whoever made it."])


def _named(problem: str, names: list[str]) -> list[str]:
    more = len(names) - _MOST
    said = [f"{name} {problem}." for name in names[:_MOST]]
    return said + ([f"The same holds for {more} more files."] if more > 0 else [])


def _read(opened: Archive, table: str) -> bytes:
    try:
        return opened.read[f"data/{table}.csv"]()
    except KeyError:
        raise TakeoutError(f"data/{table}.csv is missing in {opened.name}.") from None


def _stored(opened: Archive, files: Mapping[str, str], fresh: list[str]) -> dict[str, str]:
    """The images' files in the storage, by their names in the archive; `fresh` are those that were
    not there before."""
    stored = {}
    for file, suffix in files.items():
        content = opened.read[file]()
        digest = hashlib.sha256(content).hexdigest()
        is_new = not default_storage.exists(f"images/{digest[:2]}/{digest}{suffix}")
        stored[file], _ = store_image(content, suffix=suffix)
        if is_new:
            fresh.append(stored[file])
    return stored


def _restore(arriving: Arriving, tables: Mapping[str, list[Row]]) -> None:
    for table in TABLES:
        try:
            if table.restore:
                table.restore(arriving, tables[table.name])
        except TakeoutError:
            raise
        except _UNFIT as error:
            raise TakeoutError(
                f"data/{table.name}.csv doesn't fit the other tables ({error})."
            ) from error


def _check_whole(study: Study) -> None:
    """The protocol must be one, what was sealed must be what its digest says, and the record of
    acts must be whole, answers as recorded: checksums alone are quickly made anew."""
    try:
        study.protocol  # noqa: B018
    except ProtocolError as error:
        raise TakeoutError(f"The protocol can't be read: {error}") from error
    if study.manifest is None or manifest_digest(study.manifest) != study.manifest_digest:
        raise TakeoutError("What was sealed (sealed.json) was changed afterwards.")
    if not study.results_visible:
        raise TakeoutError(f"The study is {study.state}; only those with visible results travel.")
    try:
        problems = [f"The record of acts was changed: {fault}." for fault in faults(study)]
        problems = problems or [f"Answers were changed: {fault}." for fault in answer_faults(study)]
    except _UNFIT as error:
        raise TakeoutError(f"The record of acts can't be read ({error}).") from error
    if problems:
        raise TakeoutError(problems)
