"""What a report says in words: three findings to read out, and what can't be concluded."""

from typing import Any

from analysis.section_words import TAKEN, following
from analysis.statistics import MIN_ARMS, MIN_READERS
from analysis.wording import (
    alpha,
    and_,
    by_chance,
    count,
    interval,
    number,
    p_value,
    percent,
    percents,
    reasons_of,
    with_level,
)

# What a claim says: where <the metric …>, readers scored <more …>, or else <less …>.
CLAIM_WORDS = {
    ("energy", "clinical_realism"): (
        "sets nearer to the real images", "more realistic", "less realistic",
    ),
    ("agreement", "prompt_faithfulness"): (
        "prompts whose rephrasing gave more alike images", "more faithful", "less faithful",
    ),
    ("diversity", "intra_set_diversity"): (
        "sets with more varied features", "more diverse", "less diverse",
    ),
}  # fmt: skip


def findings(results: dict[str, Any]) -> list[str]:
    """Three sentences: the arms, the metrics, the readers; each with its uncertainty."""
    return [_arms(results), _metrics(results), _readers(results)]


def limits(results: dict[str, Any]) -> list[str]:
    """What the study can't show, each with the reason."""
    counts = results["counts"]
    said = []
    if counts["readers_with_scores"] < MIN_READERS:
        said.append(
            f"Whether other readers would judge alike: {count(counts['readers_with_scores'])} "
            f"scored, {MIN_READERS} are needed. Intervals hold for these readers and other prompts."
        )
    if counts["arms_made"] < MIN_ARMS:
        said.append(
            "Whether a metric ranks generators as readers do: "
            f"{count(counts['arms_made'], 'generator')}, "
            f"{MIN_ARMS} are needed for any p below 0.05."
        )
    if counts.get("images_per_set", 1) > 1:
        said.append("Anything about a single image: readers judged whole sets.")
    beside = counts["scores_not_applicable"]
    if beside:
        said.append(
            f"What {beside:,} scores would have been where readers found a criterion not "
            "applicable: they count neither as 0 nor as missing."
        )
    missing = counts["scores_expected"] - counts["scores"] - beside
    if missing:
        taken = "" if results["assigned"] else f", {TAKEN}"
        said.append(
            f"What the {missing:,} missing of {counts['scores_expected']:,} scores would have been"
            f"{taken}: means use those given, correlations only readings with every arm scored."
        )
    if counts["readers_revoked"]:
        said.append(
            f"What {count(counts['readers_revoked'])} thought whose part was revoked: left out."
        )
    said += [
        f"Whether {two['first']} and {two['second']} judged {two['name'].lower()} on their own: "
        "they agree more with each other than their agreement with the others explains."
        for two in results["reader_pairs"]
        if two["suspicious"]
    ]
    said += [f"{text} Metrics may see just that." for text in results["image_differences"]]
    copying = [row for row in results["metrics"] if row["metric"] == "copying"]
    if copying and all(row["value"] is None for row in copying):
        reasons = reasons_of(copying)
        said.append(f"Whether images were copied from training data: {reasons}")
    return said


def _arms(results: dict[str, Any]) -> str:
    leader = results["leader"]
    if not leader:
        return "No score has been given, so arms can't be compared."
    name, difference = leader["name"].lower(), leader["difference"]
    digits = leader.get("digits", 1)
    mean = number(leader["mean"]["value"], digits)
    if leader["maximum"] is not None:
        mean += f" of {leader['maximum']}"
    alike = difference and not difference["value"]
    text = (
        f"No arm scored higher in {name} than {leader['arm']} and {leader['second']}: {mean} on "
        "average"
        if alike
        else f"{leader['arm']} scored highest in {name}: {mean} on average"
        if difference
        else f"{leader['arm']}, the only arm with scores, got {mean} in {name} on average"
    )
    text += f" ({with_level(leader['mean'], digits)}{_beside_real(leader, digits)})"
    leaders = {leader["arm"], leader["second"]} if alike else {leader["arm"]}
    besides = _side_by_side(results["preference"], leaders)
    if not difference:
        return text + "." + besides
    apart = f"{number(difference['value'], digits)}, {interval(difference, digits)}"
    if alike:
        return f"{text}, both; difference {apart}.{besides}"
    ahead = f"{number(difference['value'], digits)} more than {leader['second']}"
    if difference["low"] is None:
        return f"{text}, {ahead} (no interval).{besides}"
    if difference["low"] <= 0:
        return (
            f"{text}, but can't be told apart from {leader['second']} "
            f"(difference {apart}).{besides}"
        )
    return f"{text}, {ahead} ({interval(difference, digits)}).{besides}"


