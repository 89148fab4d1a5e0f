"""Protocols: what a study asks of its readers, as data (one JSON file each in this folder)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from annotation.design import MAX_REPEATS

REFERENCE_LETTER = "R"
_FOLDER = Path(__file__).parent


class ProtocolError(ValueError):
    """The protocol is incomplete or contradicts itself; the message says where."""


@dataclass(frozen=True)
class Criterion:
    """One question of the rubric, answered by a whole number from `minimum` to `maximum`.

    With `not_applicable` a reader may also say that it can't be asked of a set, which is no 0.
    """

    key: str
    name: str
    description: str
    low: str
    middle: str
    high: str
    minimum: int = 0
    maximum: int = 10
    not_applicable: bool = False


@dataclass(frozen=True)
class Protocol:
    """The protocol of a reader study.

    Attributes:
        key: Name of the preset, for example ``prompt-to-polyp``.
        version: Raised with every change of the preset.
        name: Its name for people.
        source: Where it was published.
        criteria: The rubric.
        images_per_set: 1 to 24.
        references_per_case: Real images shown before the sets.
        rank_references: Whether the reference images are ranked with the sets.
        ties_allowed: Whether sets may share a rank.
        image_size: Side in pixels of every presented image.
        repeats: Share of the cases, 0 to 0.25, that each reader sees a second time, so that a
            reader's agreement with themselves can be told; these count for nothing else.
    """

    key: str
    version: int
    name: str
    source: str
    criteria: tuple[Criterion, ...]
    images_per_set: int
    references_per_case: int
    rank_references: bool
    ties_allowed: bool
    image_size: int
    repeats: float = 0.0

    def __post_init__(self) -> None:
        keys = [c.key for c in self.criteria]
        if not keys or len(set(keys)) != len(keys):
            raise ProtocolError(f"{self.key}: criteria need distinct keys, got {keys}.")
        for c in self.criteria:
            if not 0 <= c.minimum < c.maximum <= 10:
                raise ProtocolError(f"{self.key}: criterion {c.key} must span within 0 to 10.")
        if not 1 <= self.images_per_set <= 24:
            raise ProtocolError(f"{self.key}: images_per_set must be 1 to 24.")
        if self.references_per_case < 1:
            raise ProtocolError(f"{self.key}: a case needs at least one reference image.")
        if not 0 <= self.repeats <= MAX_REPEATS:
            raise ProtocolError(f"{self.key}: repeats must be 0 to {MAX_REPEATS} of the cases.")

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Build from JSON data; unknown or missing keys raise `ProtocolError`."""
        try:
            criteria = tuple(Criterion(**c) for c in data["criteria"])
            return cls(**{**data, "criteria": criteria})
        except (KeyError, TypeError) as error:
            raise ProtocolError(f"The protocol's data don't fit: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        data = asdict(self)
        return {**data, "criteria": list(data["criteria"])}

    def criterion(self, key: str) -> Criterion:
        """The criterion with this key; raises KeyError."""
        return {c.key: c for c in self.criteria}[key]


def presets() -> list[str]:
    """Names of the shipped protocols."""
    return sorted(file.stem for file in _FOLDER.glob("*.json"))


def load_protocol(key: str) -> Protocol:
    """Load a shipped protocol; raises `ProtocolError` naming those that exist."""
    if key not in presets():
        raise ProtocolError(f"No protocol “{key}”; there are: {', '.join(presets())}.")
    return Protocol.from_dict(json.loads((_FOLDER / f"{key}.json").read_text()))
