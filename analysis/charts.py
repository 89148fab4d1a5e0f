"""Charts as SVG: the same numbers give the same bytes. Intervals always; colour never alone."""

import io
import textwrap
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.metrics import METRICS
from analysis.sentences import interval, number, p_value
from analysis.statistics.correlation import Table

# Okabe and Ito's palette, told apart by the colour-blind; an arm keeps its colour and marker.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, QUIET, LINE = "#212529", "#6C757D", "#DEE2E6"
STYLE = {
    "svg.hashsalt": "blindread",  # else element ids differ from run to run
    "font.family": "DejaVu Sans",
    "font.size": 9,
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


def scores_by_arm(results: dict[str, Any]) -> str:
    """Mean score with its interval: a panel per criterion, a row per arm."""
    arms, criteria = results["arms"], results["criteria"]
    columns = min(3, len(criteria))
    rows = -(-len(criteria) // columns)
    with rc_context(STYLE):
        figure = Figure(
            figsize=(7.2, max(3.9, 0.7 + rows * (0.75 + 0.27 * len(arms)))), layout="constrained"
        )
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for i, ax in enumerate(axes.flat):
            if i >= len(criteria):
                ax.set_axis_off()
                continue
            cells = [m for m in results["means"] if m["criterion"] == criteria[i]["key"]]
            for a, cell in enumerate(cells):
                _estimate(ax, cell, a)
            ax.set_title(criteria[i]["name"], loc="left")
            low, high = criteria[i]["minimum"], criteria[i]["maximum"]
            ax.set_xlim(low - 0.3, high + 0.3)
            ax.set_xticks(
                [low, (low + high) / 2, high], [f"{t:g}" for t in (low, (low + high) / 2, high)]
            )
            ax.set_yticks(range(len(arms)), [_short(a) for a in arms])
            ax.set_ylim(len(arms) - 0.4, -0.75)
            ax.spines["left"].set_visible(False)
            ax.grid(visible=False, axis="y")
        figure.supxlabel("Mean score, 95 % interval over prompts", fontsize=9, color=QUIET)
        return _svg(figure)


def metrics_and_readers(results: dict[str, Any], tables: dict[tuple[str, str], Table]) -> str:
    """What is left of metric and score after prompt and arm: a panel per claim named in advance."""
    claims = [row for row in results["correlations"] if row["claim"]]
    arms = results["arms"]
    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.9), layout="constrained")
        axes = figure.subplots(1, len(claims), squeeze=False)[0]
        for ax, row in zip(axes, claims, strict=True):
            joined = tables.get((row["metric"], row["criterion"]))
            metric = METRICS[row["metric"]]
            ax.set_xlabel(f"{metric.name} ({metric.better} is better)")
            ax.set_ylabel(row["name"])
            ax.locator_params(axis="x", nbins=4)
            if joined is None:
                _say(ax, "Not estimable:\n" + _wrapped(row["reason"]))
                continue
            x, y = joined.residuals()
            for a in range(len(arms)):
                ax.plot(
                    x[:, a], y[:, a], MARKERS[a % 8], color=COLOURS[a % 8],
                    markersize=4, alpha=0.75, markeredgewidth=0,
                )  # fmt: skip
            slope = (x * y).sum() / (x * x).sum()
            ends = np.array([x.min(), x.max()])
            ax.plot(ends, slope * ends, color=QUIET, linewidth=1)
            title = f"r = {number(row['value'], 2)}  ({interval(row, 2)})\n{p_value(row['p_holm'])}"
            ax.set_title(title + (" after Holm" if row["p_holm"] is not None else ""), loc="left")
        figure.supxlabel("Both without what prompt and arm explain", fontsize=9, color=QUIET)
        _key(figure, arms)
        return _svg(figure)


def _estimate(ax: Axes, cell: dict[str, Any], row: int) -> None:
    colour = COLOURS[row % len(COLOURS)]
    if cell["value"] is None:
        ax.text(0, row, "no scores", va="center", color=QUIET, fontsize=8)
        return
    if cell["low"] is not None:
        ax.plot([cell["low"], cell["high"]], [row, row], color=colour, linewidth=2, alpha=0.6)
    ax.plot(cell["value"], row, MARKERS[row % len(MARKERS)], color=colour, markersize=5.5)
    ax.annotate(
        number(cell["value"], 1), (cell["value"], row), (0, 5.5), textcoords="offset points",
        ha="center", fontsize=8,
    )  # fmt: skip


def _key(figure: Figure, arms: list[str]) -> None:
    """Names of the arms in their colours above the panels, with a title saying what is shown."""
    handles = [
        Line2D([], [], color=COLOURS[a % 8], marker=MARKERS[a % 8], linestyle="", label=_short(arm))
        for a, arm in enumerate(arms)
    ]
    figure.legend(
        handles=handles, loc="outside upper left", ncols=min(4, len(arms)), frameon=False,
        handletextpad=0.1, columnspacing=1.2, borderaxespad=0.2,
    )  # fmt: skip


def _say(ax: Axes, text: str) -> None:
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=QUIET)
    ax.set_xticks([])
    ax.set_yticks([])


def _short(name: str) -> str:
    return name if len(name) <= 22 else name[:21] + "…"


def _wrapped(text: str, width: int = 26) -> str:
    return "\n".join(textwrap.wrap(text, width))


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
