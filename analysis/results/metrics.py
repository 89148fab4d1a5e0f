"""Metrics by arm with what real images reach against each other."""

from dataclasses import asdict
from typing import Any

from analysis.metrics import METRICS
from analysis.metrics.fidelity import fidelity
from analysis.results.data import StudyData
from analysis.statistics.estimate import Estimate, not_estimable


def section(data: StudyData) -> dict[str, Any]:
    return {
        "described": [metric.to_dict() for metric in data.described.values()],
        "metrics": _by_arm(data),
        "floor": data.floor,
        "floors": list(data.floors),
        "metric_findings": [
            {"metric": v.metric, "arm": v.arm, "value": v.value, "rows": list(v.rows)}
            for v in data.arm_values
            if v.rows
        ],
        "image_differences": list(data.image_differences),
    }


def _by_arm(data: StudyData) -> list[dict[str, Any]]:
    """Per arm and metric: the value over the study with its interval, and n."""
    scopes = {key: metric.scope for key, metric in data.described.items()}
    frames = {m: f.assign(reader="") for m, f in data.metrics.items()}
    if "frechet" in frames and data.described.get("fidelity") is METRICS["fidelity"]:
        by_pair = frames["frechet"].groupby(["pair", "arm"], as_index=False)["value"].mean()
        by_pair["value"] = by_pair["value"].map(fidelity)
        frames["fidelity"] = by_pair.assign(case=by_pair["pair"], kind="pair", reader="")
    frames = {m: f.assign(case=f["pair"]) if scopes[m] == "pair" else f for m, f in frames.items()}
    means = {m: data.means(f) for m, f in frames.items() if scopes[m] != "arm"}
    values = {(v.metric, v.arm): v for v in data.arm_values}
    rows = []
    for arm in data.arms:
        for metric in data.described:
            own = values.get((metric, arm))
            if own is None:
                estimate = not_estimable(data.reasons.get(metric) or "no values")
            elif metric in means:
                estimate = means[metric].mean(arm)
            else:
                estimate = Estimate(
                    own.value,
                    own.low,
                    own.high,
                    pairs=data.cases["pair"].nunique(),
                    reason="no interval: one value an arm" if own.low is None else "",
                )
            images = own.images if own else 0
            rows.append({"metric": metric, "arm": arm, "images": images, **asdict(estimate)})
    return rows
