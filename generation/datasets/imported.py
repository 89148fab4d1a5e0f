"""Image sets made elsewhere: which image in a folder or ZIP was made from which prompt.

Either ``mapping.csv`` says it (columns prompt and image), or each prompt has a folder. Prompts are
named by their text, by its words alone ("generate-an-image-with-3-polyps"), or by their number in
the data set's order, from 1.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import PurePosixPath

from PIL import Image, ImageOps

from generation.datasets import DatasetError
from generation.datasets.archives import Archive, RefusedFile
from generation.datasets.records import Record
from generation.datasets.tables import read_named

MAPPING = "mapping.csv"
MAX_IMAGES = 24  # in a set
_SUGGESTED = 20  # unknown prompts for which the nearest is looked up; it takes a while
# Files that people keep beside images; all others are looked at as images.
_NOT_IMAGES = {".csv", ".html", ".json", ".jsonl", ".log", ".md", ".pdf", ".txt", ".yaml", ".yml"}


@dataclass
class Sets:
    """The images of each prompt, before any of them is decoded.

    Attributes:
        images: number of the prompt, from 0 → its images, in order of their names (2 before 10).
        problems: everything that is wrong with names and numbers.
        left_alone: files that no prompt claims.
    """

    images: dict[int, list[Record]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)

    @property
    def records(self) -> list[Record]:
        return [record for number in sorted(self.images) for record in self.images[number]]


def list_sets(archive: Archive, prompts: Sequence[str], *, some: bool = False) -> Sets:
    """Find the images of each prompt.

    Args:
        prompts: texts, in the data set's order.
        some: whether prompts may be without images.
    """
    sets = Sets()
    files = _unwrapped(archive)
    mapping = next((name for name in files if name.lower() == MAPPING), None)
    known = _Prompts(prompts)
    if mapping:
        _by_mapping(sets, files, mapping, known)
    else:
        _by_folders(sets, files, known)
    for records in sets.images.values():
        records.sort(key=lambda record: _natural(record.name))
    if sets.images or not sets.problems:
        sets.problems += _wrong_numbers(sets, prompts, some)
    return sets


def as_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """The upright picture in 8-bit RGB, without metadata; what had to be changed for that."""
    changes = []
    upright = ImageOps.exif_transpose(image)
    if image.getexif().get(0x0112, 1) != 1:
        changes.append("turned upright as its EXIF orientation says")
    if image.info.get("icc_profile"):
        changes.append("colour profile left out")
    if upright.mode != "RGB":
        changes.append(f"converted from {upright.mode} to RGB")
    # An opaque palette or alpha channel alone gets here: the rest was refused.
    pixels = upright.convert("RGB")
    return Image.frombytes("RGB", pixels.size, pixels.tobytes()), changes


def _unwrapped(archive: Archive) -> dict[str, Callable[[], bytes]]:
    """Files by name, without the folders that hold all the rest and no image themselves."""
    files = dict(archive.read)
    while files:
        tops = {name.split("/")[0] for name in files}
        inside = [name.split("/")[1:] for name in files]
        if len(tops) > 1 or [] in inside:
            break
        names = {parts[0].lower() for parts in inside if len(parts) == 1}
        if MAPPING not in names and (
            any(_is_image(name) for name in names) or all(len(parts) == 1 for parts in inside)
        ):
            break
        files = {name.split("/", 1)[1]: read for name, read in files.items()}
    return files


def _by_mapping(sets: Sets, files: dict, mapping: str, known: "_Prompts") -> None:
    try:
        file = _Table(mapping, files[mapping])
        rows = list(read_named(file, names={"prompt": ["prompt"], "image": ["image"]}))
    except DatasetError as error:
        refused = error.__cause__ if isinstance(error.__cause__, RefusedFile) else None
        sets.problems += [str(refused)] if refused else error.problems
        return
    if not rows:
        sets.problems.append(f"{mapping} has no rows.")
    lines: dict[str, int] = {}
    for line, row in rows:
        name = row["image"].replace("\\", "/").removeprefix("./")
        number, problem = known.find(row["prompt"])
        if name not in files:
            near = get_close_matches(name, files, n=1) if line <= _SUGGESTED else []
            hint = f"; the nearest is {near[0]}" if near else ""
            problem = f"there is no image “{name}”{hint}." if name else "no image is named."
        elif name in lines:
            problem = f"{name} stands in line {lines[name]} already: an image has one prompt."
        lines.setdefault(name, line)
        if problem or number is None:
            sets.problems.append(f"{mapping}, line {line}: {problem}")
        else:
            sets.images.setdefault(number, []).append(Record(name, files[name]))
    sets.left_alone = [name for name in files if name not in lines and name != mapping]


def _by_folders(sets: Sets, files: dict, known: "_Prompts") -> None:
    folders: dict[str, list[str]] = {}
    for name in files:
        folder, _, rest = name.partition("/")
        if not _is_image(name):
            sets.left_alone.append(name)
        elif not rest:
            sets.problems.append(
                f"{name} lies in no prompt's folder, and there is no {MAPPING}: add one of them."
            )
        elif "/" in rest:
            sets.problems.append(
                f"{name} lies too deep: put images right into their prompt's folder."
            )
        else:
            folders.setdefault(folder, []).append(name)
    claimed: dict[int, str] = {}
    for folder, names in folders.items():
        number, problem = known.find(folder)
        if number is None:
            sets.problems.append(f"Folder {folder}: {problem}")
        elif number in claimed:
            sets.problems.append(
                f"Folders {claimed[number]} and {folder} both stand for “{known.texts[number]}”: "
                "keep one."
            )
        else:
            claimed[number] = folder
            sets.images[number] = [Record(name, files[name]) for name in names]


@dataclass(frozen=True)
class _Table:
    name: str
    read_bytes: Callable[[], bytes]

    def __str__(self) -> str:
        return self.name


class _Prompts:
    """Prompts as people name them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.plain: dict[str, list[int]] = {}
        self.words: dict[str, list[int]] = {}
        for number, text in enumerate(texts):
            self.plain.setdefault(_plain(text), []).append(number)
            if words := _words(text):
                self.words.setdefault(words, []).append(number)
        self.suggested = 0

    def find(self, named: str) -> tuple[int | None, str]:
        """(number of the prompt, "") or (None, what is wrong with the name)."""
        if not named.strip():
            return None, "no prompt is named."
        if named in self.texts:
            return self.texts.index(named), ""
        found = self.plain.get(_plain(named)) or self.words.get(_words(named)) or []
        if len(found) == 1:
            return found[0], ""
        if found:
            numbers = " and ".join(str(number + 1) for number in found)
            return None, f"“{named}” may be prompt {numbers}: use the number."
        if re.fullmatch("[0-9]{1,9}", named) and 1 <= int(named) <= len(self.texts):
            return int(named) - 1, ""
        return None, f"there is no prompt “{named}”{self._nearest(named)}."

    def _nearest(self, named: str) -> str:
        if re.fullmatch("[0-9]+", named):
            return f"; prompts have the numbers 1 to {len(self.texts)}"
        self.suggested += 1
        if self.suggested > _SUGGESTED:
            return ""
        near = get_close_matches(_words(named), self.words, n=1)
        return f"; the nearest is “{self.texts[self.words[near[0]][0]]}”" if near else ""


