"""A report's lists as rows and columns of the page's tables, each column with one precision.

Reports that are older than a list go without its table.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from analysis.metrics import METRICS
from analysis.wording import digits_for, score_digits

PAPER_METRICS = ("fidelity", "agreement", "diversity", "fbd", "energy")
MOST_COPIES = 8  # an arm
Row = dict[str, Any]


def tables_of(results: Row) -> dict[str, Any]:
    """What the report's templates take beside the results themselves."""
    return (
        _scores(results)
        | _metrics(results)
        | _against_readers(results)
        | _readers(results)
        | {
            "missing_rows": [
                list(rows)
                for _, rows in groupby(results.get("missing", []), lambda row: row["criterion"])
            ],
            "copies": _copies(results),
        }
    )


def described(results: Row) -> dict[str, Row]:
    """What the report says of each of its metrics, by key; older reports say it by the registry."""
    rows = results.get("described") or [metric.to_dict() for metric in METRICS.values()]
    return {row["key"]: row for row in rows}


def _scores(results: Row) -> dict[str, Any]:
    arms = results["arms"]
    means = {(m["criterion"], m["arm"]): m for m in results["means"]}
    tests = {t["criterion"]: t for t in results.get("arm_tests", [])}
    digits = _digits(results)
    differences = [
        row | {"digits": digits.get(row["criterion"], 2)}  # ranks are no scores
        for row in results.get("arm_differences", [])
    ]
    return {
        "criterion_rows": [
            (c, digits[c["key"]], [means[c["key"], arm] for arm in arms])
            for c in results["criteria"]
        ],
        "rank_cells": results["ranks"][: len(arms)],
        "no_intervals": _distinct(m["reason"] for m in results["means"] if m["value"] is not None),
        "preference": [(fit, _preferences(fit)) for fit in results.get("preference", [])],
        "arm_tests": [
            (tests[key], list(rows)) for key, rows in groupby(differences, lambda d: d["criterion"])
        ],
    }


def _digits(results: Row) -> dict[str, int]:
    """By criterion the decimals of its scores, 2 or more."""
    return {c["key"]: max(2, score_digits(c["minimum"], c["maximum"])) for c in results["criteria"]}


def _preferences(fit: Row) -> list[Row]:
    """Of each arm: its chance of being the best, and of being preferred to each other one."""
    over = {(row["arm"], row["other"]): row for row in fit["over"]}
    over |= {(b, a): _turned(row) for (a, b), row in over.items()}
    arms = [row["arm"] for row in fit["worths"]]
    return [
        {"arm": row["arm"], "best": row, "over": [over.get((row["arm"], b)) for b in arms]}
        for row in fit["worths"]
    ]


def _turned(share: Row) -> Row:
    """The other way round: 1 less it."""
    ends = {"value": share["value"], "low": share["high"], "high": share["low"]}
    return share | {key: None if v is None else 1 - v for key, v in ends.items()}


def _metrics(results: Row) -> dict[str, Any]:
    arms, floor, names = results["arms"], results["floor"], described(results)
    metrics = {(m["metric"], m["arm"]): m for m in results["metrics"]}
    known = {m["metric"] for m in results["metrics"] if m["value"] is not None}
    heads = [m for m in PAPER_METRICS if m in names] if known & set(PAPER_METRICS) else []
    digits = {metric: digits_for(metrics[metric, arm]["value"] for arm in arms) for metric in heads}
    missing = [m for m in results["metrics"] if m["value"] is None]
    return {
        "metric_heads": [names[m] for m in heads],
        "metric_rows": [
            (
                arm,
                [(metrics[m, arm], digits[m]) for m in heads],
                floor and floor["fbd_at_half"].get(arm),
            )
            for arm in arms
        ],
        "metric_digits": digits,
        "half_digits": digits_for([floor["fbd"], *floor["fbd_at_half"].values()] if floor else []),
        "metric_reasons": _distinct(
            f"{names[m['metric']]['name']} is not estimable: {m['reason']}"
            for m in missing
            if m["metric"] in heads
        ),
        "not_computed": _not_computed(names, missing, arms, heads),
        "metrics": [row for key, row in names.items() if key in known],
        "other_metrics": _other_metrics(names, arms, metrics, results.get("floors", [])),
        "biomedclip": results["provenance"].get("embedder", "").startswith("biomedclip"),
    }


