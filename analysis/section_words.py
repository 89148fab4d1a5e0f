"""What the tables of a report's sections come to, in words."""

from typing import Any

from analysis.statistics.within_case import accuracy_by_chance
from analysis.wording import (
    alpha,
    and_,
    by_chance,
    interval,
    number,
    percent,
    percents,
    reasons_of,
    share,
)

ORDERS = {
    "place": "each place further right on the page",
    "position": "each case further on in the sitting",
    "minutes": "each minute more at work on a case",
}
# What scores are missing where it isn't known which were to be given.
TAKEN = "counted as if each reader was to score every arm of a case they scored"


def by_section(results: dict[str, Any]) -> dict[str, list[str]]:
    """By section of the report what its tables come to, in words."""
    return {
        "preference": _preference(results),
        "following": following(results),
        "readers": _habits(results),
        "blinding": _blinding(results),
        "missing": _missing(results),
        "copying": [
            f"{found['arm']}: {found['rows'][0]['sentence']}"
            for found in results["metric_findings"]
            if found["metric"] == "copying"
        ],
    }


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
        f"{where} preferred {first['arm']} to {first['other']} {percent(first)}, ties aside "
        f"({percents(first)}; {fit['rankings']:,} rankings)"
        f"{by_chance(first)}."
    )


def following(results: dict[str, Any]) -> list[str]:
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
        reasons = reasons_of(results["following"]) or "no metric has values beside scores."
        return [f"Which metric follows readers best can't be told: {reasons}"]
    # Those with one value a pair of prompts can't be compared with the others case by case.
    best = max(rows, key=lambda row: (row["level"] != "pair", row["value"]))
    among = ""
    if best["level"] != "pair" and any(row["level"] == "pair" for row in rows):
        among = "of the metrics with a value for each case, "
    chance = accuracy_by_chance(best["ties"])
    text = (
        f"In {leader['name'].lower()}, {among}{best['metric_name']} ordered two arms of a case as "
        f"readers did most often: {percent(best)} ({percents(best)})"
        f"{by_chance(best, chance=chance)}"
    )
    against = [
        row
        for row in results["comparisons"]
        if row["name"] == leader["name"] and row["metric"] == best["metric"]
    ]
    clear = [row for row in against if row["p_holm"] is not None and row["p_holm"] < alpha(results)]
    if clear:
        text += f", more often than {and_([row['other_name'] for row in clear])}"
    unclear = [row["other_name"] for row in against if row not in clear]
    if unclear:
        text += f"; that it follows them better than {and_(unclear)} can't be shown"
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
            f"explains, in {and_(names)}: ask whether they worked together."
        )
    return said + _attention(results["attention"]) + _order(results["orders"])


def _missing(results: dict[str, Any]) -> list[str]:
    rows, counts = results["missing"], results["counts"]
    missing, expected = (sum(row[key] for row in rows) for key in ("missing", "expected"))
    beside = sum(row["not_applicable"] for row in rows)
    taken = "" if results["assigned"] else f", {TAKEN}"
    said = [
        f"{missing:,} of {expected:,} expected scores are missing ({share(missing, expected)}"
        f"{taken}); {beside:,} were not applicable."
    ]
    most = max(rows, key=lambda row: row["missing"], default=None)
    if most and most["missing"]:
        said[0] += (
            f" Most are missing in {most['name'].lower()} of {most['arm']}: {most['missing']:,} of "
            f"{most['expected']:,}."
        )
    left = counts["readings"] - counts["readings_submitted"]
    if left:
        said.append(f"{left:,} of {counts['readings']:,} readings were not finished.")
    flagged = sum(row["images"] for row in results["flags"])
    if flagged:
        which = "1 image; it stays" if flagged == 1 else f"{flagged:,} images; they stay"
        said.append(f"Readers flagged {which} in every number.")
    return said


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
        f"{and_(names)} passed {passed} of {of} attention checks"
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
