"""What every section of a report starts from: frames, arms and options, wherever they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.metrics import Description
from analysis.statistics.correlation import Scored, Table
from analysis.statistics.means import ArmMeans, arm_means
from annotation.protocols import Criterion
from annotation.protocols.plan import Claim

CELL = ["case", "pair", "kind", "arm"]
# Bootstrap draws of what is descriptive or exploratory, at most: an interval needs no more.
EXPLORATORY = 2000


@dataclass(frozen=True, kw_only=True)
class ArmValue:
    """A metric's value over all images of an arm; ``low``, ``high``, ``rows`` as of `Finding`."""

    metric: str
    arm: str
    value: float
    images: int
    low: float | None = None
    high: float | None = None
    rows: Sequence[Mapping[str, Any]] = field(default=(), repr=False)


def _empty(*columns: str) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))


@dataclass(frozen=True, kw_only=True)
class StudyData:
    """Answers and metric values of a study as frames; each case's first reading only.

    `analysis.results.studies` makes it of a study here, `analysis.own.data` of tables that were
    made elsewhere.

    Attributes:
        arms: Names of all arms.
        made: Those of generators, without real images.
        criteria: Those that are answered by numbers.
        claims: What was named in advance.
        leading: The criterion that the summary speaks of.
        options: Draws and seed of what was named in advance; `exploring` of all else.
        cases: As `dataset.case_frame`.
        scores: Given ones, criterion by criterion; what was not applicable is left out.
        not_applicable: How many were.
        repeats: Scores of cases seen twice, both times; None where no case is.
        rankings: None where sets aren't ranked.
        guesses: None where readers aren't asked.
        flags: As `remarks.flag_frame`.
        together: Whether the sets of a case stand side by side.
        readers: What each did, as the section on readers lists it.
        counts: What only the source knows: images, readings.
        expected: By criterion and arm how many scores were to be given.
        assigned: Whether that is known; else it was told from the scores.
        scaled: Whether the criteria's ends are those of the scale; else scores reach no further.
        described: Every metric of the report.
        metrics: Per metric its values below the level of arms; those of pairs have no case.
        arm_values: Those of whole arms.
        reasons: Why a metric has no values.
        floor, floors: What real images reach against each other: of the paper's metrics, of all.
            None, and empty, where there are no images.
        image_differences: How real and generated images differ, as sentences.
        alpha: What a corrected p must be below.
        primary: The metric that is asked first whether it orders arms as readers do; "" for none.
        planned: Whether claims, leading criterion and primary metric were sealed in advance.
        plan, design: What was written down, and how the study was made: what, and the words.
        departures: Where this analysis, or the study, left the plan, as sentences.
        beside: What was not applicable: criterion, arm.
        halves: Metrics on halves of sets, as `analysis.halves.half_values`.
        references: What reference images score half against half: metric, pair, value.
    """

    arms: list[str]
    made: list[str]
    criteria: tuple[Criterion, ...]
    claims: Sequence[Claim]
    leading: Criterion
    options: dict[str, Any]
    cases: pd.DataFrame
    scores: pd.DataFrame
    not_applicable: int
    repeats: pd.DataFrame | None
    rankings: pd.DataFrame | None
    guesses: pd.DataFrame | None
    flags: pd.DataFrame
    together: bool
    readers: Sequence[dict[str, Any]]
    counts: Mapping[str, int]
    expected: Mapping[tuple[str, str], int]
    described: Mapping[str, Description]
    metrics: Mapping[str, pd.DataFrame]
    arm_values: Sequence[ArmValue]
    reasons: Mapping[str, str]
    floor: dict[str, Any] | None
    floors: Sequence[dict[str, Any]]
    image_differences: Sequence[str]
    assigned: bool = True
    scaled: bool = True
    alpha: float = 0.05
    primary: str = ""
    planned: bool = False
    plan: Sequence[tuple[str, str]] = ()
    design: Sequence[tuple[str, str]] = ()
    departures: Sequence[str] = ()
    beside: pd.DataFrame = field(default_factory=lambda: _empty("criterion", "arm"))
    halves: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    references: pd.DataFrame = field(default_factory=lambda: _empty("metric", "pair", "value"))
    _scored: dict[tuple, Scored] = field(default_factory=dict, init=False, repr=False)

    @property
    def exploring(self) -> dict[str, Any]:
        return self.options | {"resamples": min(self.options["resamples"], EXPLORATORY)}

    def criterion(self, key: str, scores: pd.DataFrame | None = None) -> pd.DataFrame:
        """Scores of one criterion, as statistics take them."""
        scores = self.scores if scores is None else scores
        return scores[scores["criterion"] == key].rename(columns={"score": "value"})

    def means(self, frame: pd.DataFrame, arms: list[str] | None = None, **options: Any) -> ArmMeans:
        return arm_means(frame, arms=arms or self.arms, **(options or self.options))

    def joined(
        self, metric: str, criterion: str, *, complete: bool = True, **options: Any
    ) -> Table:
        """Scores of a criterion beside a metric, over generated sets; ValueError if one is none.

        With `complete`, of readings alone in which every arm was scored.
        """
        if criterion not in {c.key for c in self.criteria}:
            raise ValueError(f"there is no criterion {criterion}")
        values = self.metrics.get(metric)
        if not (self.scores["criterion"] == criterion).any():
            raise ValueError("no scores")
        if values is None or values.empty:
            raise ValueError(self.reasons.get(metric, "no values"))
        return self._scores_of(criterion, complete=complete, **options).beside(values)

    def _scores_of(self, criterion: str, **options: Any) -> Scored:
        """Kept for the metrics that come next; two at a time, since resamples take memory."""
        key = (criterion, *sorted(options.items()))
        if key not in self._scored:
            while len(self._scored) > 1:
                del self._scored[next(iter(self._scored))]
            self._scored[key] = Scored.of(self.criterion(criterion), arms=self.made, **options)
        return self._scored[key]

    def named(self, criterion: Criterion, **row: Any) -> dict[str, Any]:
        """A row of a section, told which criterion it is of."""
        return {"criterion": criterion.key, "name": criterion.name, **row}
