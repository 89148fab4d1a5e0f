"""Do arms differ? Friedman's test, then Wilcoxon's of each two with Holm; Nemenyi's diagram.

A block is a pair of prompts: its arms' means over readers and cases, so that blocks are
independent of each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, norm, rankdata, studentized_range, wilcoxon

from analysis.statistics import MIN_PAIRS
from analysis.statistics.estimate import Estimate, few_pairs, not_estimable
from analysis.statistics.panel import Panel, group_means
from analysis.statistics.resampling import holm, sign_flips

EXACT = 13  # pairs; of more, SciPy's distribution serves


@dataclass(frozen=True)
class ArmTest:
    """Friedman's test over all arms.

    Attributes:
        chi2: Friedman's statistic, corrected for ties; None when not estimable.
        mean_ranks: One an arm, 1 is the lowest value.
        critical_difference: Mean ranks further apart than this differ (Nemenyi 1963), at 5 %.
    """

    chi2: float | None
    p: float | None
    mean_ranks: tuple[float, ...]
    critical_difference: float | None
    pairs: int
    reason: str = ""


@dataclass(frozen=True)
class ArmDifference:
    """Two arms: the median of all means of two differences (Hodges–Lehmann), and Holm's p."""

    arm: str
    other: str
    difference: Estimate
    p_holm: float | None


def block_means(scores: pd.DataFrame, *, arms: Sequence) -> np.ndarray:
    """Means (pairs, arms) over readings in which every arm was scored.

    Args:
        scores: Columns reader, case, pair, kind, arm, value.
    """
    if scores.empty:
        return np.empty((0, len(arms)))
    panel = Panel.from_frame(scores, arms=arms).complete_readings()
    ids, member = np.unique(panel.pairs, return_inverse=True)
    means = group_means(panel.cell_means(), member, len(ids))[0]
    return means[np.isfinite(means).all(axis=1)]


def friedman(blocks: np.ndarray) -> ArmTest:
    """Friedman's test of (pairs, arms), by χ² with ties corrected (Conover 1999, section 5.8)."""
    n, arms = blocks.shape
    reason = why_not(blocks)
    if reason or arms < 3:
        return ArmTest(None, None, (), None, n, reason or "two arms: see their difference")
    ranks = rankdata(blocks, axis=1)
    found = friedmanchisquare(*blocks.T)
    return ArmTest(
        float(found.statistic),
        float(found.pvalue),
        tuple(float(r) for r in ranks.mean(axis=0)),
        critical_difference(arms, n),
        n,
    )


def critical_difference(arms: int, blocks: int, *, level: float = 0.05) -> float:
    """Nemenyi's least difference of mean ranks that is significant (Demšar 2006, section 3.2.2)."""
    quantile = studentized_range.ppf(1 - level, arms, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(arms * (arms + 1) / (6 * blocks)))


def arm_differences(blocks: np.ndarray, *, arms: Sequence) -> list[ArmDifference]:
    """Every two arms: Wilcoxon's signed-rank test over pairs, adjusted by Holm.

    The interval of a difference is that of the test turned round, and not adjusted.
    """
    twos = list(combinations(range(len(arms)), 2))
    reason = why_not(blocks)
    found = [
        not_estimable(reason, pairs=len(blocks), n=len(blocks))
        if reason
        else _signed_rank(blocks[:, i] - blocks[:, j])
        for i, j in twos
    ]
    adjusted = holm([estimate.p for estimate in found])
    return [
        ArmDifference(arms[i], arms[j], estimate, p)
        for (i, j), estimate, p in zip(twos, found, adjusted, strict=True)
    ]


def why_not(blocks: np.ndarray) -> str:
    if blocks.shape[1] < 2:
        return "one arm: nothing to compare"
    if len(blocks) < MIN_PAIRS:
        return few_pairs(len(blocks), " with all arms scored")
    return "all arms are scored alike" if not np.ptp(blocks, axis=1).any() else ""


def _signed_rank(differences: np.ndarray) -> Estimate:
    n = len(differences)
    i, j = np.triu_indices(n)
    walsh = np.sort((differences[i] + differences[j]) / 2)
    # How many of the means of two lie outside on each side, by the normal approximation.
    outside = n * (n + 1) / 4 - norm.ppf(0.975) * np.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    k = int(np.floor(outside))
    low, high = (float(walsh[k]), float(walsh[-1 - k])) if k >= 0 else (None, None)
    p = _signed_rank_p(differences) if differences.any() else 1.0
    reason = "" if k >= 0 else f"no interval: {n} pairs or single cases are too few for 95 %"
    return Estimate(float(np.median(walsh)), low, high, p, pairs=n, n=n, reason=reason)


def _signed_rank_p(differences: np.ndarray) -> float:
    """Two-sided, zeros as Pratt; exact with ties too while there are few pairs."""
    n = len(differences)
    if n > EXACT:
        return float(wilcoxon(differences, zero_method="pratt").pvalue)
    ranks = np.where(differences == 0, 0, rankdata(np.abs(differences)))
    flips = sign_flips(n, resamples=2**EXACT, rng=np.random.default_rng(0))
    observed = abs(float(np.sign(differences) @ ranks))
    return float((np.abs(flips @ ranks) >= observed - 1e-9).mean())
