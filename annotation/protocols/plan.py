"""What will be computed from a study's answers, written down before there are any.

The plan is part of the protocol and sealed with it. A report computes what it names as planned, and
calls all else exploratory.
"""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any, Self

MOST_CLAIMS = 6
LEAST_RESAMPLES, MOST_RESAMPLES = 1000, 100_000


@dataclass(frozen=True)
class Claim:
    """That a metric goes along with a criterion; `sign` −1 where less of it means more."""

    metric: str
    criterion: str
    sign: int = 1


@dataclass(frozen=True)
class AnalysisPlan:
    """The analysis that is named in advance.

    Attributes:
        leading: Key of the criterion that arms are compared by first.
        primary: Key of the metric that is asked first whether it orders arms as readers do.
        claims: What is tested, each beyond prompt and arm, corrected by Holm over all of them.
        alpha: What a corrected p must be below.
        resamples: Bootstrap draws and permutations.
        seed: Of both.
        embedder: What images' features come from; "" is that of the site where the study is made.
    """

    leading: str
    primary: str
    claims: tuple[Claim, ...]
    alpha: float = 0.05
    resamples: int = 10_000
    seed: int = 0
    embedder: str = ""

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Raises KeyError or TypeError where keys are missing or unknown."""
        return cls(**{**data, "claims": tuple(Claim(**claim) for claim in data["claims"])})

    def to_dict(self) -> dict[str, Any]:
        data = asdict(self)
        return {**data, "claims": list(data["claims"])}

    def fault(self, criteria: Collection[str]) -> str:
        """What is wrong with it beside these criteria's keys; "" if nothing is."""
        named = [self.leading, *(claim.criterion for claim in self.claims)]
        if unknown := [key for key in named if key not in criteria]:
            return (
                f"the analysis plan names the criterion {unknown[0]}, which is not rated: name "
                "another, or make no such claim."
            )
        pairs = [(claim.metric, claim.criterion) for claim in self.claims]
        if len(set(pairs)) != len(pairs):
            return "the analysis plan makes a claim twice."
        if len(pairs) > MOST_CLAIMS:
            return f"the analysis plan makes {len(pairs)} claims; {MOST_CLAIMS} are the most."
        if any(claim.sign not in (1, -1) for claim in self.claims):
            return "a claim's sign is 1 or −1."
        if not 0 < self.alpha <= 0.2:
            return "alpha must be above 0 and at most 0.2."
        if not LEAST_RESAMPLES <= self.resamples <= MOST_RESAMPLES:
            return f"resamples must be {LEAST_RESAMPLES} to {MOST_RESAMPLES}."
        if not 0 <= self.seed < 2**63:
            return "the analysis plan's seed must be a whole number from 0 to 2⁶³ - 1."
        return ""


@dataclass
class Computable:
    """What can be named in a plan. The analysis, which nothing here may import, fills it in.

    Attributes:
        metrics: Names by key.
        embedder_fault: What is wrong with an embedder's name; "" if nothing is.
    """

    metrics: dict[str, str] = field(default_factory=dict)
    embedder_fault: Callable[[str], str] = lambda name: ""


COMPUTABLE = Computable()