def _not_computed(
    names: dict[str, Row], missing: list[Row], arms: list[str], heads: list[str]
) -> list[tuple[str, str]]:
    """What it takes to get metrics that have no value for any arm, and their names."""
    by_metric = {key: list(rows) for key, rows in groupby(sorted(missing, key=_metric), _metric)}
    by_reason: dict[str, list[str]] = {}
    for key, metric in names.items():
        if key not in heads and len(by_metric.get(key, [])) == len(arms):
            by_reason.setdefault(by_metric[key][0]["reason"].rstrip("."), []).append(metric["name"])
    return [(reason, ", ".join(of)) for reason, of in by_reason.items()]


def _metric(row: Row) -> str:
    return str(row["metric"])


def _other_metrics(
    names: dict[str, Row],
    arms: list[str],
    metrics: dict[tuple[str, str], Row],
    floors: list[Row],
) -> list[Row]:
    """A row for each metric with a value that the first table doesn't show."""
    by_metric = {floor["metric"]: floor for floor in floors}
    rows = []
    for key, metric in names.items():
        cells = [metrics[key, arm] for arm in arms if (key, arm) in metrics]
        if key in PAPER_METRICS or all(cell["value"] is None for cell in cells):
            continue
        rows.append(
            {
                "metric": metric,
                "cells": cells,
                "floor": by_metric.get(key),
                "digits": digits_for(cell["value"] for cell in cells),
            }
        )
    return rows


def _copies(results: Row) -> list[tuple[str, list[Row]]]:
    """Of each arm the pairs of images that look most alike by features."""
    found = []
    for finding in results.get("metric_findings", []):
        pairs = [row for row in finding["rows"] if "training_image" in row][:MOST_COPIES]
        if finding["metric"] == "copying" and pairs:
            digits = digits_for(pair["distance"] for pair in pairs)
            found.append((finding["arm"], [pair | {"digits": digits} for pair in pairs]))
    return found


def _against_readers(results: Row) -> dict[str, Any]:
    following = results.get("following", [])
    comparisons = results.get("comparisons", [])
    tiers = results.get("tiers", [])
    digits = {
        row["metric"]: digits_for(t["value"] for t in tiers if t["metric"] == row["metric"])
        for row in tiers
    }
    return {
        "claims": [row for row in results["correlations"] if row["claim"]],
        "tier_rows": [row | {"digits": digits[row["metric"]]} for row in tiers],
        "exploratory": [
            {"p_bh": None} | row for row in results["correlations"] if not row["claim"]
        ],
        "following_rows": [
            [row | _lead(row, comparisons) for row in rows]
            for criterion in results["criteria"]
            if (rows := [row for row in following if row["criterion"] == criterion["key"]])
        ],
    }


def _lead(row: Row, comparisons: list[Row]) -> Row:
    """How far the best metric of the criterion is ahead of this one; or that this one is it."""
    of = [c for c in comparisons if c["criterion"] == row["criterion"]]
    lead = next((c for c in of if c["other"] == row["metric"]), None)
    return {"lead": lead, "best": any(c["metric"] == row["metric"] for c in of)}


def _readers(results: Row) -> dict[str, Any]:
    """Readers' habits by criterion; pairs of readers, the suspicious ones first."""
    digits = _digits(results)
    return {
        "habit_rows": [
            [row | {"digits": digits[key]} for row in rows]
            for key, rows in groupby(results.get("habits", []), lambda h: h["criterion"])
        ],
        "reader_pairs": sorted(
            results.get("reader_pairs", []), key=lambda two: not two["suspicious"]
        ),
    }


def _distinct(reasons: Iterable[str]) -> list[str]:
    return [r[:1].upper() + r[1:].rstrip(".") + "." for r in dict.fromkeys(reasons) if r]
