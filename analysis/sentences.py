"""What a report says in words: three findings to read out, and what can't be concluded."""

from typing import Any

from analysis.statistics import MIN_ARMS, MIN_READERS

ORDERS = {
    "place": "each place further right on the page",
    "position": "each case further on in the sitting",
}
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
    if counts["arms_made"] < MIN_ARMS:
        said.append(
            "Whether a metric ranks generators as readers do: "
            f"{_count(counts['arms_made'], 'generator')}, "
            f"{MIN_ARMS} are needed for any p below 0.05."
        )
    if counts["images_per_set"] > 1:
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
    copying = [row for row in results["metrics"] if row["metric"] == "copying"]
    if copying and all(row["value"] is None for row in copying):
        reasons = _reasons(copying)
        said.append(f"Whether images were copied from training data: {reasons}")
    return said


def by_section(results: dict[str, Any]) -> dict[str, list[str]]:
    """By section of the report what its tables come to, in words."""
    return {
        "preference": _preference(results),
        "following": _following(results),
        "readers": _habits(results),
        "blinding": _blinding(results),
        "copying": [
            f"{found['arm']}: {found['rows'][0]['sentence']}"
            for found in results["metric_findings"]
            if found["metric"] == "copying"
        ],
    }


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
    text += f" ({_with_level(leader['mean'], 1)}{_beside_real(leader)})"
    besides = _side_by_side(results["preference"])
    if not difference:
        return text + "." + besides
    ahead = f"{number(difference['value'], 1)} more than {leader['second']}"
    if difference["low"] is None:
        return f"{text}, {ahead} (no interval).{besides}"
    if difference["low"] <= 0:
        return (
            f"{text}, but can't be told apart from {leader['second']} "
            f"(difference {number(difference['value'], 1)}, {interval(difference, 1)}).{besides}"
        )
    return f"{text}, {ahead} ({interval(difference, 1)}).{besides}"


def _side_by_side(fits: list[dict[str, Any]]) -> str:
    """Which generator was preferred by the rankings, to go behind the scores."""
    first = next((fit["over"][0] for fit in fits if fit["over"] and not fit["reason"]), None)
    if first is None:
        return ""
    return (
        f" Side by side, readers preferred {first['arm']} to {first['other']} {_percent(first)} "
        f"({_percents(first)}){_by_chance(first)}."
    )


def _beside_real(leader: dict[str, Any]) -> str:
    real = leader["real"]
    if not real or real["value"] is None:
        return ""
    more = f"{number(abs(real['value']), 1)} {'more' if real['value'] >= 0 else 'less'}"
    return f"; real images {more}"


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


def _preference(results: dict[str, Any]) -> list[str]:
    return [text for fit in results["preference"] if (text := _preferred(fit))]


def _preferred(fit: dict[str, Any]) -> str:
    if fit["reason"]:
        among = " with real images among them" if fit["real"] else ""
        return f"Which set readers prefer{among} can't be told: {fit['reason']}."
    if not fit["over"]:
        return ""
    where = "With real images among them, readers" if fit["real"] else "Side by side, readers"
    first = fit["over"][0]
    return (
        f"{where} preferred {first['arm']} to {first['other']} {_percent(first)}, ties aside "
        f"({_percents(first)}; {fit['rankings']:,} rankings)"
        f"{_by_chance(first)}."
    )


def _by_chance(share: dict[str, Any]) -> str:
    if share["low"] is None or share["low"] > 0.5:
        return ""
    return ", which may be chance"


def _following(results: dict[str, Any]) -> list[str]:
    """Of each criterion the metric that orders arms most as readers do, and whether others don't.

    Only the criterion of the summary gets a sentence; the others stand in the table.
    """
    leader = results["leader"]
    rows = [
        row
        for row in results["following"]
        if leader and row["name"] == leader["name"] and row["value"] is not None
    ]
    if not rows:
        reasons = _reasons(results["following"]) or "no metric has values beside scores."
        return [f"Which metric follows readers best can't be told: {reasons}"]
    # Those with one value a pair of prompts can't be compared with the others case by case.
    best = max(rows, key=lambda row: (row["level"] != "pair", row["value"]))
    text = (
        f"In {leader['name'].lower()}, {best['metric_name']} ordered two arms of a case as readers "
        f"did most often: {_percent(best)} ({_percents(best)})"
    )
    against = [
        row
        for row in results["comparisons"]
        if row["name"] == leader["name"] and row["metric"] == best["metric"]
    ]
    clear = [row for row in against if row["p_holm"] is not None and row["p_holm"] < 0.05]
    if clear:
        text += f", more often than {_and([row['other_name'] for row in clear])}"
    unclear = [row["other_name"] for row in against if row not in clear]
    if unclear:
        text += f"; that it follows them better than {_and(unclear)} can't be shown"
    return [text + ". That speaks of these arms and readers."]


