"""How pages write estimates: one precision a column, the interval beside, the reason if none."""

from typing import Any

from django import template

from analysis import wording

register = template.Library()


@register.filter
def number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else wording.number(value, int(digits))


@register.filter
def interval(estimate: dict[str, Any], digits: int = 2) -> str:
    """“6.5 to 7.6”; “–” without one."""
    return "–" if estimate["low"] is None else wording.interval(estimate, int(digits))


@register.filter
def p(value: float | None) -> str:
    """“0.031”, “< 0.001” (kept on one line); “–” without one."""
    if value is None:
        return "–"
    return (
        wording.p_value(value)
        .removeprefix("p ")
        .removeprefix("= ")
        .replace(" ", "\N{NO-BREAK SPACE}")
    )


@register.filter
def percent(share: float | None) -> str:
    """“64 %”; “–” without one."""
    return "–" if share is None else f"{wording.number(100 * share, 0)} %"


@register.filter
def percents(estimate: dict[str, Any]) -> str:
    """“57 to 71 %”, or the reason why there is no interval."""
    if estimate["low"] is None:
        return str(estimate["reason"])
    low, high = (wording.number(100 * estimate[key], 0) for key in ("low", "high"))
    return f"{low} to {high} %"
