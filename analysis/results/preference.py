"""Which arm readers prefer: rankings, and whether arms differ in scores."""

from dataclasses import asdict
from itertools import combinations
from typing import Any

import pandas as pd

from analysis.results.data import StudyData
from analysis.statistics.preference import Preference, preference
from analysis.statistics.ranktests import arm_differences, block_means, friedman
from annotation.protocols import REFERENCES

RANK = {"criterion": "rank", "name": "Rank given"}


def section(data: StudyData) -> dict[str, Any]:
    """``ranks`` (empty where sets aren't ranked), ``preference`` and tests of the arms."""
    if data.rankings is None:
        return {"ranks": [], "preference": [], **_tests(data, None)}
    return {
        "ranks": _ranks(data, data.rankings),
        "preference": _preference(data, data.rankings),
        **_tests(data, data.rankings),
    }


def _ranked_real(data: StudyData, rankings: pd.DataFrame) -> list[str]:
    """What was ranked and is no generator's: hidden real images, references."""
    hidden = [arm for arm in data.arms if arm not in data.made]
    return hidden + ([REFERENCES] if REFERENCES in set(rankings["arm"]) else [])


def _ranks(data: StudyData, rankings: pd.DataFrame) -> list[dict[str, Any]]:
    real = _ranked_real(data, rankings)
    arms = [*data.arms, *(arm for arm in real if arm not in data.arms)]
    means = data.means(_valued(rankings), arms)
    return [{"arm": arm, **asdict(means.mean(arm))} for arm in arms]


def _valued(rankings: pd.DataFrame) -> pd.DataFrame:
    return rankings.rename(columns={"rank": "value"})


def _preference(data: StudyData, rankings: pd.DataFrame) -> list[dict[str, Any]]:
    """Worths among generators, and with real images too where they were ranked."""
    fits = [_fit(data, rankings, data.made, real=False)]
    if real := _ranked_real(data, rankings):
        fits.append(_fit(data, rankings, [*data.made, *real], real=True))
    return fits


def _fit(data: StudyData, rankings: pd.DataFrame, arms: list[str], *, real: bool) -> dict[str, Any]:
    fit = preference(rankings, arms=arms, **data.exploring)
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


def _tests(data: StudyData, rankings: pd.DataFrame | None) -> dict[str, Any]:
    """Friedman over all arms and Wilcoxon of each two, of ranks and of every criterion."""
    wanted: list[tuple[dict[str, str], pd.DataFrame, int]] = [
        (data.named(c), data.criterion(c.key), -1) for c in data.criteria
    ]
    if rankings is not None:
        own = rankings[rankings["arm"].isin(data.arms)]
        wanted.insert(0, (RANK, _valued(own), 1))
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
