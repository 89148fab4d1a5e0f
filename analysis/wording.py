"""How numbers are written in a report's sentences, figures and tables."""

from collections.abc import Iterable
from typing import Any

NARROW = 2  # points: on a scale shorter than this, scores are told by more than a decimal
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


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


def percent(share: dict[str, Any]) -> str:
    return f"{number(100 * share['value'], 0)} % of the time"


def percents(share: dict[str, Any]) -> str:
    if share["low"] is None:
        return share["reason"]
    low, high = (number(100 * share[key], 0) for key in ("low", "high"))
    return f"95 % interval {low} to {high} %"


def and_(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def reasons_of(rows: list[dict[str, Any]]) -> str:
    """Each reason once, as sentences."""
    reasons = dict.fromkeys(row["reason"].rstrip(".") for row in rows if row["reason"])
    return " ".join(f"{reason}." for reason in reasons)


def with_level(estimate: dict[str, Any], digits: int) -> str:
    level = "95 % interval " if estimate["low"] is not None else ""
    return level + interval(estimate, digits)


def count(n: int, noun: str = "reader") -> str:
    """“two readers”, “12 readers”."""
    return f"{NUMBERS[n]} {noun}{'' if n == 1 else 's'}" if n < len(NUMBERS) else counted(n, noun)


def counted(n: int, noun: str) -> str:
    """“2 readers”."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def by_chance(share: dict[str, Any], *, chance: float = 0.5) -> str:
    """The hedge behind a share whose interval reaches down to what ``chance`` alone would give."""
    if share["low"] is None or share["low"] > chance:
        return ""
    return ", which may be chance"


def share(part: int, whole: int) -> str:
    return f"{number(100 * part / whole, 1)} %" if whole else "none"


def alpha(results: dict[str, Any]) -> float:
    """What a corrected p must be below; older reports took 0.05."""
    return results.get("alpha", 0.05)


def digits_for(values: Iterable[float | None]) -> int:
    """Decimals that give the column's largest value three figures, 0 to 4."""
    largest = max((abs(v) for v in values if v is not None), default=0)
    return next((d for d, limit in enumerate((100, 10, 1, 0.1)) if largest >= limit), 4)


def score_digits(minimum: float, maximum: float) -> int:
    """Decimals of scores between these ends, 1 to 4."""
    span = maximum - minimum
    # Where all scores are equal, their own size tells.
    return 1 if span >= NARROW else digits_for([span or maximum or 1])