def _habits(results: dict[str, Any]) -> list[str]:
    said = []
    alike: dict[tuple[str, str], list[str]] = {}
    for row in results["reader_pairs"]:
        if row["suspicious"]:
            alike.setdefault((row["first"], row["second"]), []).append(row["name"].lower())
    for (first, second), names in alike.items():
        said.append(
            f"{first} and {second} agree more with each other than their agreement with the others "
            f"explains, in {_and(names)}: ask whether they worked together."
        )
    return said + _attention(results["attention"]) + _order(results["orders"])


def _attention(rows: list[dict[str, Any]]) -> list[str]:
    """Who failed how many checks; readers alike in one sentence."""
    checks = sum(row["checks"] for row in rows)
    failed: dict[tuple[int, int, int], list[str]] = {}
    for row in rows:
        if row["checks_passed"] < row["checks"]:
            key = row["checks_passed"], row["checks"], row["checks_open"]
            failed.setdefault(key, []).append(row["reader"])
    if checks and not failed:
        return [f"Every reader passed every attention check, {checks} in all."]
    return [
        f"{_and(names)} passed {passed} of {of} attention checks"
        + (f", {open_} not finished." if open_ else ".")
        for (passed, of, open_), names in failed.items()
    ]


def _order(rows: list[dict[str, Any]]) -> list[str]:
    known = [row for row in rows if row["low"] is not None]
    moved = [row for row in known if row["low"] > 0 or row["high"] < 0]
    if not known:
        return []
    if not moved:
        return ["No effect of the order of cases or sets on scores can be shown."]
    effects = [
        f"in {row['name'].lower()}, {ORDERS[row['order']]} moves a score by "
        f"{number(row['value'], 3)} points ({interval(row, 3)})"
        for row in moved
    ]
    return [
        f"Order may matter: {'; '.join(effects)}. Of {len(known)} such effects looked at, one in "
        "twenty would look so by chance."
    ]


def _blinding(results: dict[str, Any]) -> list[str]:
    said = []
    for row in results["blinding"] or []:
        if row["arm"] != "all":
            continue
        asked = (
            "whether a set is real"
            if row["question"] == "real"
            else "which set of another case has the same source"
        )
        if row["value"] is None:
            said.append(f"Whether readers could tell {asked} isn't known: {row['reason']}.")
            continue
        text = (
            f"Asked {asked}, readers were right {row['right']} times, wrong {row['wrong']} times "
            f"and unsure {row['unsure']} times: index {number(row['value'], 2)} "
            f"({interval(row, 2)}), where 0 is guessing and 1 is knowing"
        )
        if row["low"] is not None and row["low"] > 0:
            text += "; blinding did not hold"
        said.append(text + ".")
    return said


def _percent(share: dict[str, Any]) -> str:
    return f"{number(100 * share['value'], 0)} % of the time"


def _percents(share: dict[str, Any]) -> str:
    if share["low"] is None:
        return share["reason"]
    low, high = (number(100 * share[key], 0) for key in ("low", "high"))
    return f"95 % interval {low} to {high} %"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _reasons(rows: list[dict[str, Any]]) -> str:
    """Each reason once, as sentences."""
    reasons = dict.fromkeys(row["reason"].rstrip(".") for row in rows if row["reason"])
    return " ".join(f"{reason}." for reason in reasons)


def _with_level(estimate: dict[str, Any], digits: int) -> str:
    level = "95 % interval " if estimate["low"] is not None else ""
    return level + interval(estimate, digits)


def _count(n: int, noun: str = "reader") -> str:
    word = NUMBERS[n] if n < len(NUMBERS) else str(n)
    return f"{word} {noun}{'' if n == 1 else 's'}"
