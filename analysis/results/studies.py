"""From the rows of a study and its measurements to what a report starts from."""

from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from analysis.dataset import case_frame, guess_frame, ranking_frame, repeat_frame, score_frame
from analysis.halves import half_values, reference_values
from analysis.measures import Measurements
from analysis.metrics import METRICS
from analysis.remarks import activity_frame, comment_frame, flag_frame
from analysis.results.data import CELL, ArmValue, StudyData
from analysis.study_words import departures, design_lines
from annotation.models import Reader, Reading, Study
from annotation.plan_words import plan_lines
from annotation.protocols import Protocol, load_protocol
from annotation.protocols.plan import AnalysisPlan
from annotation.readings import attentive

# What a protocol without a plan is asked, as far as it has the criteria: the paper's claims.
PAPER = load_protocol("prompt-to-polyp").plan


def study_data(
    study: Study, measurements: Measurements, *, embedder: str, resamples: int, seed: int
) -> StudyData:
    """A study's answers beside the values of every registered metric."""
    protocol, arms = study.protocol, measurements.images.arms
    plan = protocol.plan or _unplanned(protocol)
    named = [claim.metric for claim in plan.claims]
    cases, given, ranked = case_frame(study), score_frame(study), ranking_frame(study)
    once = given[~given["repeat"]]
    valued = given[~given["not_applicable"]].astype({"score": float})
    flags, seconds = flag_frame(study), _seconds(study)
    return StudyData(
        arms=[str(arm) for arm in arms],
        made=[str(arm) for arm in arms if arm.generator],
        criteria=protocol.rated,
        claims=plan.claims,
        leading=protocol.criterion(plan.leading),
        alpha=plan.alpha,
        primary=plan.primary,
        planned=protocol.plan is not None,
        plan=plan_lines(protocol),
        design=design_lines(study),
        departures=departures(study, embedder=embedder, resamples=resamples, seed=seed),
        beside=once[once["not_applicable"]],
        halves=half_values(measurements, named, seed=seed),
        references=reference_values(
            measurements, named if protocol.rank_references else [], seed=seed
        ),
        options={"resamples": resamples, "seed": seed},
        cases=cases,
        scores=_with_minutes(valued[~valued["repeat"]], seconds),
        not_applicable=int(once["not_applicable"].sum()),
        repeats=repeat_frame(valued) if protocol.repeats else None,
        rankings=ranked[~ranked["repeat"]] if protocol.ranking else None,
        guesses=guess_frame(study) if protocol.guess else None,
        flags=flags,
        together=protocol.together,
        readers=_readers(study, flags, seconds),
        counts=_counts(study, measurements),
        expected=_expected(study, measurements),
        described=METRICS,
        metrics=_metric_frames(measurements, cases),
        arm_values=[
            ArmValue(
                metric=v.metric, arm=str(v.arm), value=v.value, images=v.n,
                low=v.low, high=v.high, rows=v.rows,
            )
            for v in measurements.values
            if not v.case
        ],
        reasons=measurements.reasons,
        floor=measurements.paper_floor(seed=seed),
        floors=[asdict(floor) for floor in measurements.floors(seed=seed)],
        image_differences=measurements.images.differences(),
    )  # fmt: skip


def _unplanned(protocol: Protocol) -> AnalysisPlan:
    """The paper's claims on the criteria that the protocol has."""
    assert PAPER
    rated = [criterion.key for criterion in protocol.rated]
    claims = tuple(claim for claim in PAPER.claims if claim.criterion in rated)
    leading = PAPER.leading if PAPER.leading in rated else rated[0]
    return replace(PAPER, leading=leading, claims=claims)


def _counts(study: Study, measurements: Measurements) -> dict[str, int]:
    readers = study.readers.exclude(state=Reader.State.REVOKED)
    readings = Reading.objects.filter(reader__in=readers, kind=Reading.Kind.CASE)
    return {
        "images_per_set": study.protocol.images_per_set,
        "images": len(measurements.images.all()),
        "readers": readers.count(),
        "readers_revoked": study.readers.count() - readers.count(),
        "readings": readings.count(),
        "readings_submitted": readings.exclude(submitted_at=None).count(),
    }


def _expected(study: Study, measurements: Measurements) -> dict[tuple[str, str], int]:
    readers = study.readers.exclude(state=Reader.State.REVOKED).count()
    sets = Counter(arm for _, arm in measurements.images.generated)
    return {
        (criterion.key, str(arm)): readers * sets[arm.pk]
        for criterion in study.protocol.rated
        for arm in measurements.images.arms
    }


def _metric_frames(measurements: Measurements, cases: pd.DataFrame) -> dict[str, pd.DataFrame]:
    rows = [
        {"metric": v.metric, "case": v.case.position, "arm": str(v.arm), "value": v.value}
        for v in measurements.values
        if v.case
    ]
    frame = pd.DataFrame(rows, columns=["metric", "case", "arm", "value"])
    frame = frame.merge(cases, on="case", how="left")
    frames = {m: frame[frame["metric"] == m][[*CELL, "value"]] for m in METRICS}
    return {
        m: f.drop(columns="case") if METRICS[m].scope == "pair" else f for m, f in frames.items()
    }


def _readers(
    study: Study, flags: pd.DataFrame, seconds: dict[str, pd.Series]
) -> list[dict[str, Any]]:
    """A row per reader: how far, attention checks, remarks, and time at work."""
    comments, flagged = (Counter(frame["reader"]) for frame in (comment_frame(study), flags))
    rows = []
    for reader in study.readers.exclude(state=Reader.State.REVOKED):
        cases = reader.readings.filter(kind=Reading.Kind.CASE)
        checks = list(reader.readings.filter(kind=Reading.Kind.CHECK))
        passed = [attentive(check) for check in checks]
        own = seconds.get(reader.pseudonym)
        rows.append(
            {
                "reader": reader.pseudonym,
                "cases": cases.count(),
                "submitted": cases.exclude(submitted_at=None).count(),
                "checks": len(checks),
                "checks_passed": passed.count(True),
                "checks_open": passed.count(None),
                "comments": comments[reader.pseudonym],
                "flags": flagged[reader.pseudonym],
                "seconds": None if own is None else float(own.median()),
                "timed": 0 if own is None else len(own),
            }
        )
    return rows


def _with_minutes(scores: pd.DataFrame, seconds: dict[str, pd.Series]) -> pd.DataFrame:
    """With the minutes at work on each case, where the pages reported any."""
    if not seconds:
        return scores
    spent = pd.concat(seconds.values()).rename("minutes") / 60
    return scores.join(spent, on=["reader", "case"])


def _seconds(study: Study) -> dict[str, pd.Series]:
    """By reader the seconds at work on each case, where the pages reported any."""
    acts = activity_frame(study)
    acts = acts[(acts["act"] == "active") & (acts["reading"] == Reading.Kind.CASE)]
    spent = acts.assign(seconds=[float(d.get("seconds", 0)) for d in acts["detail"]])
    by_case = spent.groupby(["reader", "case"])["seconds"].sum()
    return {str(reader): own for reader, own in by_case.groupby(level="reader")}
