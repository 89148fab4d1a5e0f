"""The claims again in other ways: models with every score, and without the noise of either side.

Each checks what a claim rests on; none of them is a claim.
"""

from dataclasses import asdict
from typing import Any

from analysis.results.data import StudyData
from analysis.statistics.estimate import not_estimable
from analysis.statistics.mixed import mixed_model
from analysis.statistics.ordinal import ordinal_model
from analysis.statistics.reliability import Reliability, reliability
from annotation.protocols.plan import Claim

NO_HALVES = "its values on halves of the sets aren't known"


def section(data: StudyData) -> dict[str, Any]:
    """``models``: a row a claim."""
    return {"models": [_checked(data, claim) for claim in data.claims]}


def _checked(data: StudyData, claim: Claim) -> dict[str, Any]:
    names = {criterion.key: criterion.name for criterion in data.criteria}
    metric = data.described.get(claim.metric)
    named = {
        "metric": claim.metric,
        "metric_name": metric.name if metric else claim.metric,
        "criterion": claim.criterion,
        "name": names.get(claim.criterion, claim.criterion),
    }
    scores, values = data.criterion(claim.criterion), data.metrics.get(claim.metric)
    if scores.empty or values is None or values.empty:
        reason = "no scores" if scores.empty else data.reasons.get(claim.metric, "no values")
        missing = asdict(not_estimable(reason))
        keys = ("within", "between", "odds", "score_reliability", "metric_reliability", "noiseless")
        return named | dict.fromkeys(keys, missing) | {"sd": {}}
    mixed = mixed_model(scores, values, arms=data.made)
    noise = _reliability(data, claim)
    return named | {
        "within": asdict(mixed.within),
        "between": asdict(mixed.between),
        "sd": mixed.sd,
        "odds": asdict(ordinal_model(scores, values, arms=data.made)),
        "score_reliability": asdict(noise.scores),
        "metric_reliability": asdict(noise.metric),
        "noiseless": asdict(noise.correlation),
    }


def _reliability(data: StudyData, claim: Claim) -> Reliability:
    halves = data.halves.get(claim.metric)
    if halves is None or halves.empty:
        missing = not_estimable(NO_HALVES)
        return Reliability(missing, missing, missing)
    try:
        joined = data.joined(claim.metric, claim.criterion, **data.exploring)
    except ValueError as error:
        missing = not_estimable(str(error))
        return Reliability(missing, missing, missing)
    return reliability(joined, data.criterion(claim.criterion), halves, **data.exploring)
