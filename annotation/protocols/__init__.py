"""Protocols: what a study asks of its readers, as data (one JSON file each in this folder)."""

import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from annotation.design import MAX_REPEATS
from annotation.protocols.plan import AnalysisPlan

REFERENCE_LETTER = "R"
REFERENCES = "reference images"  # what that letter stands for, in tables
_FOLDER = Path(__file__).parent


class ProtocolError(ValueError):
    """The protocol is incomplete or contradicts itself; the message says where."""


class Kind(StrEnum):
    """What a criterion is answered by."""

    SCORE = "score"  # a whole number from its minimum to its maximum: 0-10, Likert 1-5
    YES_NO = "yes_no"  # 1 or 0
    TEXT = "text"  # free text, which may be left out


@dataclass(frozen=True)
class Criterion:
    """One question of the rubric.

    With `not_applicable` a reader may also say that it can't be asked of a set, which is no 0.
    `low`, `middle` and `high` say what the ends and the middle of a score mean.
    """

    key: str
    name: str
    description: str
    low: str = ""
    middle: str = ""
    high: str = ""
    minimum: int = 0
    maximum: int = 10
    not_applicable: bool = False
    kind: str = Kind.SCORE

    @property
    def values(self) -> range:
        """The numbers that it takes; none for text."""
        return range(0) if self.kind == Kind.TEXT else range(self.minimum, self.maximum + 1)

    @property
    def required(self) -> bool:
        """Whether a case without it is incomplete."""
        return self.kind != Kind.TEXT

    def fault(self) -> str:
        """What is wrong with it; "" if nothing is."""
        if not (self.key and self.name.strip()):
            return "every criterion needs a key and a name."
        if self.kind not in list(Kind):
            return (
                f"criterion {self.key} is of no kind “{self.kind}”; there are: {', '.join(Kind)}."
            )
        if self.kind == Kind.SCORE and not 0 <= self.minimum < self.maximum <= 10:
            return f"criterion {self.key} must span within 0 to 10."
        if self.kind == Kind.YES_NO and (self.minimum, self.maximum) != (0, 1):
            return f"criterion {self.key}, yes or no, spans 0 to 1."
        if self.kind == Kind.TEXT and self.not_applicable:
            return f"criterion {self.key} is text, which may stay empty anyhow."
        return ""


class Presentation(StrEnum):
    """How many sets a reader sees at once."""

    TOGETHER = "together"  # all sets of a case, one page
    SINGLE = "single"  # one set a page; the others of the case come much later


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
        references_per_case: Real images shown before the sets; 0 shows none.
        rank_references: Whether the reference images are ranked with the sets.
        ties_allowed: Whether sets may share a rank.
        image_size: Side in pixels of every presented image.
        repeats: Share of the cases, 0 to 0.25, that each reader sees a second time, so that a
            reader's agreement with themselves can be told; these count for nothing else.
        ranking: Whether the sets of a case are ranked.
        presentation: Whether the sets of a case are shown together or singly.
        hidden_real: Whether real images, other ones than the references, are an arm like any other.
        practice: How many cases come first that don't count.
        checks: How many attention checks stand among the cases.
        guess: Whether readers are asked at the end what they think stood behind the letters.
        minimal_width: Of a screen, in CSS pixels; readers on smaller ones are asked for another.
        consent: What readers agree to before they see anything; paragraphs with an empty line
            between them. Without it nothing is asked.
        consent_version: Kept with each reader's consent.
        plan: The analysis that is named in advance; without one all of it is exploratory.
        language: Of these texts, as a language code.
        translations: Of the texts, by language code: ``name``, ``consent`` and, by key of the
            criterion, ``criteria``.
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
    ranking: bool = True
    presentation: str = Presentation.TOGETHER
    hidden_real: bool = False
    practice: int = 0
    checks: int = 0
    guess: bool = False
    minimal_width: int = 0
    consent: str = ""
    consent_version: str = ""
    plan: AnalysisPlan | None = None
    language: str = "en"
    translations: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = (self._criteria_fault, self._count_fault, self._showing_fault, self._plan_fault)
        for find in faults:
            if fault := find():
                raise ProtocolError(f"{self.key}: {fault}")

    def _criteria_fault(self) -> str:
        keys = [c.key for c in self.criteria]
        if not keys or len(set(keys)) != len(keys):
            return f"criteria need distinct keys, got {keys}."
        if not self.rated:
            return "one criterion at least must be scored or yes or no."
        return next(filter(None, (criterion.fault() for criterion in self.criteria)), "")

    def _count_fault(self) -> str:
        if not 1 <= self.images_per_set <= 24:
            return "images_per_set must be 1 to 24."
        if not 0 <= self.references_per_case <= 24:
            return "references_per_case must be 0 to 24."
        if not 0 <= self.repeats <= MAX_REPEATS:
            return f"repeats must be 0 to {MAX_REPEATS} of the cases."
        if not (0 <= self.practice <= 10 and 0 <= self.checks <= 10):
            return "practice cases and attention checks are 0 to 10 each."
        return ""

    def _showing_fault(self) -> str:
        if self.presentation not in list(Presentation):
            return f"sets are shown {' or '.join(Presentation)}."
        if not self.together and (self.ranking or self.rank_references):
            return "sets that are shown singly can't be ranked."
        if self.rank_references and not (self.ranking and self.references_per_case):
            return "there are no references to rank, or no ranking."
        if bool(self.consent.strip()) != bool(self.consent_version.strip()):
            return "a consent text needs a version, and a version a text."
        return ""

    def _plan_fault(self) -> str:
        return self.plan.fault([c.key for c in self.rated]) if self.plan else ""

    @property
    def rated(self) -> tuple[Criterion, ...]:
        """The criteria that are answered by numbers."""
        return tuple(c for c in self.criteria if c.required)

    @property
    def together(self) -> bool:
        return self.presentation == Presentation.TOGETHER

    def in_language(self, code: str) -> Self:
        """The same protocol with its texts in a language, as far as they are translated."""
        texts = self.translations.get(code, {})
        of = texts.get("criteria", {})
        return replace(
            self,
            name=texts.get("name", self.name),
            consent=self.consent and texts.get("consent", self.consent),
            criteria=tuple(replace(c, **of.get(c.key, {})) for c in self.criteria),
            language=code if texts else self.language,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Build from JSON data; unknown or missing keys raise `ProtocolError`."""
        try:
            criteria = tuple(Criterion(**c) for c in data["criteria"])
            plan = data.get("plan") and AnalysisPlan.from_dict(data["plan"])
            return cls(**{**data, "criteria": criteria, "plan": plan})
        except (KeyError, TypeError) as error:
            raise ProtocolError(f"The protocol's data don't fit: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        data = asdict(self)
        plan = self.plan and self.plan.to_dict()
        return {**data, "criteria": list(data["criteria"]), "plan": plan}

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
