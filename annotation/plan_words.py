"""A plan of analysis in words, for the pages of a study and its report."""

from annotation.protocols import Protocol
from annotation.protocols.plan import COMPUTABLE, Claim

Line = tuple[str, str]  # what, and what the plan says of it
NO_PLAN = "The protocol names no analysis in advance, so all of it is exploratory."


def plan_lines(protocol: Protocol) -> list[Line]:
    """Of a protocol with a plan; none without."""
    plan = protocol.plan
    if plan is None:
        return []
    leading = protocol.criterion(plan.leading).name
    claims = [("Claim", claim_words(protocol, claim)) for claim in plan.claims]
    return [
        ("Arms are compared first by", leading),
        *(claims or [("Claims", "none")]),
        ("Metric that is asked first", f"{_metric(plan.primary)}, against {leading}"),
        ("Level of tests", f"α = {plan.alpha:g}, Holm over the claims"),
        ("Resamples, seed", f"{plan.resamples:,}, seed {plan.seed}"),
        ("Embedder", plan.embedder or "this site’s, fixed when a study is made"),
    ]


def claim_words(protocol: Protocol, claim: Claim) -> str:
    direction = "higher" if claim.sign > 0 else "lower"
    criterion = protocol.criterion(claim.criterion).name
    return f"{_metric(claim.metric)}: the {direction}, the higher {criterion}"


def _metric(key: str) -> str:
    return COMPUTABLE.metrics.get(key, key)
