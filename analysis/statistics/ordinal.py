"""The mixed model's claim without taking scores for distances: a check, not a second claim.

Proportional odds (McCullagh 1980): the odds of a score above any limit are multiplied by the same
factor for each step of the metric. Arms and readers have effects of their own; what scores of a
pair of prompts have in common is left to the standard errors, which are a jackknife over pairs.
So there is no distribution of random effects to get wrong.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from analysis.statistics.estimate import Estimate, not_estimable
from analysis.statistics.mixed import (
    NOT_APART,
    by_student,
    metric_columns,
    model_rows,
    told_apart,
)

MAX_VALUES = 30


def ordinal_model(scores: pd.DataFrame, metric: pd.DataFrame, *, arms: Sequence) -> Estimate:
    """Log odds of a higher score per standard deviation of the metric within a prompt.

    Args:
        scores: Columns reader, case, pair, arm, value.
        metric: Columns pair, arm, value, and case where the metric has a value per case.
        arms: The arms compared.
    """
    rows, reason = model_rows(scores, metric, arms=arms)
    values, level = np.unique(rows["value"].to_numpy(dtype=float), return_inverse=True)
    size = {"pairs": rows["pair"].nunique(), "n": len(rows)}
    if not reason and len(values) > MAX_VALUES:
        reason = f"{len(values)} different scores: not a scale of at most {MAX_VALUES} values"
    if reason:
        return not_estimable(reason, **size)
    others = [
        (rows[column] == name).to_numpy(dtype=float)
        for column in ("arm", "reader")
        for name in sorted(rows[column].unique())[1:]
    ]
    x = np.column_stack([*metric_columns(rows), *others])
    if not told_apart(np.column_stack([x, np.ones(len(x))])):  # limits stand for a constant
        return not_estimable(NOT_APART, **size)
    found = fit_proportional_odds(x, level, blocks=rows["pair"].to_numpy())
    if found is None:
        return not_estimable("metric, arms or readers tell scores apart without error", **size)
    beta, error = found
    return by_student(float(beta[0]), float(error[0]), **size)


def fit_proportional_odds(
    x: np.ndarray, level: np.ndarray, *, blocks: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Coefficients of greatest likelihood and their errors; None where they run off to infinity.

    Errors are a jackknife that leaves out one block at a time, each by one Newton step.

    Args:
        x: Shape (n, p), without a constant.
        level: The place of each score among the values, 0 and up, each occurring.
        blocks: What is left out together.
    """
    _, block = np.unique(blocks, return_inverse=True)
    limits = level.max()
    share = np.bincount(level).cumsum()[:-1] / len(level)
    beta = np.r_[logit(share), np.zeros(x.shape[1])]
    ends = np.eye(limits + 2)[:, 1:-1]  # no limit below the lowest value, none above the highest
    upper, lower = (np.hstack([ends[level + k], -x]) for k in (1, 0))
    edges = (level < limits, level > 0)
    best = -np.inf
    for _ in range(100):
        likelihood, slope, curve = _derivatives(beta, upper, lower, edges)
        step = np.linalg.lstsq(curve.sum(axis=0), slope.sum(axis=0), rcond=None)[0]
        while _likelihood(beta + step, upper, lower, edges) < likelihood - 1e-9:
            step /= 2
            if np.abs(step).max() < 1e-12:
                break
        beta = beta + step
        if np.abs(step).max() < 1e-9 or likelihood - best < 1e-12 * abs(likelihood):
            break
        best = likelihood
    if np.abs(beta[limits:]).max() > 15:
        return None
    _, slope, curve = _derivatives(beta, upper, lower, edges)
    count = block.max() + 1
    own = np.zeros((count, *curve.shape[1:]))
    np.add.at(own, block, curve)
    pull = np.zeros((count, len(beta)))
    np.add.at(pull, block, slope)
    without = np.linalg.pinv(curve.sum(axis=0) - own, hermitian=True)
    away = np.einsum("gij,gj->gi", without, -pull)
    error = np.sqrt((count - 1) / count * ((away - away.mean(axis=0)) ** 2).sum(axis=0))
    return beta[limits:], error[limits:]


def _probabilities(beta, upper, lower, edges) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    above = np.where(edges[0], expit(upper @ beta), 1.0)
    below = np.where(edges[1], expit(lower @ beta), 0.0)
    return above, below, np.maximum(above - below, 1e-300)


def _likelihood(beta, upper, lower, edges) -> float:
    return float(np.log(_probabilities(beta, upper, lower, edges)[2]).sum())


def _derivatives(beta, upper, lower, edges) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, and of each row its slope and the negative of its second derivatives."""
    above, below, p = _probabilities(beta, upper, lower, edges)
    f, g = (v * (1 - v) for v in (above, below))
    slope = (f / p)[:, None] * upper - (g / p)[:, None] * lower
    bend = (f * (1 - 2 * above) / p)[:, None, None] * upper[:, :, None] * upper[:, None]
    bend -= (g * (1 - 2 * below) / p)[:, None, None] * lower[:, :, None] * lower[:, None]
    return float(np.log(p).sum()), slope, slope[:, :, None] * slope[:, None] - bend
