"""What readers are like: agreement, habits, order, attention, remarks."""

from collections import Counter
from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.dataset import REFERENCES
from analysis.remarks import activity_frame, comment_frame, flag_frame
from analysis.results.data import StudyData
from analysis.statistics.agreement import intraclass, mean_kendall_w, self_agreement
from analysis.statistics.alpha import krippendorff_alpha
from analysis.statistics.estimate import not_estimable
from analysis.statistics.habits import order_effect, reader_habits
from analysis.statistics.kappa import reader_pairs
from annotation.models import Reader, Reading
from annotation.readings import attentive

# What order may do to scores: a column of a frame, by its name on the page.
ORDERS = {"place": "the set's place on the page", "position": "the case's place in the sitting"}


def section(data: StudyData) -> dict[str, Any]:
    return {
        "readers": _agreement(data),
        "habits": [
            data.named(c, **asdict(habits))
            for c in data.protocol.rated
            for habits in reader_habits(
                data.criterion(c.key), minimum=c.minimum, maximum=c.maximum, **data.exploring
            )
        ],
        "orders": _orders(data),
        "reader_pairs": [
            data.named(c, **asdict(two))
            for c in data.protocol.rated
            for two in reader_pairs(data.criterion(c.key), **data.exploring)
        ],
        "attention": _attention(data),
        "flags": _flags(data),
    }


def _agreement(data: StudyData) -> dict[str, Any]:
    rows, own = [], []
    for criterion in data.protocol.rated:
        scores = data.criterion(criterion.key)
        found = intraclass(scores, **data.options)
        rows.append(
            data.named(
                criterion,
                readers=found.readers,
                single=asdict(found.single),
                average=asdict(found.average),
                alpha=asdict(krippendorff_alpha(scores, **data.exploring)),
            )
        )
        if data.protocol.repeats:
            twice = data.criterion(criterion.key, data.repeats)
            own.append(data.named(criterion, **asdict(self_agreement(twice, **data.options))))
    ranked = data.rankings[data.rankings["arm"] != REFERENCES]
    count = int(ranked["reader"].nunique())
    w = (
        mean_kendall_w(ranked, **data.options)
        if data.protocol.ranking
        else not_estimable("the protocol asks for no ranking")
    )
    return {
        "icc": rows,
        "self": own,
        "kendall_w": asdict(w),
        "kendall_w_by_chance": 1 / count if count else None,
    }


def _orders(data: StudyData) -> list[dict[str, Any]]:
    """Points of score for each place further on; sets that stand alone have no place on a page."""
    rows = []
    for criterion in data.protocol.rated:
        scores = data.criterion(criterion.key)
        scores = scores.assign(place=[ord(letter) - ord("A") + 1 for letter in scores["letter"]])
        rows += [
            data.named(
                criterion,
                order=order,
                **asdict(order_effect(scores, by=order, **data.exploring)),
            )
            for order in ORDERS
            if order != "place" or data.protocol.together
        ]
    return rows


def _attention(data: StudyData) -> list[dict[str, Any]]:
    """A row per reader: how far, attention checks, remarks, and time at work."""
    members = data.study.readers.exclude(state=Reader.State.REVOKED)
    comments, flags = (
        Counter(frame["reader"]) for frame in (comment_frame(data.study), flag_frame(data.study))
    )
    seconds = _seconds(data)
    rows = []
    for reader in members:
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
                "flags": flags[reader.pseudonym],
                "seconds": None if own is None else float(own.median()),
                "timed": 0 if own is None else len(own),
            }
        )
    return rows


def _seconds(data: StudyData) -> dict[str, pd.Series]:
    """By reader the seconds at work on each case, where the pages reported any."""
    acts = activity_frame(data.study)
    acts = acts[(acts["act"] == "active") & (acts["reading"] == Reading.Kind.CASE)]
    spent = acts.assign(seconds=[float(d.get("seconds", 0)) for d in acts["detail"]])
    by_case = spent.groupby(["reader", "case"])["seconds"].sum()
    return {str(reader): own for reader, own in by_case.groupby(level="reader")}


def _flags(data: StudyData) -> list[dict[str, Any]]:
    """How many images of each arm were flagged, by reason."""
    frame = flag_frame(data.study)
    frame = frame.assign(arm=frame["arm"].replace("", REFERENCES))
    counts = frame.groupby(["arm", "reason"])["sha256"].agg(["size", "nunique"])
    return [
        {"arm": arm, "reason": reason, "flags": int(row["size"]), "images": int(row["nunique"])}
        for (arm, reason), row in counts.iterrows()
    ]
