"""Metrics by arm with what real images reach against each other."""

from dataclasses import asdict
from typing import Any

import numpy as np

from analysis.metrics import METRICS
from analysis.metrics.fidelity import fidelity
from analysis.metrics.floors import same_n_values
from analysis.metrics.frechet import frechet_distance
from analysis.results.data import StudyData
from analysis.statistics.estimate import Estimate, not_estimable


def section(data: StudyData) -> dict[str, Any]:
    measurements = data.measurements
    return {
        "metrics": _by_arm(data),
        "floor": _floor(data),
        "floors": [asdict(floor) for floor in measurements.floors(seed=data.options["seed"])],
        "metric_findings": [
            {"metric": v.metric, "arm": str(v.arm), "value": v.value, "rows": list(v.rows)}
            for v in measurements.values
            if v.rows
        ],
        "image_differences": measurements.images.differences(),
    }


def _by_arm(data: StudyData) -> list[dict[str, Any]]:
    """Per arm and metric: the value over the study with its interval, and n."""
    frames = {m: f.assign(reader="") for m, f in data.metrics.items()}
    by_pair = frames["frechet"].groupby(["pair", "arm"], as_index=False)["value"].mean()
    by_pair["value"] = by_pair["value"].map(fidelity)
    frames["fidelity"] = by_pair.assign(case=by_pair["pair"], kind="pair", reader="")
    frames = {
        m: f.assign(case=f["pair"]) if METRICS[m].scope == "pair" else f for m, f in frames.items()
    }
    means = {m: data.means(f) for m, f in frames.items() if METRICS[m].scope != "arm"}
    rows = []
    for arm in data.measurements.images.arms:
        own = {v.metric: v for v in data.measurements.values if v.arm == arm and not v.case}
        for metric in METRICS:
            reason = data.measurements.reasons.get(metric, "")
            estimate = means[metric].mean(str(arm)) if metric in means else None
            if metric not in own:
                estimate = not_estimable(reason or "no values")
            elif estimate is None:
                estimate = Estimate(
                    own[metric].value,
                    own[metric].low,
                    own[metric].high,
                    pairs=data.cases["pair"].nunique(),
                    reason="no interval: one value an arm" if own[metric].low is None else "",
                )
            images = own[metric].n if metric in own else 0
            rows.append({"metric": metric, "arm": str(arm), "images": images, **asdict(estimate)})
    return rows


def _floor(data: StudyData) -> dict[str, Any]:
    """Real against real at the same n: what a perfect generator could reach."""
    images, real = data.measurements.images, data.measurements.real
    seed = data.options["seed"]
    n = max((len(s) for s in images.generated.values()), default=0)
    m = max((len(r) for r in images.real.values()), default=0)
    half = min([len(real) // 2, *(len(data.measurements.of_arm(a)) for a in images.arms)])
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
                frechet_distance, data.measurements.of_arm(arm), real,
                n=half, m=half, seed=seed,
            )  # fmt: skip
            floor["fbd_at_half"][str(arm)] = float(draws.mean())
    return floor
