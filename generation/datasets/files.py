"""Finding image files that published tables name with or without their suffix."""

from pathlib import Path

from generation.datasets import DatasetError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


class ImageFolder:
    """The image files directly in a folder, found by name or by name without suffix.

    Raises DatasetError where there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DatasetError([f"{folder} is not a folder."])
        self.folder = folder
        self._files = {file.name: file for file in image_files(folder)}
        self._stems = {file.stem: file for file in self._files.values()}

    def find(self, name: str) -> Path | None:
        return self._files.get(name) or self._stems.get(name)

    def names(self) -> list[str]:
        return list(self._files)


def image_files(folder: Path) -> list[Path]:
    """The files of a folder that are images by their suffix, sorted by name."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)
