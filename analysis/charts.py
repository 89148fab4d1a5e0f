"""Charts as SVG or PNG, from a report's results alone: the same numbers give the same bytes.

Intervals always; colour never alone.
"""

import io
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.statistics.within_case import accuracy_by_chance
from analysis.tables import described
from analysis.wording import interval, number, p_value, score_digits

# Okabe and Ito's palette, told apart by the colour-blind; an arm keeps its colour and marker.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, QUIET, LINE = "#212529", "#6C757D", "#DEE2E6"
STYLE = {
    "svg.hashsalt": "blindread",  # else element ids differ from run to run
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,  # names are no formulas
    "axes.titlesize": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def names(results: dict[str, Any]) -> list[str]:
    """The figures that these results hold the numbers of."""
    claims = any(row["claim"] for row in results["correlations"])
    first = FIRST if claims else FIRST[:1]
    return [
        name
        for name, (_, key) in FIGURES.items()
        if key in results and (results[key] or name in first)
    ]


def draw(name: str, results: dict[str, Any], form: str = "svg") -> bytes:
    """One of `names` as ``svg`` or ``png``."""
    with rc_context(STYLE):
        figure = FIGURES[name][0](results)
        out = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(out, format=form, metadata=metadata, dpi=200)
        return out.getvalue()


def scores_by_arm(results: dict[str, Any]) -> Figure:
    """Mean score with its interval: a panel per criterion, a row per arm."""
    arms, criteria = results["arms"], results["criteria"]
    columns = min(3, len(criteria))
    rows = -(-len(criteria) // columns)
    figure = Figure(
        figsize=(7.2, max(3.9, 0.7 + rows * (0.75 + _height(arms)))), layout="constrained"
    )
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for i, ax in enumerate(axes.flat):
        if i >= len(criteria):
            ax.set_axis_off()
            continue
        cells = [m for m in results["means"] if m["criterion"] == criteria[i]["key"]]
        low, high = criteria[i]["minimum"], criteria[i]["maximum"]
        for a, cell in enumerate(cells):
            _estimate(ax, cell, a, digits=score_digits(low, high))
        ax.set_title(criteria[i]["name"], loc="left")
        margin = 0.03 * (high - low) or 0.5  # all scores may be equal
        ax.set_xlim(low - margin, high + margin)
        ticks = sorted({low, (low + high) / 2, high})
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        _name_rows(ax, arms)
    figure.supxlabel("Mean score, 95 % interval", fontsize=9, color=QUIET)
    return figure


def metrics_and_readers(results: dict[str, Any]) -> Figure:
    """What is left of metric and score after prompt and arm: a panel per claim named in advance."""
    claims, arms = _claims(results), results["arms"]
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    axes = figure.subplots(1, len(claims), squeeze=False)[0]
    for ax, row in zip(axes, claims, strict=True):
        _residuals(ax, row, results)
    figure.supxlabel("Both without what prompt and arm explain", fontsize=9, color=QUIET)
    _key(figure, {arm: arms.index(arm) for arm in results["made"]})
    return figure


def preferred(results: dict[str, Any]) -> Figure:
    """By rankings, each arm's chance of being the best: among generators, and with real images."""
    fits = results["preference"]
    places = {arm: a for a, arm in enumerate(results["arms"])}
    height = max(_height([worth["arm"] for worth in fit["worths"]]) for fit in fits)
    figure = Figure(figsize=(7.2, 0.9 + 1.1 * height), layout="constrained")
    axes = figure.subplots(1, len(fits), squeeze=False)[0]
    for ax, fit in zip(axes, fits, strict=True):
        ax.set_title("With real images" if fit["real"] else "Generators", loc="left")
        if fit["reason"]:
            _say(ax, "Not estimable:\n" + _wrapped(fit["reason"]))
            continue
        for row, worth in enumerate(fit["worths"]):
            colour = places.get(worth["arm"], len(COLOURS) - 1)
            _estimate(ax, _times(worth, 100), row, colour=colour, digits=0)
        ax.set_xlim(-3, 103)
        _name_rows(ax, [worth["arm"] for worth in fit["worths"]])
    figure.supxlabel("Chance of being the best of all in %, 95 % interval", fontsize=9, color=QUIET)
    return figure


def following(results: dict[str, Any]) -> Figure:
    """How often each metric orders two arms of a case as readers do: a panel per criterion."""
    criteria = [
        c for c in results["criteria"]
        if any(row["criterion"] == c["key"] for row in results["following"])
    ]  # fmt: skip
    metrics = list(dict.fromkeys(row["metric_name"] for row in results["following"]))
    columns = min(3, len(criteria))
    rows = -(-len(criteria) // columns)
    figure = Figure(figsize=(7.2, 0.7 + rows * (0.75 + _height(metrics))), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for i, ax in enumerate(axes.flat):
        if i >= len(criteria):
            ax.set_axis_off()
            continue
        ax.set_title(criteria[i]["name"], loc="left")
        for cell in results["following"]:
            if cell["criterion"] == criteria[i]["key"]:
                place = metrics.index(cell["metric_name"])
                _estimate(ax, _times(cell, 100), place, colour=0, digits=0)
                if cell["value"] is not None:
                    chance = 100 * accuracy_by_chance(cell["ties"])
                    ends = place - 0.5, place + 0.5
                    ax.vlines(chance, *ends, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
        ax.set_xlim(-3, 103)
        _name_rows(ax, metrics)
    figure.supxlabel(
        "Two arms of a case ordered as readers did, in %, 95 % interval; dashed: chance",
        fontsize=9, color=QUIET,
    )  # fmt: skip
    return figure


def by_rank(results: dict[str, Any]) -> Figure:
    """The paper's Figure 6: metrics by rank with and without real images, and claims."""
    metrics = list(dict.fromkeys(row["metric"] for row in results["tiers"]))
    claims = [row for row in _claims(results) if row["metric"] in metrics]
    ranked = [True, False] if any(row["with_real"] for row in results["tiers"]) else [False]
    figure = Figure(figsize=(7.2, 0.6 + 2.3 * (len(ranked) + 1)), layout="constrained")
    axes = figure.subplots(len(ranked) + 1, len(claims), squeeze=False)
    for with_real, line in zip(ranked, axes, strict=False):
        beside = "with real images" if with_real else "generators alone"
        for ax, row in zip(line, claims, strict=True):
            _tiers(ax, row, results, with_real=with_real)
            ax.set_xlabel(f"Rank, {beside}")
    for ax, row in zip(axes[-1], claims, strict=True):
        _residuals(ax, row, results)
    for letter, line in zip("abc", axes, strict=False):
        line[0].set_title(f"({letter}) {line[0].get_title(loc='left')}", loc="left")
    _key(figure, {arm: results["arms"].index(arm) for arm in results["made"]})
    return figure


# On the first screen, where they say what isn't estimable; the second where there are claims.
FIRST = ("scores", "metrics")
# By name: the drawing, and the key of the results that it can't do without.
FIGURES: dict[str, tuple[Callable[[dict[str, Any]], Figure], str]] = {
    "scores": (scores_by_arm, "means"),
    "metrics": (metrics_and_readers, "residuals"),
    "preference": (preferred, "preference"),
    "tiers": (by_rank, "tiers"),
    "following": (following, "following"),
}


def _claims(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in results["correlations"] if row["claim"]]


def _residuals(ax: Axes, row: dict[str, Any], results: dict[str, Any]) -> None:
    """What is left of metric and score of one claim, in the colours of the arms."""
    better = described(results).get(row["metric"], {}).get("better", "neither")
    ax.set_xlabel(row["metric_name"] + _direction(better))
    ax.set_ylabel(row["name"])
    ax.locator_params(axis="x", nbins=4)
    points = {(p["metric"], p["criterion"]): p for p in results["residuals"]}
    left = points.get((row["metric"], row["criterion"]))
    if left is None:
        _say(ax, "Not estimable:\n" + _wrapped(row["reason"]))
        return
    x, y = np.array(left["x"]), np.array(left["y"])
    for i, arm in enumerate(left["arms"]):
        a = results["arms"].index(arm)
        ax.plot(
            x[:, i], y[:, i], MARKERS[a % 8], color=COLOURS[a % 8],
            markersize=4, alpha=0.75, markeredgewidth=0,
        )  # fmt: skip
    slope = (x * y).sum() / (x * x).sum()
    ends = np.array([x.min(), x.max()])
    ax.plot(ends, slope * ends, color=QUIET, linewidth=1)
    title = f"r = {number(row['value'], 2)}  ({interval(row, 2)})\n{p_value(row['p_holm'])}"
    ax.set_title(title + (" after Holm" if row["p_holm"] is not None else ""), loc="left")


def _tiers(ax: Axes, row: dict[str, Any], results: dict[str, Any], *, with_real: bool) -> None:
    """Mean of a metric by rank with its interval; ranks are no arms and have no colour."""
    cells = [
        tier for tier in results["tiers"]
        if tier["metric"] == row["metric"] and tier["with_real"] == with_real
        and tier["value"] is not None
    ]  # fmt: skip
    for cell in cells:
        if cell["low"] is not None:
            ax.plot(
                [cell["tier"]] * 2, [cell["low"], cell["high"]], color=INK, linewidth=2, alpha=0.6
            )
        ax.plot(cell["tier"], cell["value"], "o", color=INK, markersize=5)
    ax.set_ylabel(row["metric_name"])
    ax.set_xticks([cell["tier"] for cell in cells])
    ax.margins(x=0.15)


def _direction(better: str) -> str:
    return "" if better == "neither" else f" ({better} is better)"


def _times(share: dict[str, Any], factor: float) -> dict[str, Any]:
    return {k: None if share[k] is None else factor * share[k] for k in ("value", "low", "high")}


def _estimate(
    ax: Axes, cell: dict[str, Any], row: int, *, colour: int | None = None, digits: int = 1
) -> None:
    """A dot and its interval; `colour` is that of the arm in this place, the row's own if None."""
    place = row if colour is None else colour
    shade, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    if cell["value"] is None:
        ax.text(0, row, "not estimable", va="center", color=QUIET, fontsize=8)
        return
    if cell["low"] is not None:
        ax.plot([cell["low"], cell["high"]], [row, row], color=shade, linewidth=2, alpha=0.6)
    ax.plot(cell["value"], row, marker, color=shade, markersize=5.5)
    ax.annotate(
        number(cell["value"], digits), (cell["value"], row), (0, 5.5), textcoords="offset points",
        ha="center", fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
    )  # fmt: skip


def _name_rows(ax: Axes, names: Sequence[str]) -> None:
    """A row for each name, the first at the top."""
    ax.set_yticks(range(len(names)), _short(names))
    ax.set_ylim(len(names) - 0.4, -0.75)
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False, axis="y")


def _height(names: Sequence[str]) -> float:
    """Inches that a row for each takes."""
    lines = max((label.count("\n") + 1 for label in _short(names)), default=1)
    return max(0.27, 0.03 + 0.16 * lines) * len(names)


def _key(figure: Figure, arms: dict[str, int]) -> None:
    """Names of the arms in their colours above the panels, with a title saying what is shown."""
    handles = [
        Line2D([], [], color=COLOURS[a % 8], marker=MARKERS[a % 8], linestyle="", label=label)
        for label, a in zip(_short(list(arms)), arms.values(), strict=True)
    ]
    figure.legend(
        handles=handles, loc="outside upper left", ncols=max(1, min(4, len(arms))), frameon=False,
        handletextpad=0.1, columnspacing=1.2, borderaxespad=0.2,
    )  # fmt: skip


def _say(ax: Axes, text: str) -> None:
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=QUIET)
    ax.set_xticks([])
    ax.set_yticks([])


def _short(names: Sequence[str]) -> list[str]:
    """Both ends of long names; where several of them share both, the whole in lines of its own."""
    short = [name if len(name) <= 22 else f"{name[:11]}…{name[-10:]}" for name in names]
    return [
        _wrapped(name, 22) if short.count(label) > 1 else label
        for name, label in zip(names, short, strict=True)
    ]


def _wrapped(text: str, width: int = 26) -> str:
    return "\n".join(textwrap.wrap(text, width))
