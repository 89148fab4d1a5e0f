"""Durations as people say them."""

from django import template

register = template.Library()


@register.filter
def duration(seconds: float) -> str:
    """``40 s``, ``12 min`` or ``3 h 20 min``, rounded up: waiting is announced too long, not short.

    Raises:
        TypeError: ``seconds`` is not a number.
    """
    if seconds <= 50:
        return f"{max(1, round(seconds))} s"
    minutes = -int(-seconds // 60)
    hours, minutes_left = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes_left} min" if minutes_left else f"{hours} h"


@register.filter
def per_minute(per_second: float) -> str:
    """A rate in units a minute with two significant figures: ``0.42``, ``7.5``, ``130``."""
    return two_figures(per_second * 60)


@register.filter
def two_figures(number: float) -> str:
    """A positive number with two significant figures, and all digits from 10 on."""
    return f"{number:.0f}" if number >= 9.95 else f"{number:.2g}"


@register.filter
def clock(seconds: float) -> str:
    """Minutes and seconds that were measured: ``1:04``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
