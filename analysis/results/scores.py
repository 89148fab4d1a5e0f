"""Counts, mean scores by arm, and the arm that leads."""

from dataclasses import asdict
from typing import Any

import numpy as np

from analysis.results.data import StudyData
from analysis.statistics.means import ArmMeans
from annotation.models import Reader, Reading


def section(data: StudyData) -> dict[str, Any]:
    means = {c.key: data.means(data.criterion(c.key)) for c in data.protocol.rated}
    return {
        "counts": _counts(data),
        "means": [
            data.named(c, arm=arm, **asdict(means[c.key].mean(arm)))
            for c in data.protocol.rated
            for arm in data.arms
        ],
        "leader": _leader(data, means[data.leading.key]),
    }


def _counts(data: StudyData) -> dict[str, int]:
    readers = data.study.readers.exclude(state=Reader.State.REVOKED)
    readings = Reading.objects.filter(reader__in=readers, kind=Reading.Kind.CASE)
    sets = len(data.measurements.images.generated)
    return {
        "arms": len(data.arms),
        "arms_made": len(data.made),
        "cases": len(data.cases),
        "pairs": data.cases["pair"].nunique(),
        "images_per_set": data.protocol.images_per_set,
        "images": len(data.measurements.images.all()),
        "readers": readers.count(),
        "readers_with_scores": data.scores["reader"].nunique(),
        "readers_revoked": data.study.readers.count() - readers.count(),
        "readings": readings.count(),
        "readings_submitted": readings.exclude(submitted_at=None).count(),
        "scores": len(data.scores),
        "scores_not_applicable": data.not_applicable,
        "scores_expected": readers.count() * sets * len(data.protocol.rated),
        "rankings": len(data.rankings[["reader", "case"]].drop_duplicates()),
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
        "maximum": criterion.maximum,
        "arm": order[0],
        "mean": asdict(of.mean(order[0])),
        "second": second,
        "difference": asdict(of.difference(order[0], second)) if second else None,
        "real": asdict(of.difference(real, order[0])) if real else None,
    }
