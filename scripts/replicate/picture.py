"""The report's picture: power against sample size, the paper's next to ours."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flink_jobs.reports.charts import palette
from scripts.replicate.paper import SAMPLE_SIZES, TABLE_1A
from scripts.replicate.rates import Decisions
from scripts.replicate.tables import name

COLUMNS = 5
OURS, PAPER, CONTROL = (
    palette.STATISTIC_COLOUR,
    palette.DRIFT_COLOUR,
    palette.THRESHOLD_COLOUR,
)


def draw(decisions: Decisions, path: Path) -> None:
    """One small panel for each method, all on the same axes."""
    n_rows = -(-len(decisions.methods) // COLUMNS)
    figure, axes = plt.subplots(
        n_rows,
        COLUMNS,
        figsize=(2.6 * COLUMNS, 2.3 * n_rows + 0.6),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    panels = list(axes.flat)
    for panel, method in zip(panels, decisions.methods, strict=False):
        _panel(panel, decisions, method)
    _legend(figure, panels[len(decisions.methods) :])
    for panel in axes[:, 0]:
        panel.set_ylabel("share detected")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _panel(panel: Axes, decisions: Decisions, method: str) -> None:
    sizes = decisions.sample_sizes
    rates = [decisions.power(method, size) for size in sizes]
    panel.fill_between(
        sizes,
        [rate.interval[0] for rate in rates],
        [rate.interval[1] for rate in rates],
        color=OURS,
        alpha=0.15,
        linewidth=0,
    )
    panel.plot(sizes, [rate.value for rate in rates], color=OURS, marker="o", markersize=3.5)
    paper = [TABLE_1A[method][SAMPLE_SIZES.index(size)] for size in sizes]
    panel.plot(sizes, paper, color=PAPER, linestyle="--", marker="s", markersize=3)
    alarms = [decisions.false_alarms(method, size).value for size in sizes]
    panel.plot(sizes, alarms, color=CONTROL, linestyle=":", marker="x", markersize=3.5)
    panel.set_title(name(method), fontsize=10, fontweight="bold")
    panel.set_xscale("log")
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=60, fontsize=8)
    panel.tick_params(labelbottom=True)
    panel.minorticks_off()
    panel.set_ylim(0.0, 1.0)
    panel.grid(alpha=0.25, linewidth=0.5)
    panel.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, free: list[Axes]) -> None:
    for panel in free:
        panel.set_axis_off()
    handles = [
        Line2D([], [], color=OURS, marker="o", label="Loudly: MNIST-5k and digits (95 % interval)"),
        Line2D([], [], color=PAPER, marker="s", linestyle="--", label="paper: MNIST and CIFAR-10"),
        Line2D([], [], color=CONTROL, marker="x", linestyle=":", label="Loudly, nothing shifted"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    figure.supxlabel("rows in each sample", fontsize=10)
