"""Exports and imports as jobs: asked for on a page or by a program, done by a worker."""

import hashlib
import tempfile
from functools import partial
from uuid import uuid4

from django.contrib.auth.models import User
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction

from analysis.models import Export, Restore
from analysis.takeout import TakeoutError
from analysis.takeout.leaving import check_may_leave
from annotation.models import Study
from annotation.steps import hold_study
from generation.jobs import enqueue, shown, titled
from generation.permissions import RESEARCHERS, is_researcher
from generation.storage import forget, local_file

_CHUNK = 2**20


def create_export(*, study: Study, by: User | None, images: bool = True) -> Export:
    """A queued export of a study whose results may be seen; one that is under way is returned.

    Raises:
        TakeoutError: results are hidden.
    """
    check_may_leave(study)
    with transaction.atomic():
        hold_study(study.pk)  # a double click waits here
        underway = Export.objects.unfinished().filter(study=study, images=images).first()
        if underway:
            return underway
        export = Export.objects.create(study=study, images=images, created_by=by)
        enqueue(export)
    return export


def perform_export(export: Export) -> None:
    """Write the archive, and keep it in place of earlier ones of the same kind.

    Raises:
        TakeoutError: see `write_study`.
        Job.Cancelled, Job.Lost: see `Job.beat`; erasing a reader cancels it.
    """
    from analysis.takeout.writing import write_study  # pandas, pyarrow, matplotlib

    show = partial(titled, shown(export), "Writing files")
    with tempfile.NamedTemporaryFile(suffix=".zip") as out:
        write_study(export.study, out, images=export.images, progress=show)
        out.flush()
        out.seek(0)
        digest = hashlib.sha256()
        while chunk := out.read(_CHUNK):
            digest.update(chunk)
        size = out.tell()
        out.seek(0)
        export.beat(message="Storing the archive")
        name = default_storage.save(f"exports/{uuid4().hex}.zip", File(out))
    wanted = export.held().filter(cancel_requested=False)
    if not wanted.update(file=name, sha256=digest.hexdigest(), size=size):
        forget(name)
        raise Export.Cancelled if export.held().exists() else Export.Lost
    earlier = Export.objects.filter(study=export.study, images=export.images, pk__lt=export.pk)
    for old in earlier.exclude(file=""):
        Export.objects.filter(pk=old.pk).update(file="")
        forget(str(old.file))


@transaction.atomic
def create_restore(*, file: File, by: User) -> Restore:
    """Store an uploaded archive and queue its import.

    Raises:
        TakeoutError: this person may not own studies.
        OSError: the archive can't be stored.
    """
    if not is_researcher(by):
        raise TakeoutError(f"{by} is no researcher: add them to the group “{RESEARCHERS}”.")
    restore = Restore(file_name=(file.name or "")[-255:], created_by=by)
    restore.file.save(f"uploads/{uuid4().hex}.zip", file, save=False)
    restore.save()
    enqueue(restore)
    return restore


def perform_restore(restore: Restore) -> None:
    """Bring the study in; done again after a crash, it adds nothing.

    Raises:
        TakeoutError, OSError: see `read_study`; the row's ``problems`` hold all of it.
        Job.Cancelled, Job.Lost: see `Job.beat`.
    """
    from analysis.takeout.reading import read_study  # pandas

    if restore.study_id:
        return  # its worker died after the last row was written
    if restore.created_by is None:
        raise TakeoutError("Whoever sent the archive has no account any more.")
    try:
        read_study(
            local_file(str(restore.file.name)),
            name=restore.file_name,
            by=restore.created_by,
            progress=partial(titled, shown(restore), "Checking files"),
            arrived=partial(_keep, restore),
        )
    except TakeoutError as error:
        restore.held().update(problems=error.problems)
        raise TakeoutError("Nothing was imported.") from error


def _keep(restore: Restore, study: Study) -> None:
    """Within the transaction that writes the study: either both stand, or none."""
    if not restore.held().update(study=study):
        raise Restore.Lost
