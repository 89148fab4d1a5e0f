"""The results of a LoRA-rank sweep as tables: a row a cell, and a row a rank."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.metrics.sets import METRIC_NAMES
from analysis.statistics.repeats import Repeats, over_repeats

BASE = "base, no LoRA"
DIGITS = {"frechet_distance": 2, "fidelity": 3, "diversity": 4, "agreement": 4}
TITLES = {
    "frechet_distance": "Fréchet distance ↓",
    "fidelity": "Fidelity ↑",
    "diversity": "Diversity ↑",
    "agreement": "Agreement ↑",
}


def cell_rows(results: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """``results.csv``: a cell's result, or its error, in a row."""
    rows = []
    for result in results:
        row = dict(result)
        stages = {
            f"{kind}_{stage}": value
            for kind in ("steps", "loss")
            for stage, value in (row.pop(kind, None) or {}).items()
        }
        measures = row.pop("measures", {})
        error = row.pop("error", "")
        rows.append({**row, **stages, **measures, "error": error})
    frame = pd.DataFrame(rows)
    for name in ("lora_parameters", *(c for c in frame if str(c).startswith("steps_"))):
        if name in frame:
            frame[name] = frame[name].astype("Int64")
    frame["rank"] = [BASE if rank is None else str(rank) for rank in (r["rank"] for r in results)]
    return frame


def rank_rows(results: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """``table.csv``: by rank, over seeds: mean, sd (ddof 1) and 95 % interval of each metric.

    Empty where not estimable; a cell that failed counts in ``failed`` alone.
    """
    rows = []
    for rank in sorted({r["rank"] for r in results}, key=lambda rank: rank or 0):
        cells = [r for r in results if r["rank"] == rank]
        good = [r for r in cells if not r.get("error")]
        row: dict[str, Any] = {
            "rank": BASE if rank is None else str(rank),
            "lora_parameters": good[0]["lora_parameters"] if good else None,
            "seeds": len(good),
            "failed": len(cells) - len(good),
        }
        for metric, repeats in _repeats(good).items():
            row |= {f"{metric}_{name}": value for name, value in _parts(repeats).items()}
        rows.append(row)
    if not rows:  # of a sweep that has just begun
        return pd.DataFrame(columns=["rank", "lora_parameters", "seeds", "failed"])
    frame = pd.DataFrame(rows)
    frame["lora_parameters"] = frame["lora_parameters"].astype("Int64")
    return frame


TABLES = {"table": rank_rows, "results": cell_rows}


def table_text(results: Sequence[Mapping[str, Any]]) -> str:
    """`said_rows` in columns."""
    return pd.DataFrame(said_rows(results)).to_string(index=False)


def said_rows(results: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """`rank_rows` for people: "mean ± sd [low, high]"."""
    rows: list[dict[str, str]] = []
    if not results:
        return rows
    for row in rank_rows(results).to_dict("records"):
        shown = {
            "rank": row["rank"],
            "LoRA parameters": "" if pd.isna(n := row["lora_parameters"]) else f"{n:,}",
            "seeds": f"{row['seeds']}" + (f" ({row['failed']} failed)" if row["failed"] else ""),
        }
        for metric in METRIC_NAMES:
            shown[TITLES[metric]] = _said(metric, row)
        rows.append(shown)
    return rows


def floor_text(floor: Mapping[str, Any]) -> str:
    """As `analysis.sweeps.real_floor` found it: "mean [low, high]"."""
    if floor.get("value") is None:
        return "not estimable"
    digits = DIGITS["frechet_distance"]
    return f"{floor['value']:.{digits}f} [{floor['low']:.{digits}f}, {floor['high']:.{digits}f}]"


def _repeats(cells: Sequence[Mapping[str, Any]]) -> dict[str, Repeats]:
    values = {metric: [cell["measures"][metric] for cell in cells] for metric in METRIC_NAMES}
    return {
        metric: over_repeats([v for v in numbers if v is not None])
        for metric, numbers in values.items()
    }


def _parts(repeats: Repeats) -> dict[str, float | None]:
    return {"mean": repeats.mean, "sd": repeats.sd, "low": repeats.low, "high": repeats.high}


def _said(metric: str, row: Mapping[Any, Any]) -> str:
    mean, sd, low, high = (row[f"{metric}_{part}"] for part in ("mean", "sd", "low", "high"))
    if pd.isna(mean):
        return "not estimable"
    digits = DIGITS[metric]
    if pd.isna(sd):
        return f"{mean:.{digits}f} (sd not estimable)"
    return f"{mean:.{digits}f} ± {sd:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
