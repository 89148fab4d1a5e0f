"""Counts, mean scores by arm, and the arm that leads."""

from dataclasses import asdict
from typing import Any

import numpy as np

from analysis.results.data import StudyData
from analysis.statistics.means import ArmMeans
from analysis.wording import score_digits


def section(data: StudyData) -> dict[str, Any]:
    means = {c.key: data.means(data.criterion(c.key)) for c in data.criteria}
    return {
        "counts": _counts(data),
        "means": [
            data.named(c, arm=arm, **asdict(means[c.key].mean(arm)))
            for c in data.criteria
            for arm in data.arms
        ],
        "leader": _leader(data, means[data.leading.key]),
    }


def _counts(data: StudyData) -> dict[str, int]:
    rankings = [] if data.rankings is None else data.rankings[["reader", "case"]].drop_duplicates()
    return {
        **data.counts,
        "arms": len(data.arms),
        "arms_made": len(data.made),
        "cases": len(data.cases),
        "pairs": data.cases["pair"].nunique(),
        "readers_with_scores": data.scores["reader"].nunique(),
        "scores": len(data.scores),
        "scores_expected": sum(data.expected.values()),
        "scores_not_applicable": data.not_applicable,
        "rankings": len(rankings),
    }


def _leader(data: StudyData, of: ArmMeans) -> dict[str, Any] | None:
    """The generator with the highest mean, how far the next is behind, and real images beside."""
    criterion = data.leading
    made = [data.arms.index(arm) for arm in data.made]
    order = [
        data.arms[made[i]] for i in np.argsort(-of.values[made], kind="stable") if of.n[made[i]]
    ]
    if not order:
        return None
    second = order[1] if len(order) > 1 else None
    real = next((arm for arm in data.arms if arm not in data.made), None)
    return {
        "name": criterion.name,
        "maximum": criterion.maximum if data.scaled else None,
        "digits": score_digits(criterion.minimum, criterion.maximum),
        "arm": order[0],
        "mean": asdict(of.mean(order[0])),
        "second": second,
        "difference": asdict(of.difference(order[0], second)) if second else None,
        "real": asdict(of.difference(real, order[0])) if real else None,
    }