def _wrong_numbers(sets: Sets, prompts: Sequence[str], some: bool) -> list[str]:
    problems = []
    lacking = [text for number, text in enumerate(prompts) if number not in sets.images]
    if not sets.images:
        return ["There are no images in it that belong to a prompt."]
    if lacking and not some:
        problems.append(
            f"{len(lacking)} of {len(prompts)} prompts {'has' if len(lacking) == 1 else 'have'} no "
            f"images: {_quoted(lacking)}. Add them, or say that only some prompts have images."
        )
    numbers = Counter(len(records) for records in sets.images.values())
    usual = max(numbers, key=lambda n: (numbers[n], n))
    odd = [
        f"“{prompts[number]}” {len(records)}"
        for number, records in sorted(sets.images.items())
        if len(records) != usual
    ]
    if odd:
        problems.append(
            f"Every prompt needs as many images as the others: most have {usual}, but "
            f"{_listed(odd)}."
        )
    if usual > MAX_IMAGES:
        problems.append(f"There are {usual} images for a prompt; {MAX_IMAGES} are the most.")
    return problems


def _quoted(texts: Sequence[str]) -> str:
    return _listed([f"“{text}”" for text in texts])


def _listed(items: Sequence[str], most: int = 5) -> str:
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() not in _NOT_IMAGES


def _plain(text: str) -> str:
    """Without regard to case, spaces and how accents are encoded."""
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


def _words(text: str) -> str:
    """Letters and digits alone, joined by hyphens, accents left out: what slugs come to as well."""
    bare = "".join(
        character
        for character in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(character)
    )
    return re.sub(r"[\W_]+", "-", bare.casefold()).strip("-")


def _natural(name: str) -> list[str | int]:
    """So that 2.png comes before 10.png."""
    return [int(part) if part.isdigit() else part.casefold() for part in re.split("([0-9]+)", name)]
