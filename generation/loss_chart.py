"""The loss of a training as SVG: a panel for each stage, as their scales differ."""

import io
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure

LINE_COLOUR, INK, QUIET, GRID = "#0072B2", "#212529", "#6C757D", "#DEE2E6"
STYLE = {
    "svg.hashsalt": "blindread",  # else element ids differ from run to run
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.edgecolor": GRID,
    "axes.labelcolor": QUIET,
    "axes.titlecolor": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def loss_chart(history: Sequence[tuple[str, int, float]]) -> str:
    """SVG of points (stage, step, running mean loss), in order; at least one is needed."""
    stages = list(dict.fromkeys(stage for stage, _, _ in history))
    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        for ax, stage in zip(
            figure.subplots(1, len(stages), squeeze=False)[0], stages, strict=True
        ):
            points = [(step, loss) for name, step, loss in history if name == stage]
            steps, losses = zip(*points, strict=True)
            ax.plot(steps, losses, color=LINE_COLOUR, linewidth=1.5)
            ax.plot(steps[-1], losses[-1], "o", color=LINE_COLOUR, markersize=4)
            ax.set_title(f"{stage}: {losses[-1]:.4g} after step {steps[-1]}", loc="left")
            ax.set_xlabel("step")
            ax.set_ylim(bottom=0 if min(losses) >= 0 else None)
            ax.locator_params(axis="x", nbins=5, integer=True)
        figure.supylabel("Loss, running mean", fontsize=9, color=QUIET)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
