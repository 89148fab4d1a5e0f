"""What metrics say of sets by the rank that readers gave them: the paper's Figure 6.

Descriptive: means of tiers go along with ranks as soon as arms differ in both, whatever a metric
sees in a set.
"""

from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.results.data import StudyData
from analysis.statistics.means import arm_means
from annotation.protocols import REFERENCES

READING = ["reader", "case"]


def section(data: StudyData) -> dict[str, Any]:
    """``tiers``: rows by metric, with or without real images, and rank; the best is 1.

    Of the metrics that claims name. Reference images that were ranked are measured half against
    half, hidden real ones as any set.
    """
    if data.rankings is None or data.rankings.empty:
        return {"tiers": []}
    metrics = list(dict.fromkeys(claim.metric for claim in data.claims))
    rows: list[dict[str, Any]] = []
    for metric in metrics:
        values = data.metrics.get(metric)
        if values is None or values.empty:
            continue
        real = [arm for arm in data.rankings["arm"].unique() if arm not in data.made]
        for with_real in (True, False) if real else (False,):
            rows += _by_tier(data, metric, values, with_real=with_real)
    return {"tiers": rows}


def _by_tier(
    data: StudyData, metric: str, values: pd.DataFrame, *, with_real: bool
) -> list[dict[str, Any]]:
    ranked = data.rankings
    assert ranked is not None
    if not with_real:
        ranked = ranked[ranked["arm"].isin(data.made)]
    tier = ranked.groupby(READING)["rank"].rank(method="dense").astype(int)
    level = ["case"] if "case" in values else ["pair"]
    known = values[[*level, "arm", "value"]]
    if with_real:
        known = pd.concat([known, _references(data, metric, level[0])])
    joined = ranked.assign(arm_tier=tier).merge(known, on=[*level, "arm"])
    cells = joined.groupby([*READING, "pair", "kind", "arm_tier"], as_index=False)["value"].mean()
    cells = cells.rename(columns={"arm_tier": "arm"})
    tiers = sorted(cells["arm"].unique())
    means = arm_means(cells, arms=tiers, **data.exploring)
    return [
        {
            "metric": metric,
            "metric_name": data.described[metric].name,
            "better": data.described[metric].better,
            "with_real": with_real,
            "tier": int(tier),
            **asdict(means.mean(tier)),
        }
        for tier in tiers
    ]


def _references(data: StudyData, metric: str, level: str) -> pd.DataFrame:
    """Real images half against half, in every case of their pair."""
    known = data.references
    own = known[known["metric"] == metric]
    if level == "case":
        own = own.merge(data.cases[["case", "pair"]], on="pair")
    return own.assign(arm=REFERENCES)[[level, "arm", "value"]]
