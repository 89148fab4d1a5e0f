"""Where image files lie: a folder, or an S3-compatible bucket where one is named.

Both are reached through Django's `default_storage`; a bucket has no paths, so nothing else may ask
for one.
"""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage

_DRAFTS = ".drafts"
_LEFT_BEHIND = 24 * 3600  # seconds after which whoever wrote a draft can't be at it any more


def store_image(data: bytes, *, suffix: str) -> tuple[str, str]:
    """Store bytes once under their SHA-256; the file's name in the storage, and the digest.

    The name is ``images/ab/<sha256><suffix>``. No name ever stands for half an image, and several
    processes may store the same bytes at once.

    Raises:
        OSError: the disk is full, or the bucket is missing, refuses or can't be reached.
    """
    digest = hashlib.sha256(data).hexdigest()
    name = f"images/{digest[:2]}/{digest}{suffix}"
    if not default_storage.exists(name):
        default_storage.save(name, ContentFile(data))
    return name, digest


def local_file(name: str) -> Path:
    """A path at which this machine reads a stored file; fetched once where it lies in a bucket.

    What was fetched stays under MEDIA_ROOT. With a bucket nothing else lies there, so that it may
    be emptied while no training runs.

    Raises:
        OSError: as `store_image`; FileNotFoundError where the bucket has no such file.
    """
    try:
        return Path(default_storage.path(name))
    except NotImplementedError:  # Django's way to say that a storage has no paths
        folder = FolderStorage()
        if not folder.exists(name):
            with default_storage.open(name) as file:
                folder.save(name, file)
        return Path(folder.path(name))


def forget(name: str) -> None:
    """Remove a stored file, and what `local_file` fetched of it."""
    default_storage.delete(name)
    FolderStorage().delete(name)


class FolderStorage(FileSystemStorage):
    """MEDIA_ROOT, where a file is there whole or not at all.

    Each is written as a draft in the same file system, brought to the disk and renamed. Drafts of
    processes that were killed are removed by whoever stores something a day later.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """The name itself: names are made of digests, so the same name means the same bytes."""
        return name

    def _save(self, name: str, content: File) -> str:
        self._remove_drafts_left_behind()
        draft = self.path(f"{_DRAFTS}/{uuid4().hex}")
        place = Path(self.path(name))
        try:
            super()._save(draft, content)  # type: ignore[misc]  # unknown to the stubs
            _sync(draft)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(draft, place)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        with suppress(OSError):  # some network shares can't do this for folders
            _sync(place.parent)
        return name

    def _remove_drafts_left_behind(self) -> None:
        for draft in Path(self.path(_DRAFTS)).glob("*"):
            with suppress(FileNotFoundError):  # its writer or another remover was quicker
                if time.time() - draft.stat().st_mtime > _LEFT_BEHIND:
                    draft.unlink()


def _sync(path: str | Path) -> None:
    """Wait until the disk holds a file's bytes, or a folder's names: power may fail."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
