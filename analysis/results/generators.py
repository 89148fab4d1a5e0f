"""Do metrics rank generators as readers do? Of few generators little can be said; this says it."""

from dataclasses import asdict, replace
from typing import Any

from analysis.results.against_readers import LEFT_OUT, SIGNS
from analysis.results.data import StudyData
from analysis.statistics.comparison import soft_pairwise_accuracy
from analysis.statistics.correlation import between_arms


def section(data: StudyData) -> dict[str, Any]:
    """``generators``: in the leading criterion, a row a metric that has values below the arm."""
    rows = []
    for key, values in data.metrics.items():
        metric = data.described[key]
        if metric.better not in SIGNS or values.empty or key in LEFT_OUT:
            continue
        try:
            joined = data.joined(key, data.leading.key, **data.exploring)
        except ValueError:
            continue
        # More of it is better now, so that 1 is the readers' order.
        joined = replace(joined, metric=SIGNS[metric.better] * joined.metric)
        rows.append(
            data.named(
                data.leading,
                metric=key,
                metric_name=metric.name,
                better=metric.better,
                tau=asdict(between_arms(joined, **data.exploring)),
                soft=asdict(soft_pairwise_accuracy(joined, **data.exploring)),
            )
        )
    return {"generators": rows}
