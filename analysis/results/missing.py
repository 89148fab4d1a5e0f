"""What was to be scored and wasn't, by criterion and arm."""

from typing import Any

from analysis.results.data import StudyData


def section(data: StudyData) -> dict[str, Any]:
    """``missing``: counts by criterion and arm; and ``departures``, ``plan``, ``design``."""
    given = data.scores.groupby(["criterion", "arm"]).size()
    beside = data.beside.groupby(["criterion", "arm"]).size()
    rows = []
    for criterion in data.criteria:
        for arm in data.arms:
            key = criterion.key, arm
            expected = data.expected.get(key, 0)
            n, not_applicable = int(given.get(key, 0)), int(beside.get(key, 0))
            rows.append(
                data.named(
                    criterion,
                    arm=arm,
                    expected=expected,
                    given=n,
                    not_applicable=not_applicable,
                    missing=max(0, expected - n - not_applicable),
                )
            )
    return {
        "missing": rows,
        "planned": data.planned,
        "assigned": data.assigned,
        "scaled": data.scaled,
        "alpha": data.alpha,
        "primary": data.primary,
        "departures": list(data.departures),
        "plan": [list(line) for line in data.plan],
        "design": [list(line) for line in data.design],
    }
