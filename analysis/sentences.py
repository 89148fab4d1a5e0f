"""What a report says in words: three findings to read out, and what can't be concluded."""

from typing import Any

from analysis.statistics import MIN_READERS

MIN_ARMS = 5
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# What a positive claim says: where <the metric …>, readers <scored …>.
CLAIM_WORDS = {
    "energy": ("sets nearer to the real images", "more realistic"),
    "agreement": ("prompts whose rephrasing gave more alike images", "more faithful"),
    "diversity": ("sets with more varied features", "more diverse"),
}


def findings(results: dict[str, Any]) -> list[str]:
    """Three sentences: the arms, the metrics, the readers; each with its uncertainty."""
    return [_arms(results), _metrics(results), _readers(results)]


def limits(results: dict[str, Any]) -> list[str]:
    """What the study can't show, each with the reason."""
    counts = results["counts"]
    said = []
    if counts["readers_with_scores"] < MIN_READERS:
        said.append(
            f"Whether other readers would judge alike: {_count(counts['readers_with_scores'])} "
            f"scored, {MIN_READERS} are needed. Intervals hold for these readers and other prompts."
        )
    if counts["arms"] < MIN_ARMS:
        said.append(
            f"Whether a metric ranks generators as readers do: {_count(counts['arms'], 'arm')}, "
            f"{MIN_ARMS} are needed for any p below 0.05."
        )
    said.append("Anything about a single image: readers judged whole sets.")
    beside = counts["scores_not_applicable"]
    if beside:
        said.append(
            f"What {beside:,} scores would have been where readers found a criterion not "
            "applicable: they count neither as 0 nor as missing."
        )
    missing = counts["scores_expected"] - counts["scores"] - beside
    if missing:
        said.append(
            f"What the {missing:,} missing of {counts['scores_expected']:,} scores would have been:"
            " means use those given, correlations only readings with every arm scored."
        )
    if counts["readers_revoked"]:
        said.append(
            f"What {_count(counts['readers_revoked'])} thought whose part was revoked: left out."
        )
    said += [f"{text} Metrics may see just that." for text in results["image_differences"]]
    said.append(
        "Whether images were copied from training data: this report doesn't compare them with it."
    )
    return said


def number(value: float, digits: int) -> str:
    """With a true minus sign, and no minus before zero."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if not float(text) else text.replace("-", "−")


def interval(estimate: dict[str, Any], digits: int) -> str:
    """“0.1 to 0.4”, or the reason why there is none."""
    if estimate["low"] is None:
        return estimate["reason"]
    return f"{number(estimate['low'], digits)} to {number(estimate['high'], digits)}"


def p_value(p: float | None) -> str:
    """“p = 0.03”, “p < 0.001”; “no p” without one."""
    if p is None:
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.0995 else f"p = {p:.2f}"


def _arms(results: dict[str, Any]) -> str:
    leader = results["leader"]
    if not leader:
        return "No score has been given, so arms can't be compared."
    name, difference = leader["name"].lower(), leader["difference"]
    text = (
        f"{leader['arm']} scored highest in {name}: {number(leader['mean']['value'], 1)} of "
        f"{leader['maximum']} on average"
        if difference
        else f"{leader['arm']}, the only arm with scores, got {number(leader['mean']['value'], 1)}"
        f" of {leader['maximum']} in {name} on average"
    )
    text += f" ({_with_level(leader['mean'], 1)})"
    if not difference:
        return text + "."
    ahead = f"{number(difference['value'], 1)} more than {leader['second']}"
    if difference["low"] is None:
        return f"{text}, {ahead} (no interval)."
    if difference["low"] <= 0:
        return (
            f"{text}, but can't be told apart from {leader['second']} "
            f"(difference {number(difference['value'], 1)}, {interval(difference, 1)})."
        )
    return f"{text}, {ahead} ({interval(difference, 1)})."


def _metrics(results: dict[str, Any]) -> str:
    claims = [row for row in results["correlations"] if row["claim"]]
    known = [row for row in claims if row["value"] is not None]
    if not known:
        reasons = list(dict.fromkeys(row["reason"] for row in claims))
        return f"Whether metrics go along with readers can't be told: {'; '.join(reasons)}."
    clear = [row for row in known if row["p_holm"] is not None and row["p_holm"] < 0.05]
    holding = [row for row in clear if row["value"] * row["sign"] > 0]
    against = [row for row in clear if row not in holding]
    parts = [
        f"readers found {CLAIM_WORDS[row['metric']][0]} {CLAIM_WORDS[row['metric']][1]} ({_r(row)})"
        for row in holding
    ]
    parts += [
        f"against expectation, readers found {CLAIM_WORDS[row['metric']][0]} less "
        f"{CLAIM_WORDS[row['metric']][1].removeprefix('more ')} ({_r(row)})"
        for row in against
    ]
    unclear = [f"{row['metric_name'].lower()} ({_r(row)})" for row in known if row not in clear]
    if unclear:
        parts.append(f"{' and '.join(unclear)} can't be shown to go along with readers")
    return f"Beyond what generator and prompt explain, {'; '.join(parts)}."


def _readers(results: dict[str, Any]) -> str:
    counts = results["counts"]
    rows = results["readers"]["icc"]
    known = [row for row in rows if row["single"]["value"] is not None]
    if not known:
        reasons = list(dict.fromkeys(row["single"]["reason"] for row in rows))
        return f"How far readers agree can't be told: {'; '.join(reasons)}."
    lowest = min(known, key=lambda row: row["single"]["value"])
    highest = max(known, key=lambda row: row["single"]["value"])
    who = f"{_count(counts['readers_with_scores'])}".capitalize()
    text = f"{who} agreed most on {_icc(highest)}"
    return text + (f" and least on {_icc(lowest)}." if len(known) > 1 else ".")


def _icc(row: dict[str, Any]) -> str:
    single = row["single"]
    return f"{row['name'].lower()} (ICC {number(single['value'], 2)}, {interval(single, 2)})"


def _r(row: dict[str, Any]) -> str:
    return f"r = {number(row['value'], 2)}, {interval(row, 2)}, {p_value(row['p_holm'])}"


def _with_level(estimate: dict[str, Any], digits: int) -> str:
    level = "95 % interval " if estimate["low"] is not None else ""
    return level + interval(estimate, digits)


def _count(n: int, noun: str = "reader") -> str:
    word = NUMBERS[n] if n < len(NUMBERS) else str(n)
    return f"{word} {noun}{'' if n == 1 else 's'}"
