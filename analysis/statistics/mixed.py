"""A linear mixed model of scores: arms, and the metric within and between prompts.

score ~ arm + metric within + metric between, with random effects of the pair of prompts, the case,
the pair under an arm, the set, and the reader, as far as the design tells them apart. The set's
keeps readers of one set from counting as so many sets; without the pair's under an arm a prompt
and its rephrasing would. Uses every score there is: no reading need be complete.

Restricted maximum likelihood (Patterson & Thompson 1971, doi 10.1093/biomet/58.3.545). All random
effects but the reader's lie within a pair, so the covariance is block-diagonal plus readers:
O(pairs · scores of a pair³) a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import t

from analysis.statistics import MIN_PAIRS
from analysis.statistics.estimate import Estimate, few_pairs, not_estimable

NOT_APART = "prompts, arms and metric can't be told apart in so few scores"


@dataclass(frozen=True)
class MixedModel:
    """Effects in points of score; those of the metric per standard deviation of it over all sets.

    Attributes:
        within: Of the set's value less its prompt's mean over the arms: beyond prompt and arm.
        between: Of the prompt's mean over the arms.
        arms: Of each arm, less the first one's.
        sd: Standard deviations of the random effects and of what is left ("score").
    """

    within: Estimate
    between: Estimate
    arms: dict
    sd: dict[str, float]


@dataclass(frozen=True)
class Fit:
    """Coefficients with their covariance, and standard deviations by the effect's name."""

    beta: np.ndarray
    covariance: np.ndarray
    sd: dict[str, float]


def mixed_model(scores: pd.DataFrame, metric: pd.DataFrame, *, arms: Sequence) -> MixedModel:
    """Fit one criterion and one metric; intervals and p by Student's t with pairs − 1 degrees.

    That is on the safe side for `within`, which has more.

    Args:
        scores: Columns reader, case, pair, arm, value.
        metric: Columns pair, arm, value, and case where the metric has a value per case.
        arms: The arms compared.
    """
    rows, reason = model_rows(scores, metric, arms=arms)
    pairs, used = rows["pair"].nunique(), [a for a in arms if a in set(rows["arm"])]
    if reason:
        missing = not_estimable(reason, pairs=pairs, n=len(rows))
        return MixedModel(missing, missing, dict.fromkeys(used[1:], missing), {})
    columns = metric_columns(rows)
    dummies = [(rows["arm"] == arm).to_numpy(dtype=float) for arm in used]
    size = {"pairs": pairs, "n": len(rows)}
    x = np.column_stack([*columns, *dummies])
    if not told_apart(x):
        missing = not_estimable(NOT_APART, **size)
        return MixedModel(missing, missing, dict.fromkeys(used[1:], missing), {})
    fit = fit_reml(
        x,
        rows["value"].to_numpy(dtype=float),
        blocks=rows["pair"].to_numpy(),
        nested=_nested(rows),
        crossed=_levels(rows[["reader"]]) if rows["reader"].nunique() > 1 else None,
    )
    if fit.sd["score"] <= 1e-9 * rows["value"].std():
        missing = not_estimable("the model explains scores without error to judge by", **size)
        return MixedModel(missing, missing, dict.fromkeys(used[1:], missing), {})

    def effect(contrast: np.ndarray) -> Estimate:
        error = np.sqrt(contrast @ fit.covariance @ contrast)
        return by_student(float(contrast @ fit.beta), float(error), **size)

    unit = np.eye(len(fit.beta))
    first = len(columns)
    alike = not_estimable("the metric is the same in all prompts", **size)
    return MixedModel(
        effect(unit[0]),
        effect(unit[1]) if first > 1 else alike,
        {arm: effect(unit[first + i] - unit[first]) for i, arm in enumerate(used) if i},
        fit.sd,
    )


def model_rows(
    scores: pd.DataFrame, metric: pd.DataFrame, *, arms: Sequence
) -> tuple[pd.DataFrame, str]:
    """Scores with the metric ``within`` and ``between`` prompts, in its standard deviations.

    And the reason why no model can be fitted to them, or "".
    """
    key = ["case", "arm"] if "case" in metric else ["pair", "arm"]
    values = metric[metric["arm"].isin(list(arms))].dropna(subset="value")
    spread = float(values["value"].std(ddof=0)) if len(values) else 0.0
    spread = spread if spread > 1e-9 * values["value"].abs().max() else 0.0
    scaled = values["value"] / (spread or 1.0)
    mean = scaled.groupby(values[key[0]]).transform("mean")
    values = values.assign(within=scaled - mean, between=mean - mean.mean())
    rows = scores.dropna(subset="value").merge(values[[*key, "within", "between"]], on=key)
    return rows, _why_not(rows, rows["arm"].nunique(), rows["pair"].nunique())


def metric_columns(rows: pd.DataFrame) -> list[pd.Series]:
    """Within, and between where it varies; else it would have no coefficient."""
    varies = np.ptp(rows["between"].to_numpy()) > 1e-9
    return [rows["within"], *([rows["between"]] if varies else [])]


def by_student(value: float, error: float, *, pairs: int, n: int) -> Estimate:
    """Interval and p by Student's t with pairs − 1 degrees of freedom."""
    half = float(t.ppf(0.975, pairs - 1)) * error
    p = float(2 * t.sf(abs(value) / error, pairs - 1))
    return Estimate(value, value - half, value + half, p, pairs=pairs, n=n)


