"""What readers are like: agreement, habits, order, attention, remarks."""

from dataclasses import asdict
from typing import Any

from analysis.results.data import StudyData
from analysis.statistics.agreement import intraclass, mean_kendall_w, self_agreement
from analysis.statistics.alpha import krippendorff_alpha
from analysis.statistics.estimate import not_estimable
from analysis.statistics.habits import order_effect, reader_habits
from analysis.statistics.kappa import reader_pairs
from annotation.protocols import REFERENCES

# What order may do to scores: a column of a frame, by its name on the page.
ORDERS = {
    "place": "the set's place on the page",
    "position": "the case's place in the sitting",
    "minutes": "minutes at work on the case",
}


def section(data: StudyData) -> dict[str, Any]:
    return {
        "readers": _agreement(data),
        "habits": [
            data.named(c, **asdict(habits))
            for c in data.criteria
            for habits in reader_habits(
                data.criterion(c.key),
                scale=(c.minimum, c.maximum) if data.scaled else None,
                **data.exploring,
            )
        ],
        "orders": _orders(data),
        "reader_pairs": [
            data.named(c, **asdict(two))
            for c in data.criteria
            for two in reader_pairs(data.criterion(c.key), **data.exploring)
        ],
        "attention": list(data.readers),
        "flags": _flags(data),
    }


def _agreement(data: StudyData) -> dict[str, Any]:
    rows, own = [], []
    for criterion in data.criteria:
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
        if data.repeats is not None:
            twice = data.criterion(criterion.key, data.repeats)
            own.append(data.named(criterion, **asdict(self_agreement(twice, **data.options))))
    w, count = not_estimable("sets were not ranked"), 0
    if data.rankings is not None:
        ranked = data.rankings[data.rankings["arm"] != REFERENCES]
        w, count = mean_kendall_w(ranked, **data.options), int(ranked["reader"].nunique())
    return {
        "icc": rows,
        "self": own,
        "kendall_w": asdict(w),
        "kendall_w_by_chance": 1 / count if count else None,
    }


def _orders(data: StudyData) -> list[dict[str, Any]]:
    """Points of score for each place further on, where it is known."""
    rows = []
    for criterion in data.criteria:
        scores = data.criterion(criterion.key)
        if data.together:
            places = [ord(letter) - ord("A") + 1 for letter in scores["letter"]]
            scores = scores.assign(place=places)
        rows += [
            data.named(
                criterion,
                order=order,
                **asdict(order_effect(scores, by=order, **data.exploring)),
            )
            for order in ORDERS
            if order in scores
        ]
    return rows


def _flags(data: StudyData) -> list[dict[str, Any]]:
    """How many images of each arm were flagged, by reason."""
    frame = data.flags.assign(arm=data.flags["arm"].replace("", REFERENCES))
    counts = frame.groupby(["arm", "reason"])["sha256"].agg(["size", "nunique"])
    return [
        {"arm": arm, "reason": reason, "flags": int(row["size"]), "images": int(row["nunique"])}
        for (arm, reason), row in counts.iterrows()
    ]
