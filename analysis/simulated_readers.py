"""Simulated readers: what they would answer, were the arms as different as is assumed.

PURE. Every set has a true quality on each criterion, from 0 to 10: `MIDDLE`, and what the
researcher assumes of its arm, and what chance gives the case, the set and the criterion. A reader
perceives it as their profile says. All is drawn from seeds of its own, so that the same dry run
gives the same answers in whatever order, and a part of it can be done again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MIDDLE = 5.5  # of the truth
OF_CASE, OF_SET, OF_CRITERION = 0.8, 1.0, 0.5  # standard deviations around it
OF_READER = 0.4  # of readers of one profile around its severity
MOST_EFFECT = 5.0  # points that an arm may differ by


@dataclass(frozen=True)
class Profile:
    """How a reader answers.

    Attributes:
        sees: Share of the true differences that reach the reader's eye.
        noise: Standard deviation of a score around what is perceived.
        severity: Points that are taken from every score.
        straight: Share of the sets that get one score on all criteria.
        colour: Points for each standard deviation by which a set is more colourful than others.
        attentive: Share of the attention checks that are answered as asked.
        seconds: For one score.
    """

    title: str
    description: str
    sees: float = 1.0
    noise: float = 0.8
    severity: float = 0.0
    straight: float = 0.0
    colour: float = 0.0
    attentive: float = 1.0
    seconds: float = 7.0


PROFILES = {
    "expert": Profile("Expert", "sees all, errs by less than a point"),
    "noisy": Profile("Noisy", "sees all, errs by two and a half points", noise=2.5),
    "lazy": Profile(
        "Lazy",
        "hardly looks, gives most sets one score throughout, is done in a moment, misses checks",
        sees=0.2,
        noise=1.2,
        straight=0.8,
        attentive=0.3,
        seconds=0.8,
    ),
    "biased": Profile(
        "Biased", "severe by two points, and prefers colourful images", severity=2.0, colour=1.5
    ),
}


@dataclass(frozen=True)
class Answer:
    """What a reader gives a case: scores from 0 to 10, not rounded, by arm and criterion; the arms,
    best first; the time it takes."""

    scores: Mapping[int, Mapping[str, float]]
    order: Sequence[int]
    seconds: float


@dataclass(frozen=True)
class Simulation:
    """A study's truth.

    Attributes:
        effects: By arm, the points by which it is better; arms that aren't named are not.
        colour: By (case, arm), how colourful a set is, in standard deviations over the study.
    """

    seed: int
    criteria: Sequence[str]
    effects: Mapping[int, float]
    colour: Mapping[tuple[int, int], float]

    def truth(self, case: int, arm: int) -> np.ndarray:
        """The quality of a set, by criterion."""
        of_case = self._rng(1, case).normal(0, OF_CASE)
        own = self._rng(2, case, arm)
        of_set = own.normal(0, OF_SET)
        rest = own.normal(0, OF_CRITERION, len(self.criteria))
        return MIDDLE + self.effects.get(arm, 0.0) + of_case + of_set + rest

    def answer(
        self, profile: Profile, *, reader: int, case: int, arms: Sequence[int], visit: int = 0
    ) -> Answer:
        """What a reader gives sets of a case, whatever their letters; another visit differs by
        noise."""
        severity = profile.severity + self._rng(3, reader).normal(0, OF_READER)
        scores, means = {}, {}
        for arm in sorted(arms):
            random = self._rng(4, reader, visit, case, arm)
            seen = MIDDLE + profile.sees * (self.truth(case, arm) - MIDDLE)
            seen = seen - severity + profile.colour * self.colour.get((case, arm), 0.0)
            given = seen + random.normal(0, profile.noise, len(self.criteria))
            if random.random() < profile.straight:
                given = np.full(len(self.criteria), given.mean())
            given = given.clip(0, 10)
            scores[arm] = dict(zip(self.criteria, map(float, given), strict=True))
            means[arm] = given.mean() + random.normal(0, profile.noise / 4)
        order = sorted(means, key=lambda arm: -means[arm])
        count = len(arms) * len(self.criteria)
        pace = self._rng(5, reader, visit, case, *sorted(arms)).lognormal(0, 0.25)
        return Answer(scores, order, profile.seconds * count * float(pace))

    def attends(self, profile: Profile, *, reader: int, case: int) -> bool:
        """Whether a reader sees that a case is an attention check."""
        return bool(self._rng(6, reader, case).random() < profile.attentive)

    def _rng(self, *of: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *of])


def on_scale(score: float, *, low: int, high: int) -> int:
    """A score from 0 to 10 on another scale of whole numbers."""
    return low + round((high - low) * score / 10)
