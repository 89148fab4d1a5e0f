"""Metrics on halves of image sets: how much of a metric is noise, and what real images score."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.measures import Group, Measurements
from analysis.metrics import METRICS
from analysis.metrics.registry import Finding, Metric
from generation.models import Image

SPLITS = 5
# From features alone; pixels would have to be read and compared anew.
PARTS = {"features", "real", "sets"}


def half_values(of: Measurements, metrics: Iterable[str], *, seed: int) -> dict[str, pd.DataFrame]:
    """By metric its values on two random halves of each set, several times.

    Columns pair, case (of metrics that have a value per case), arm, split, half, value; metrics
    that need more images than half a set has, or more than features, are left out.
    """
    found = {}
    for key in dict.fromkeys(metrics):
        metric = METRICS.get(key)
        if metric is None or metric.scope == "arm" or not set(metric.takes) <= PARTS:
            continue
        rows = [
            row for arm in of.images.arms if arm.generator for row in _halved(of, metric, arm, seed)
        ]
        if rows:
            found[key] = pd.DataFrame(rows)
    return found


def _halved(of: Measurements, metric: Metric, arm: Any, seed: int) -> list[dict[str, Any]]:
    pairs = {pair: number for number, pair in enumerate(of.images.pairs, 1)}
    rng = np.random.default_rng([seed, arm.position])
    rows = []
    for group in of.groups(arm)[metric.scope]:
        case = group.cases[0]
        where = {"pair": pairs[case.prompt.original.pk], "arm": str(arm)}
        if metric.scope != "pair":
            where["case"] = case.position
        for split in range(SPLITS):
            cut = [_two(images, rng) for images in group.sets]
            for half in (0, 1):
                part = replace(group, sets=[two[half] for two in cut])
                value = _value(of, metric, part)
                if value is None:
                    return []
                rows.append({**where, "split": split, "half": half, "value": value})
    return rows


def reference_values(of: Measurements, metrics: Iterable[str], *, seed: int) -> pd.DataFrame:
    """What real images of a pair score, one half as a set against the other: metric, pair, value.

    Against themselves they would be perfect by construction.
    """
    rows = []
    for key in dict.fromkeys(metrics):
        metric = METRICS.get(key)
        if metric is None or metric.scope == "arm" or not set(metric.takes) <= PARTS:
            continue
        for number, pair in enumerate(of.images.pairs, 1):
            images = of.images.real.get(pair, [])
            rng = np.random.default_rng([seed, number])
            values = [_against(of, metric, pair, _two(images, rng)) for _ in range(SPLITS)]
            known = [v for v in values if v is not None]
            if known:
                rows.append({"metric": key, "pair": number, "value": float(np.mean(known))})
    return pd.DataFrame(rows, columns=["metric", "pair", "value"])


def _against(
    of: Measurements, metric: Metric, pair: int, halves: tuple[Sequence[Image], Sequence[Image]]
) -> float | None:
    one, other = halves
    sets = [one, other] if metric.scope == "pair" else [one]
    group = Group(of.images.arms[0], of.images.pairs[pair][:1], sets, other)
    return _value(of, metric, group)


def _two(images: Sequence[Image], rng: np.random.Generator) -> tuple[list[Image], list[Image]]:
    order = [images[i] for i in rng.permutation(len(images))]
    middle = len(order) // 2
    return order[:middle], order[middle : 2 * middle]


def _value(of: Measurements, metric: Metric, group: Group) -> float | None:
    if any(len(images) < metric.least for images in group.sets):
        return None
    try:
        found = metric.function(*(of.part(name, group) for name in metric.takes))
    except ValueError:
        return None
    value = found.value if isinstance(found, Finding) else float(np.mean(found))
    return float(value) if np.isfinite(value) else None
