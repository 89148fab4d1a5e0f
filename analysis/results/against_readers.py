"""Do metrics go along with readers? Claims named in advance, and all else as exploration."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from analysis.results.data import StudyData
from analysis.statistics.comparison import accuracy_difference
from analysis.statistics.correlation import Table, beyond_arm, pooled_spearman
from analysis.statistics.estimate import Estimate, not_estimable
from analysis.statistics.resampling import benjamini_hochberg, holm
from analysis.statistics.within_case import pairwise_accuracy, within_case_tau
from annotation.protocols import Criterion

# Fidelity is a function of it, so it would be counted twice.
LEFT_OUT = ("frechet",)
SIGNS = {"higher": 1, "lower": -1}


def section(data: StudyData) -> dict[str, Any]:
    """``correlations`` (claims first), their ``residuals``, ``following`` and ``comparisons``."""
    claims, residuals = _claims(data)
    named = {(row["metric"], row["criterion"]) for row in claims}
    others, following, comparisons = [], [], []
    for criterion in data.criteria:
        tables: dict[str, Table] = {}
        for metric, values in data.metrics.items():
            if values.empty or metric in LEFT_OUT:
                continue
            joined, r, rho = _measured(data, metric, criterion.key, data.exploring)
            if (metric, criterion.key) not in named:
                others.append(_row(data, metric, criterion, r, rho) | {"claim": False})
            if data.described[metric].better in SIGNS and joined:
                tables[metric] = joined
                following.append(_within_case(metric, criterion, joined, data))
        comparisons += _comparisons(criterion, tables, following, data)
    adjusted = benjamini_hochberg([row["p"] for row in others])
    for row, p in zip(others, adjusted, strict=True):
        row |= {"p_holm": None, "p_bh": p}
    return {
        "correlations": claims + others,
        "residuals": residuals,
        "following": following,
        "comparisons": comparisons,
    }


def _claims(data: StudyData) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The claims with Holm's p over all of them, and the points that their figure shows."""
    rated = {c.key: c for c in data.criteria}
    rows, residuals = [], []
    for claim in data.claims:
        key, metric = claim.criterion, claim.metric
        criterion = rated.get(key) or Criterion(key, key.replace("_", " ").capitalize(), "")
        joined, r, rho = _measured(data, metric, key, data.options)
        if joined and r.value is not None:
            x, y = joined.residuals()
            residuals.append(
                {
                    "metric": metric,
                    "criterion": key,
                    "arms": list(joined.arms),
                    "units": [int(unit) for unit in joined.units],
                    "x": x.tolist(),
                    "y": y.tolist(),
                }
            )
        rows.append(_row(data, metric, criterion, r, rho) | {"claim": True, "sign": claim.sign})
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row |= {"p_holm": adjusted, "p_bh": None}
    return rows, residuals


def _measured(
    data: StudyData, metric: str, criterion: str, options: dict[str, Any]
) -> tuple[Table | None, Estimate, Estimate]:
    """Both side by side, their correlation beyond prompt and arm, and Spearman's over all cells."""
    try:
        joined = data.joined(metric, criterion, **options)
        # Its readers aren't resampled: descriptive.
        every = data.joined(metric, criterion, complete=False, **options | {"resamples": 1})
    except ValueError as error:
        missing = not_estimable(str(error))
        return None, missing, missing
    return joined, beyond_arm(joined, **options), pooled_spearman(every, **options)


def _row(
    data: StudyData, metric: str, criterion: Criterion, r: Estimate, rho: Estimate
) -> dict[str, Any]:
    known = data.described.get(metric)  # a plan may name one that isn't registered any more
    return {
        "metric": metric,
        "metric_name": known.name if known else metric,
        "criterion": criterion.key,
        "name": criterion.name,
        "level": known.scope if known else "",
        **asdict(r),
        "spearman": asdict(rho),
    }


def _within_case(
    metric: str, criterion: Criterion, joined: Table, data: StudyData
) -> dict[str, Any]:
    sign = SIGNS[data.described[metric].better]
    planned = data.planned and (metric, criterion.key) == (data.primary, data.leading.key)
    options = data.options if planned else data.exploring
    if planned:
        joined = data.joined(metric, criterion.key, **options)
    found = pairwise_accuracy(joined, sign=sign, **options)
    return {
        "metric": metric,
        "metric_name": data.described[metric].name,
        "criterion": criterion.key,
        "name": criterion.name,
        "level": data.described[metric].scope,
        **asdict(found.accuracy),
        "threshold": found.threshold,
        "ties": found.ties,
        "tau": asdict(within_case_tau(joined, sign=sign, **options)),
        "planned": planned,
    }


def _comparisons(
    criterion: Criterion,
    tables: dict[str, Table],
    following: Sequence[dict[str, Any]],
    data: StudyData,
) -> list[dict[str, Any]]:
    """The metric that orders most as readers do against each other one that has a value a case.

    Holm counts every two of them, since the best was chosen after looking.
    """
    accuracy = {
        row["metric"]: row["value"]
        for row in following
        if row["criterion"] == criterion.key
        and row["value"] is not None
        and data.described[row["metric"]].scope != "pair"
    }
    if len(accuracy) < 2:
        return []
    best, *others = sorted(accuracy, key=lambda metric: -accuracy[metric])
    found = [
        accuracy_difference(
            tables[best],
            tables[other],
            signs=(SIGNS[data.described[best].better], SIGNS[data.described[other].better]),
            **data.exploring,
        )
        for other in others
    ]
    tests = len(accuracy) * (len(accuracy) - 1) // 2
    adjusted = holm([e.p for e in found] + [None] * (tests - len(found)))
    return [
        {
            "criterion": criterion.key,
            "name": criterion.name,
            "metric": best,
            "metric_name": data.described[best].name,
            "other": other,
            "other_name": data.described[other].name,
            **asdict(estimate),
            "p_holm": p,
        }
        for other, estimate, p in zip(others, found, adjusted, strict=False)
    ]
