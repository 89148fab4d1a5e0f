"""What every reader gives: records of images with captions, and what it found wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field

SPLITS = ("train", "validation", "test")
MAX_CAPTION = 1000  # characters

# What published data sets call their splits.
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass
class Record:
    """One image with its captions; its bytes stay on disk until `read` is called.

    Attributes:
        name: unique in the data set.
        read: gives the bytes of the file; at most one image (or one row group of a parquet file)
            is in memory.
        split: one of `SPLITS`, or "" until the images are split.
        sha256, width, height, suffix: of the bytes; sizes in pixels; the suffix (".png") by
            the decoded format. Filled in by `generation.datasets.inspection`.
        fingerprint: 256 bits of a perceptual hash, packed into 32 bytes.
    """

    name: str
    read: Callable[[], bytes]
    split: str = ""
    captions: list[str] = field(default_factory=list)
    sha256: str = ""
    width: int = 0
    height: int = 0
    suffix: str = ""
    fingerprint: bytes = b""


class Listing:
    """The images of a data set as its files name them, before any of them is decoded.

    Args:
        rows_are_pairs: records of equal bytes are one image in several (image, caption) rows.
    """

    def __init__(self, *, rows_are_pairs: bool = False) -> None:
        self.records: dict[str, Record] = {}
        self.problems: list[tuple[str, str]] = []
        self.rows_are_pairs = rows_are_pairs

    def refuse(self, problem: str, *, image: str = "") -> None:
        """Note a problem; with an image's name where leaving that image out would mend it."""
        self.problems.append((image, problem))

    def add_caption(self, record: Record, caption: str, *, where: str = "") -> None:
        """Add a caption to an image; an empty, overlong or repeated one is a problem."""
        start = f"{where}: " if where else ""
        if problem := caption_problem(record.name, caption):
            self.refuse(start + problem, image=record.name)
        elif caption in record.captions:
            self.refuse(
                f"{start}{record.name} has the caption “{caption}” twice.", image=record.name
            )
        else:
            record.captions.append(caption)


def caption_problem(name: str, caption: str) -> str | None:
    """What is wrong with a caption: it is empty, or longer than `MAX_CAPTION`."""
    if not caption:
        return f"the caption of {name} is empty."
    if len(caption) > MAX_CAPTION:
        return f"the caption of {name} has {len(caption)} characters; {MAX_CAPTION} are the most."
    return None


def split_of(name: str) -> str:
    """The split that a published name stands for ("valid" is validation), "" for any other."""
    return _SPLIT_NAMES.get(name.strip().lower(), "")
