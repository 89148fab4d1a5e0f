"""Which arm readers prefer: worths of a Plackett–Luce model with ties, from rankings.

The model is Davidson's for two items with ties, carried on to rankings of more by Turner et al.
(2020, doi 10.1007/s00180-020-00959-3): the best tier C of a set is chosen with a weight of
δ_|C| · (Π worths of C)^(1/|C|), then the best of what is left, and so on. Without ties this is
Plackett–Luce as in Hunter (2004, doi 10.1214/aos/1079120141).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import expit

from analysis.statistics import MIN_PAIRS, MIN_READERS
from analysis.statistics.estimate import Estimate, few_pairs, not_estimable, with_interval
from analysis.statistics.resampling import cluster_counts, unit_counts

MAX_ARMS = 10  # with ties; every tier that could be chosen is weighed
# Half a win and half a loss against an arm of middling worth.
PSEUDO = 0.5


@dataclass(frozen=True)
class Preference:
    """Log-worths (centred) of the arms and their bootstrap draws.

    Attributes:
        regularised: The rankings alone set no finite worths (an arm never loses, or never wins, or
            a kind of tie always or never occurs), so each arm got half a win and half a loss.
        ties: Share of choices of a best tier that were ties, 0 to 1.
        rankings: How many entered.
    """

    arms: tuple
    log_worths: np.ndarray  # (arms,)
    draws: np.ndarray  # (resamples, arms)
    regularised: bool
    ties: float
    rankings: int
    pairs: int
    clusters: int
    reason: str = ""

    def worth(self, arm) -> Estimate:
        """Chance that this arm is the best of all, ties aside; the worths of all sum to 1."""
        if self.reason:
            return not_estimable(self.reason, pairs=self.pairs, n=self.rankings)
        i = self.arms.index(arm)
        return self._estimate(_softmax(self.log_worths[None])[0, i], _softmax(self.draws)[:, i])

    def over(self, arm, other) -> Estimate:
        """Chance that `arm` is preferred to `other`, ties aside: 0.5 is no preference."""
        if self.reason:
            return not_estimable(self.reason, pairs=self.pairs, n=self.rankings)
        i, j = self.arms.index(arm), self.arms.index(other)
        draws = expit(self.draws[:, i] - self.draws[:, j])
        return self._estimate(expit(self.log_worths[i] - self.log_worths[j]), draws)

    def _estimate(self, value: float, draws: np.ndarray) -> Estimate:
        return with_interval(
            value, draws, clusters=self.clusters, pairs=self.pairs, n=self.rankings
        )


def preference(
    rankings: pd.DataFrame, *, arms: Sequence, resamples: int = 2000, seed: int = 0
) -> Preference:
    """Fit the rankings of `arms`: leave real images out of `arms` for the preference without them.

    Pairs are resampled as wholes, readers too where there are at least 5.

    Args:
        rankings: Columns reader, case, pair, arm, rank (1 is best, ties share a rank). A ranking
            that lacks some of the arms enters with the others.
    """
    ranked = rankings[rankings["arm"].isin(list(arms))]
    wide = ranked.pivot(index=["reader", "pair", "case"], columns="arm", values="rank")
    wide = wide.reindex(columns=list(arms))
    wide = wide[wide.notna().sum(axis=1) >= 2]
    readers, pairs = (wide.index.get_level_values(level) for level in ("reader", "pair"))
    clusters = len(set(pairs))
    # Many rankings are alike; each kind is worked out once.
    kinds, kind = np.unique(wide.to_numpy(dtype=float), axis=0, return_inverse=True)
    tiers = [_tiers(row) for row in kinds]
    often = np.bincount(kind, minlength=len(kinds))
    tied = [sum(len(tier) > 1 for tier, _ in ranking) for ranking in tiers]
    reason = _why_not(len(arms), len(wide), clusters, any(tied))
    if reason:
        nothing = np.full((1, len(arms)), np.nan)
        return Preference(
            tuple(arms), nothing[0], nothing, False, 0.0, len(wide), clusters, 0, reason
        )
    choices = Choices.of(tiers, items=len(arms))
    rng = np.random.default_rng(seed)
    weights = unit_counts(pairs, resamples=resamples, rng=rng).astype(float)
    names, who = np.unique(readers, return_inverse=True)
    if len(names) >= MIN_READERS:
        weights *= cluster_counts(len(names), resamples=resamples, rng=rng)[:, who]
        clusters = min(clusters, len(names))
    of_kind = (kind.reshape(-1, 1) == np.arange(len(kinds))).astype(float)
    once, regularised = choices.fit(often[None].astype(float))
    return Preference(
        tuple(arms),
        once[0],
        choices.fit(weights @ of_kind)[0],
        bool(regularised[0]),
        float(often @ tied / (often @ [len(ranking) for ranking in tiers])),
        len(wide),
        len(set(pairs)),
        clusters,
    )


def _why_not(arms: int, rankings: int, pairs: int, ties: bool) -> str:
    if arms < 2:
        return "one arm: nothing to prefer"
    if not rankings:
        return "no rankings"
    if ties and arms > MAX_ARMS:
        return f"{arms} arms with ties, at most {MAX_ARMS} are handled"
    return few_pairs(pairs, " ranked") if pairs < MIN_PAIRS else ""


def _tiers(ranks: np.ndarray) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """From the best tier on: the tier and what it was chosen from."""
    left = np.flatnonzero(np.isfinite(ranks))
    found = []
    while len(left) > 1:
        best = left[ranks[left] == ranks[left].min()]
        found.append((tuple(int(i) for i in best), tuple(int(i) for i in left)))
        left = np.setdiff1d(left, best)
    return found


def _softmax(log_worths: np.ndarray) -> np.ndarray:
    worths = np.exp(log_worths - log_worths.max(axis=1, keepdims=True))
    return worths / worths.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Choices:
    """Choices of a best tier, as sums over rankings: an exponential family.

    A tier's features are its share of each item (1/|C|) and its size; their weights are the
    log-worths and log δ.
    """

    features: np.ndarray  # (tiers, items + sizes − 1)
    open: np.ndarray  # (choice sets, tiers): which tiers could be chosen
    chosen: np.ndarray  # (rankings, features): sums over each ranking's choices
    offered: np.ndarray  # (rankings, choice sets)
    beats: np.ndarray  # (rankings, items, items): chosen while the other was left
    ties: np.ndarray  # (rankings, 2, sizes − 1): of this size; one item where one was possible

    @classmethod
    def of(cls, rankings: list[list[tuple[tuple, tuple]]], *, items: int) -> "Choices":
        largest = max(len(tier) for ranking in rankings for tier, _ in ranking)
        tiers = [c for size in range(1, largest + 1) for c in combinations(range(items), size)]
        place = {tier: i for i, tier in enumerate(tiers)}
        features = np.zeros((len(tiers), items + largest - 1))
        for i, tier in enumerate(tiers):
            features[i, list(tier)] = 1 / len(tier)
            if len(tier) > 1:
                features[i, items + len(tier) - 2] = 1
        sets = sorted({left for ranking in rankings for _, left in ranking})
        which = {left: i for i, left in enumerate(sets)}
        member = np.zeros((len(sets), items), dtype=bool)
        for i, left in enumerate(sets):
            member[i, list(left)] = True
        count = len(rankings)
        chosen = np.zeros((count, features.shape[1]))
        offered, ties = np.zeros((count, len(sets))), np.zeros((count, 2, largest - 1))
        beats = np.zeros((count, items, items))
        for r, ranking in enumerate(rankings):
            for tier, left in ranking:
                chosen[r] += features[place[tier]]
                offered[r, which[left]] += 1
                beats[r][np.ix_(tier, [i for i in left if i not in tier])] += 1
                if len(tier) == 1:
                    ties[r, 1, : len(left) - 1] += 1
                else:
                    ties[r, 0, len(tier) - 2] += 1
        holds = features[:, :items] > 0
        open_ = (holds.astype(int) @ (~member).T.astype(int) == 0).T
        return cls(features, open_, chosen, offered, beats, ties)

    def fit(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-worths (resamples, items) of greatest likelihood, and which were regularised.

        Args:
            weights: How often each ranking stands: (resamples, rankings).
        """
        parts = np.array_split(weights, max(1, len(weights) * self.open.size // 10**7))
        worths, regularised = zip(*(self._fit(part) for part in parts), strict=True)
        return np.concatenate(worths), np.concatenate(regularised)

    def _fit(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        items, width = self.beats.shape[1], self.features.shape[1]
        chosen, offered = weights @ self.chosen, weights @ self.offered
        pseudo = np.where(self._finite(weights), 0.0, PSEUDO)[:, None]
        level = np.zeros((width, width))  # worths have no zero: this holds their mean there
        level[:items, :items] = 1
        beta = np.zeros((len(weights), width))
        squares = (self.features[:, :, None] * self.features[:, None]).reshape(-1, width**2)
        for _ in range(100):
            scores = beta @ self.features.T
            odds = np.where(
                self.open, np.exp(scores - scores.max(axis=1, keepdims=True))[:, None], 0
            )
            odds /= odds.sum(axis=2, keepdims=True)
            mean = odds @ self.features  # (resamples, choice sets, features)
            each = np.matmul(offered[:, None], odds)[:, 0]
            spread = (each @ squares).reshape(-1, width, width)
            spread -= np.matmul((offered[..., None] * mean).transpose(0, 2, 1), mean)
            shrunk = expit(beta)
            slope = chosen - np.matmul(offered[:, None], mean)[:, 0] + pseudo * (1 - 2 * shrunk)
            curve = spread + level + 2 * np.eye(width) * (pseudo * shrunk * (1 - shrunk))[:, None]
            step = np.linalg.solve(curve, slope[..., None])[..., 0]
            # Newton's steps from afar overshoot; a log-worth moves by at most 2 at a time.
            size = np.abs(step).max(axis=1, keepdims=True)
            beta += step * np.minimum(1, 2 / np.maximum(size, 1e-300))
            beta[:, :items] -= beta[:, :items].mean(axis=1, keepdims=True)
            if size.max() < 1e-9:
                break
        return beta[:, :items], pseudo[:, 0] > 0

    def _finite(self, weights: np.ndarray) -> np.ndarray:
        """Whether the likelihood surely has a maximum.

        So it has where each item beats each other, if only by way of others, and each size of tie
        came about at least once and was passed over for one item at least once.
        """
        items, ties = self.beats.shape[1], self.ties.reshape(len(self.ties), -1)
        beats = (weights @ self.beats.reshape(len(self.beats), -1)).reshape(-1, items, items) > 0
        reach = beats | np.eye(items, dtype=bool)
        for _ in range(items.bit_length()):
            reach = np.matmul(reach.astype(np.float32), reach.astype(np.float32)) > 0
        return reach.all(axis=(1, 2)) & (weights @ ties > 0).all(axis=1)
