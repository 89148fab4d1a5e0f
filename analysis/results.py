"""Every number of a report, as JSON: estimates with n, interval and the reason for what lacks."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from analysis import sentences
from analysis.dataset import REFERENCES, case_frame, ranking_frame, repeat_frame, score_frame
from analysis.measures import Measurements
from analysis.metrics import METRICS
from analysis.metrics.fidelity import fidelity
from analysis.metrics.floors import same_n_values
from analysis.metrics.frechet import frechet_distance
from analysis.statistics.agreement import intraclass, mean_kendall_w, self_agreement
from analysis.statistics.correlation import Table, beyond_arm, pooled_spearman, table
from analysis.statistics.estimate import Estimate, not_estimable
from analysis.statistics.means import ArmMeans, arm_means
from analysis.statistics.resampling import holm
from annotation.models import Reader, Reading, Study

# Named in advance: metric, criterion, and the sign that the claim expects.
CLAIMS = (
    ("energy", "clinical_realism", -1),
    ("agreement", "prompt_faithfulness", 1),
    ("diversity", "intra_set_diversity", 1),
)
CELL = ["case", "pair", "kind", "arm"]


class Results:
    """Computes a report's numbers from a study's answers and measurements.

    ``data`` is plain JSON: dicts, lists, strings, finite numbers, None.
    """

    def __init__(
        self, study: Study, measurements: Measurements, *, resamples: int, seed: int
    ) -> None:
        self.study, self.measurements = study, measurements
        self.options = {"resamples": resamples, "seed": seed}
        self.protocol = study.protocol
        self.arms = [str(arm) for arm in measurements.images.arms]
        self.made = [str(arm) for arm in measurements.images.arms if arm.generator]  # not real
        self.cases = case_frame(study)
        given, ranked = score_frame(study), ranking_frame(study)
        self.rankings = ranked[~ranked["repeat"]]
        once = given[~given["repeat"]]
        self.not_applicable = int(once["not_applicable"].sum())
        self.scores = once[~once["not_applicable"]].astype({"score": float})
        self.repeats = repeat_frame(given[~given["not_applicable"]].astype({"score": float}))
        self.metrics = self._metric_frames()
        self.tables: dict[tuple[str, str], Table] = {}  # of the claims, for the figure
        means = {c.key: self._means(self._criterion(c.key)) for c in self.protocol.rated}
        self.data: dict[str, Any] = {
            "arms": self.arms,
            "criteria": [asdict(c) for c in self.protocol.rated],
            "counts": self._counts(),
            "means": [
                {"criterion": c.key, "name": c.name, "arm": arm, **asdict(means[c.key].mean(arm))}
                for c in self.protocol.rated
                for arm in self.arms
            ],
            "leader": self._leader(means),
            "ranks": self._ranks(),
            "metrics": self._metric_table(),
            "floor": self._floor(),
            "floors": [asdict(floor) for floor in measurements.floors(seed=seed)],
            "metric_findings": [
                {"metric": v.metric, "arm": str(v.arm), "value": v.value, "rows": list(v.rows)}
                for v in measurements.values
                if v.rows
            ],
            "correlations": self._correlations(),
            "readers": self._reader_agreement(),
            "image_differences": measurements.images.differences(),
        }
        self.data["sentences"] = sentences.findings(self.data)
        self.data["limits"] = sentences.limits(self.data)

    def _criterion(self, key: str, scores: pd.DataFrame | None = None) -> pd.DataFrame:
        scores = self.scores if scores is None else scores
        rows = scores[scores["criterion"] == key]
        return rows.rename(columns={"score": "value"})

    def _means(self, frame: pd.DataFrame, arms: list[str] | None = None) -> ArmMeans:
        return arm_means(frame, arms=arms or self.arms, **self.options)

    def _counts(self) -> dict[str, int]:
        readers = self.study.readers.exclude(state=Reader.State.REVOKED)
        readings = Reading.objects.filter(reader__in=readers, kind=Reading.Kind.CASE)
        sets = len(self.measurements.images.generated)
        return {
            "arms": len(self.arms),
            "cases": len(self.cases),
            "pairs": self.cases["pair"].nunique(),
            "images": len(self.measurements.images.all()),
            "readers": readers.count(),
            "readers_with_scores": self.scores["reader"].nunique(),
            "readers_revoked": self.study.readers.count() - readers.count(),
            "readings": readings.count(),
            "readings_submitted": readings.exclude(submitted_at=None).count(),
            "scores": len(self.scores),
            "scores_not_applicable": self.not_applicable,
            "scores_expected": readers.count() * sets * len(self.protocol.rated),
            "rankings": len(self.rankings[["reader", "case"]].drop_duplicates()),
        }

    def _leader(self, means: dict[str, ArmMeans]) -> dict[str, Any] | None:
        """The arm with the highest mean clinical realism, and how far the next one is behind."""
        criterion = next(
            (c for c in self.protocol.rated if c.key == CLAIMS[0][1]), self.protocol.rated[0]
        )
        of = means[criterion.key]
        order = [self.arms[i] for i in np.argsort(-of.values, kind="stable") if of.n[i]]
        if not order:
            return None
        second = order[1] if len(order) > 1 else None
        return {
            "name": criterion.name,
            "maximum": criterion.maximum,
            "arm": order[0],
            "mean": asdict(of.mean(order[0])),
            "second": second,
            "difference": asdict(of.difference(order[0], second)) if second else None,
        }

    def _ranks(self) -> list[dict[str, Any]]:
        ranked = set(self.rankings["arm"])
        arms = self.arms + ([REFERENCES] if REFERENCES in ranked else [])
        means = self._means(self.rankings.rename(columns={"rank": "value"}), arms)
        return [{"arm": arm, **asdict(means.mean(arm))} for arm in arms]

    # Metrics

    def _metric_frames(self) -> dict[str, pd.DataFrame]:
        """Per metric its values below the level of arms; those of pairs have no case."""
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

    def _metric_table(self) -> list[dict[str, Any]]:
        """Per arm and metric: the value over the study with its interval, and n."""
        frames = {m: f.assign(reader="") for m, f in self.metrics.items()}
        by_pair = frames["frechet"].groupby(["pair", "arm"], as_index=False)["value"].mean()
        by_pair["value"] = by_pair["value"].map(fidelity)
        frames["fidelity"] = by_pair.assign(case=by_pair["pair"], kind="pair", reader="")
        frames = {
            m: f.assign(case=f["pair"]) if METRICS[m].scope == "pair" else f
            for m, f in frames.items()
        }
        means = {m: self._means(f) for m, f in frames.items() if METRICS[m].scope != "arm"}
        rows = []
        for arm in self.measurements.images.arms:
            own = {v.metric: v for v in self.measurements.values if v.arm == arm and not v.case}
            for metric in METRICS:
                reason = self.measurements.reasons.get(metric, "")
                estimate = means[metric].mean(str(arm)) if metric in means else None
                if metric not in own:
                    estimate = not_estimable(reason or "no values")
                elif estimate is None:
                    estimate = Estimate(
                        own[metric].value,
                        own[metric].low,
                        own[metric].high,
                        pairs=self.cases["pair"].nunique(),
                        reason="no interval: one value an arm" if own[metric].low is None else "",
                    )
                images = own[metric].n if metric in own else 0
                rows.append(
                    {"metric": metric, "arm": str(arm), "images": images, **asdict(estimate)}
                )
        return rows

    def _floor(self) -> dict[str, Any]:
        """Real against real at the same n: what a perfect generator could reach."""
        images, real = self.measurements.images, self.measurements.real
        seed = self.options["seed"]
        n = max((len(s) for s in images.generated.values()), default=0)
        m = max((len(r) for r in images.real.values()), default=0)
        half = min([len(real) // 2, *(len(self.measurements.of_arm(a)) for a in images.arms)])
        floor: dict[str, Any] = {
            "real": len(real), "n": n, "m": m, "half": half,
            "frechet": None, "fidelity": None, "fbd": None, "fbd_at_half": {}, "reason": "",
        }  # fmt: skip
        try:
            distances = same_n_values(frechet_distance, real, None, n=n, m=m, seed=seed)
            floor |= {
                "frechet": float(distances.mean()),
                "fidelity": float(np.mean([fidelity(d) for d in distances])),
            }
        except ValueError:
            floor["reason"] = (
                f"real against real needs {n + m} different real images; the study has {len(real)}"
            )
        if half >= 2:
            floor["fbd"] = float(
                same_n_values(frechet_distance, real, None, n=half, m=half, seed=seed).mean()
            )
            for arm in images.arms:
                draws = same_n_values(
                    frechet_distance, self.measurements.of_arm(arm), real,
                    n=half, m=half, seed=seed,
                )  # fmt: skip
                floor["fbd_at_half"][str(arm)] = float(draws.mean())
        return floor

    # Metrics against readers

    def _correlations(self) -> list[dict[str, Any]]:
        """Every metric with every criterion; the claims first, with Holm's p over all of them."""
        claims = [self._claim(*claim) for claim in CLAIMS]
        for row, adjusted in zip(claims, holm([row["p"] for row in claims]), strict=True):
            row["p_holm"] = adjusted
        named = {(row["metric"], row["criterion"]) for row in claims}
        others = [
            # No p: with this many cells the smallest would be chance.
            self._correlation(metric, c.key) | {"claim": False, "p": None, "p_holm": None}
            for metric, values in self.metrics.items()
            if not values.empty
            for c in self.protocol.rated
            if (metric, c.key) not in named
        ]
        return claims + others

    def _claim(self, metric: str, criterion: str, sign: int) -> dict[str, Any]:
        row = {"claim": True, "sign": sign}
        if criterion not in {c.key for c in self.protocol.rated}:
            missing = not_estimable(f"the protocol has no criterion {criterion}")
            return self._row(metric, criterion, missing, missing) | row
        return self._correlation(metric, criterion, keep=True) | row

    def _correlation(self, metric: str, criterion: str, *, keep: bool = False) -> dict[str, Any]:
        values, scores = self.metrics[metric], self._criterion(criterion)
        if values.empty or scores.empty:
            reason = (
                "no scores" if scores.empty else self.measurements.reasons.get(metric, "no values")
            )
            return self._row(metric, criterion, not_estimable(reason), not_estimable(reason))
        joined = table(scores, values, arms=self.made, **self.options)
        beyond = beyond_arm(joined, **self.options)
        if keep and beyond.value is not None:
            self.tables[metric, criterion] = joined
        return self._row(metric, criterion, beyond, pooled_spearman(joined, **self.options))

    def _row(self, metric: str, criterion: str, r: Estimate, rho: Estimate) -> dict[str, Any]:
        names = {c.key: c.name for c in self.protocol.rated}
        return {
            "metric": metric,
            "metric_name": METRICS[metric].name,
            "criterion": criterion,
            "name": names.get(criterion, criterion.replace("_", " ").capitalize()),
            "level": METRICS[metric].scope,
            **asdict(r),
            "spearman": asdict(rho),
        }

    # Readers

    def _reader_agreement(self) -> dict[str, Any]:
        rows = []
        for criterion in self.protocol.rated:
            found = intraclass(self._criterion(criterion.key), **self.options)
            rows.append(
                {
                    "criterion": criterion.key,
                    "name": criterion.name,
                    "readers": found.readers,
                    "single": asdict(found.single),
                    "average": asdict(found.average),
                }
            )
        ranked = self.rankings[self.rankings["arm"] != REFERENCES]
        readers = int(ranked["reader"].nunique())
        return {
            "icc": rows,
            "self": [
                {
                    "criterion": c.key,
                    "name": c.name,
                    **asdict(self_agreement(self._criterion(c.key, self.repeats), **self.options)),
                }
                for c in self.protocol.rated
                if self.protocol.repeats
            ],
            "kendall_w": asdict(mean_kendall_w(ranked, **self.options)),
            "kendall_w_by_chance": 1 / readers if readers else None,
        }
