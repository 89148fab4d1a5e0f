"""What every section of a report starts from: a study's frames, arms and options."""

from typing import Any

import pandas as pd

from analysis.dataset import case_frame, ranking_frame, repeat_frame, score_frame
from analysis.measures import Measurements
from analysis.metrics import METRICS
from analysis.statistics.correlation import Table, table
from analysis.statistics.means import ArmMeans, arm_means
from annotation.models import Study
from annotation.protocols import Criterion

CELL = ["case", "pair", "kind", "arm"]
# Bootstrap draws of what is descriptive or exploratory, at most: an interval needs no more.
EXPLORATORY = 2000


class StudyData:
    """A study's answers and metric values as frames; each case's first reading only.

    Attributes:
        arms: Names of all arms.
        made: Those of generators, without real images.
        options: Draws and seed of what was named in advance; `exploring` of all else.
        scores: Given ones, criterion by criterion; what was not applicable is left out.
        metrics: Per metric its values below the level of arms; those of pairs have no case.
    """

    def __init__(
        self, study: Study, measurements: Measurements, *, resamples: int, seed: int
    ) -> None:
        self.study, self.measurements, self.protocol = study, measurements, study.protocol
        self.options: dict[str, Any] = {"resamples": resamples, "seed": seed}
        self.exploring = self.options | {"resamples": min(resamples, EXPLORATORY)}
        self.arms = [str(arm) for arm in measurements.images.arms]
        self.made = [str(arm) for arm in measurements.images.arms if arm.generator]
        self.cases = case_frame(study)
        given, ranked = score_frame(study), ranking_frame(study)
        self.rankings = ranked[~ranked["repeat"]]
        once = given[~given["repeat"]]
        self.not_applicable = int(once["not_applicable"].sum())
        self.scores = once[~once["not_applicable"]].astype({"score": float})
        self.repeats = repeat_frame(given[~given["not_applicable"]].astype({"score": float}))
        self.metrics = self._metric_frames()

    @property
    def leading(self) -> Criterion:
        """The criterion of the first claim, or the protocol's first."""
        rated = self.protocol.rated
        return next((c for c in rated if c.key == "clinical_realism"), rated[0])

    def criterion(self, key: str, scores: pd.DataFrame | None = None) -> pd.DataFrame:
        """Scores of one criterion, as statistics take them."""
        scores = self.scores if scores is None else scores
        return scores[scores["criterion"] == key].rename(columns={"score": "value"})

    def means(self, frame: pd.DataFrame, arms: list[str] | None = None, **options: Any) -> ArmMeans:
        return arm_means(frame, arms=arms or self.arms, **(options or self.options))

    def joined(self, metric: str, criterion: str, **options: Any) -> Table:
        """Scores of a criterion beside a metric, over generated sets; ValueError if one is none."""
        if criterion not in {c.key for c in self.protocol.rated}:
            raise ValueError(f"the protocol has no criterion {criterion}")
        values, scores = self.metrics[metric], self.criterion(criterion)
        if scores.empty:
            raise ValueError("no scores")
        if values.empty:
            raise ValueError(self.measurements.reasons.get(metric, "no values"))
        return table(scores, values, arms=self.made, **options)

    def named(self, criterion: Criterion, **row: Any) -> dict[str, Any]:
        """A row of a section, told which criterion it is of."""
        return {"criterion": criterion.key, "name": criterion.name, **row}

    def _metric_frames(self) -> dict[str, pd.DataFrame]:
        rows = [
            {"metric": v.metric, "case": v.case.position, "arm": str(v.arm), "value": v.value}
            for v in self.measurements.values
            if v.case
        ]
        frame = pd.DataFrame(rows, columns=["metric", "case", "arm", "value"])
        frame = frame.merge(self.cases, on="case", how="left")
        frames = {m: frame[frame["metric"] == m][[*CELL, "value"]] for m in METRICS}
        return {
            m: f.drop(columns="case") if METRICS[m].scope == "pair" else f
            for m, f in frames.items()
        }