def _side_by_side(fits: list[dict[str, Any]], leaders: set[str]) -> str:
    """Which generator was preferred by the rankings, to go behind the ``leaders`` of the scores.

    Of rankings among generators alone: real images are no leader of the scores either.
    """
    made = (fit for fit in fits if fit["over"] and not (fit["real"] or fit["reason"]))
    first = next((fit["over"][0] for fit in made), None)
    if first is None:
        return ""
    preferred = (
        f"readers preferred {first['arm']} to {first['other']} {percent(first)} "
        f"({percents(first)}){by_chance(first)}."
    )
    if first["arm"] in leaders:
        return f" Side by side, {preferred}"
    if first["low"] is None or first["low"] <= 0.5:
        return f" Whether their rankings put another first isn't clear: side by side, {preferred}"
    return f" Their rankings put another first: side by side, {preferred}"


def _beside_real(leader: dict[str, Any], digits: int) -> str:
    real = leader["real"]
    if not real or real["value"] is None:
        return ""
    more = f"{number(abs(real['value']), digits)} {'more' if real['value'] >= 0 else 'less'}"
    return f"; real images {more}"


def _metrics(results: dict[str, Any]) -> str:
    claims = [row for row in results["correlations"] if row["claim"]]
    known = [row for row in claims if row["value"] is not None]
    if not claims:
        best = following(results)[0]
        return f"No claim about metrics was named in advance; {best[:1].lower()}{best[1:]}"
    if not known:
        reasons = list(dict.fromkeys(row["reason"] for row in claims))
        return f"Whether metrics go along with readers can't be told: {'; '.join(reasons)}."
    clear = [row for row in known if row["p_holm"] is not None and row["p_holm"] < alpha(results)]
    holding = [row for row in clear if row["value"] * row["sign"] > 0]
    against = [row for row in clear if row not in holding]
    parts = []
    for row in holding + against:
        sets, more, less = _claim_words(row)
        expected = f"readers found {sets} {more}"
        found = expected if row in holding else f"against expectation, readers found {sets} {less}"
        parts.append(f"{found} ({_r(row)}{_for_these(row)})")
    unclear = [f"{row['metric_name'].lower()} ({_r(row)})" for row in known if row not in clear]
    if unclear:
        parts.append(f"{and_(unclear)} can't be shown to go along with readers")
    return f"Beyond what generator and prompt explain, {'; '.join(parts)}."


def _for_these(row: dict[str, Any]) -> str:
    """Where p, which is for these readers, and the interval, over other ones too, part ways."""
    if row["low"] is None or row["low"] * row["high"] > 0:
        return ""
    return " for these readers; whether others would, the interval leaves open"


def _claim_words(row: dict[str, Any]) -> tuple[str, str, str]:
    name = row["name"].lower()
    sets = f"sets with {'higher' if row['sign'] > 0 else 'lower'} {row['metric_name']}"
    general = sets, f"better in {name}", f"worse in {name}"
    return CLAIM_WORDS.get((row["metric"], row["criterion"]), general)


def _readers(results: dict[str, Any]) -> str:
    counts = results["counts"]
    rows = results["readers"]["icc"]
    known = [row for row in rows if row["single"]["value"] is not None]
    if not known:
        reasons = list(dict.fromkeys(row["single"]["reason"] for row in rows))
        return f"How far readers agree can't be told: {'; '.join(reasons)}."
    lowest = min(known, key=lambda row: row["single"]["value"])
    highest = max(known, key=lambda row: row["single"]["value"])
    who = f"{count(counts['readers_with_scores'])}".capitalize()
    said = (
        f"{who} agreed most on {_icc(highest)} and least on {_icc(lowest)}"
        if len(known) > 1
        else f"{who}: agreement on {_icc(highest)}"
    )
    return f"{said}; an ICC of 1 is full agreement, 0 none."


def _icc(row: dict[str, Any]) -> str:
    single = row["single"]
    return f"{row['name'].lower()} (ICC {number(single['value'], 2)}, {interval(single, 2)})"


def _r(row: dict[str, Any]) -> str:
    return f"r = {number(row['value'], 2)}, {interval(row, 2)}, {p_value(row['p_holm'])}"
