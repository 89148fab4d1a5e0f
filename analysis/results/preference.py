"""Which arm readers prefer: rankings, and whether arms differ in scores."""

from dataclasses import asdict
from itertools import combinations
from typing import Any

import pandas as pd

from analysis.dataset import REFERENCES
from analysis.results.data import StudyData
from analysis.statistics.preference import Preference, preference
from analysis.statistics.ranktests import arm_differences, block_means, friedman

RANK = {"criterion": "rank", "name": "Rank given"}


def section(data: StudyData) -> dict[str, Any]:
    """``ranks`` (empty where the protocol doesn't rank), ``preference`` and tests of the arms."""
    ranked = data.protocol.ranking
    return {
        "ranks": _ranks(data) if ranked else [],
        "preference": _preference(data) if ranked else [],
        **_tests(data),
    }


def _ranked_real(data: StudyData) -> list[str]:
    """What was ranked and is no generator's: hidden real images, references."""
    hidden = [arm for arm in data.arms if arm not in data.made]
    return hidden + ([REFERENCES] if REFERENCES in set(data.rankings["arm"]) else [])


def _ranks(data: StudyData) -> list[dict[str, Any]]:
    arms = [*data.arms, *(real for real in _ranked_real(data) if real not in data.arms)]
    means = data.means(_valued(data), arms)
    return [{"arm": arm, **asdict(means.mean(arm))} for arm in arms]


def _valued(data: StudyData) -> pd.DataFrame:
    return data.rankings.rename(columns={"rank": "value"})


def _preference(data: StudyData) -> list[dict[str, Any]]:
    """Worths among generators, and with real images too where they were ranked."""
    fits = [_fit(data, data.made, real=False)]
    if real := _ranked_real(data):
        fits.append(_fit(data, [*data.made, *real], real=True))
    return fits


def _fit(data: StudyData, arms: list[str], *, real: bool) -> dict[str, Any]:
    fit = preference(data.rankings, arms=arms, **data.exploring)
    order = _order(fit)
    return {
        "real": real,
        "regularised": fit.regularised,
        "ties": fit.ties,
        "rankings": fit.rankings,
        "reason": fit.reason,
        "worths": [{"arm": arm, **asdict(fit.worth(arm))} for arm in arms],
        "over": [
            {"arm": arm, "other": other, **asdict(fit.over(arm, other))}
            for arm, other in combinations(order, 2)
        ],
    }


def _order(fit: Preference) -> list[str]:
    """Arms, the most preferred first."""
    if fit.reason:
        return list(fit.arms)
    return [fit.arms[i] for i in (-fit.log_worths).argsort(kind="stable")]


def _tests(data: StudyData) -> dict[str, Any]:
    """Friedman over all arms and Wilcoxon of each two, of ranks and of every criterion."""
    wanted: list[tuple[dict[str, str], pd.DataFrame, int]] = [
        (data.named(c), data.criterion(c.key), -1) for c in data.protocol.rated
    ]
    if data.protocol.ranking:
        own = data.rankings["arm"].isin(data.arms)
        wanted.insert(0, (RANK, _valued(data)[own], 1))
    tests, differences = [], []
    for name, frame, sign in wanted:
        blocks = block_means(frame, arms=data.arms)
        test = friedman(sign * blocks)  # so that rank 1 is the best
        tests.append(name | asdict(test) | {"mean_ranks": list(test.mean_ranks)})
        differences += [
            name | {"arm": d.arm, "other": d.other, **asdict(d.difference), "p_holm": d.p_holm}
            for d in arm_differences(blocks, arms=data.arms)
        ]
    return {"arm_tests": tests, "arm_differences": differences}