def _why_not(rows: pd.DataFrame, arms: int, pairs: int) -> str:
    if rows.empty:
        return "no scores of sets with a value of the metric"
    if arms < 2:
        return "one arm: nothing to compare within a prompt"
    if pairs < MIN_PAIRS:
        return few_pairs(pairs)
    if rows["value"].nunique() < 2:
        return "the scores don't vary"
    if np.ptp(rows["within"].to_numpy()) <= 1e-9:
        return "the metric doesn't vary within a prompt"
    beyond = rows["within"] - rows.groupby("arm")["within"].transform("mean")
    if np.ptp(beyond.to_numpy()) <= 1e-9:
        return "the metric doesn't vary beyond prompt and arm"
    return ""


def told_apart(x: np.ndarray) -> bool:
    """Whether no column is made up of others, so that each has a coefficient of its own."""
    return bool(np.linalg.matrix_rank(x) == x.shape[1])


def _nested(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Levels of the random effects within a pair that the scores can tell apart."""
    cases = rows.drop_duplicates("case")["pair"].duplicated().any()
    shared = rows.duplicated(["case", "arm"]).any()
    effects = {"pair": ["pair"]}
    if cases:
        effects |= {"case": ["case"], "pair under an arm": ["pair", "arm"]}
    if shared:
        effects["set"] = ["case", "arm"]
    return {name: _levels(rows[columns]) for name, columns in effects.items()}


def _levels(columns: pd.DataFrame) -> np.ndarray:
    return columns.groupby(list(columns.columns), sort=True).ngroup().to_numpy()


def fit_reml(
    x: np.ndarray,
    y: np.ndarray,
    *,
    blocks: np.ndarray,
    nested: dict[str, np.ndarray],
    crossed: np.ndarray | None = None,
) -> Fit:
    """Restricted maximum likelihood of y = x·β + random effects + what is left.

    Args:
        x: Fixed effects (n, p), of full column rank.
        y: Shape (n,).
        blocks: Rows of different blocks share no nested effect.
        nested: The level of each row, for each random effect within the blocks.
        crossed: The level of each row of one random effect across the blocks ("reader").
    """
    design = _Blocks.of(x, y, blocks, nested, crossed)
    names = [*nested, *(["reader"] if crossed is not None else [])]
    # Variances over the residual one, as log(1 + v): evenly spread, and steep at 0, where a search
    # in standard deviations would get stuck.
    found = minimize(
        lambda logs: design.deviance(np.expm1(logs)),
        np.full(len(names), 0.25),
        method="L-BFGS-B",
        bounds=[(0, 14)] * len(names),
        options={"ftol": 1e-13, "gtol": 1e-7},
    )
    ratios = np.expm1(found.x)
    beta, inverse, residual, _ = design.solve(ratios)
    sd = dict(zip(names, np.sqrt(ratios * residual).tolist(), strict=True))
    return Fit(beta, inverse * residual, sd | {"score": float(np.sqrt(residual))})


@dataclass(frozen=True)
class _Blocks:
    """Rows by block, padded to one length so that all blocks are solved at once."""

    rows: np.ndarray  # (blocks, m, p + 1 + readers): x, y, readers; 0 where padded
    alike: np.ndarray  # (effects, blocks, m, m): whether two rows share a level
    n: int
    p: int

    @classmethod
    def of(cls, x, y, blocks, nested, crossed) -> "_Blocks":
        _, block, size = np.unique(blocks, return_inverse=True, return_counts=True)
        order = np.argsort(block, kind="stable")
        place = np.arange(len(y)) - np.repeat(size.cumsum() - size, size)
        at = (block[order], place)
        columns = [x, y[:, None]]
        if crossed is not None:
            columns.append(np.eye(crossed.max() + 1)[crossed])
        joined = np.hstack(columns)[order]
        rows = np.zeros((len(size), size.max(), joined.shape[1]))
        rows[at] = joined
        alike = np.zeros((len(nested), len(size), size.max(), size.max()))
        for i, levels in enumerate(nested.values()):
            level = np.full(rows.shape[:2], -1)
            level[at] = levels[order]
            alike[i] = (level[:, :, None] == level[:, None]) & (level >= 0)[:, None]
        return cls(rows, alike, len(y), x.shape[1])

    def solve(self, ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
        """β, (xᵀH⁻¹x)⁻¹, the residual variance, log|H| + log|xᵀH⁻¹x|; H is the covariance over it.

        Args:
            ratios: Variances of the random effects over the residual one.
        """
        nested = len(self.alike)
        h = np.tensordot(ratios[:nested], self.alike, axes=1) + np.eye(self.rows.shape[1])
        # Padded rows are zero but for the 1 on the diagonal: they add nothing.
        lower = np.linalg.cholesky(h)
        white = np.linalg.solve(lower, self.rows)
        gram = np.einsum("bmi,bmj->ij", white, white)
        log_det = 2 * np.log(np.einsum("bmm->bm", lower)).sum()
        p, readers = self.p, gram.shape[0] - self.p - 1
        if readers:  # Woodbury: readers cross all blocks
            z = np.sqrt(ratios[-1]) * gram[p + 1 :]
            inner = np.eye(readers) + np.sqrt(ratios[-1]) * z[:, p + 1 :]
            gram = gram[: p + 1, : p + 1] - z[:, : p + 1].T @ np.linalg.solve(inner, z[:, : p + 1])
            log_det += np.linalg.slogdet(inner)[1]
        inverse = np.linalg.inv(gram[:p, :p])
        beta = inverse @ gram[:p, p]
        residual = max(0.0, (gram[p, p] - beta @ gram[:p, p]) / (self.n - p))
        return beta, inverse, float(residual), log_det + np.linalg.slogdet(gram[:p, :p])[1]

    def deviance(self, ratios: np.ndarray) -> float:
        """−2 log restricted likelihood, up to a constant."""
        _, _, residual, log_det = self.solve(ratios)
        return float((self.n - self.p) * np.log(max(residual, 1e-300)) + log_det)
