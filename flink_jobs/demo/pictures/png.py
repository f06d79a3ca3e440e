"""The picture as PNG, drawn by matplotlib."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from flink_jobs.demo.pictures import contents as look
from flink_jobs.demo.pictures.contents import Line, Panel, Picture
from flink_jobs.records.alerts import AlertKind
from flink_jobs.reports.charts import palette

_INK = "#222222"
_LABEL_SHARE = 0.13
"""Of the height of a panel, for one line of small text."""
_MARKERS = {
    AlertKind.STARTED: ("^", palette.DRIFT_COLOUR, "alert", "bottom", 9),
    AlertKind.RECOVERED: ("v", palette.RECOVERED_COLOUR, "recovered", "top", -9),
}


def write_png(picture: Picture, path: Path) -> None:
    """Draw one panel under the other, on a common axis of event time."""
    # Figure without pyplot: no global state, and no display is looked for.
    layout = ConstrainedLayoutEngine(h_pad=0.07)
    figure = Figure(figsize=(11, 2.15 * len(picture.panels) + 1.3), dpi=150, layout=layout)
    FigureCanvasAgg(figure)
    figure.suptitle(picture.title, x=0.012, ha="left", fontsize=15, fontweight="bold", color=_INK)
    axes = np.atleast_1d(figure.subplots(len(picture.panels), sharex=True))
    for axis, panel in zip(axes, picture.panels, strict=True):
        _draw(axis, panel)
    axes[-1].xaxis.set_major_locator(AutoDateLocator(maxticks=9))  # type: ignore[no-untyped-call]
    axes[-1].xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]
    notes = "\n".join(picture.notes)
    figure.supxlabel(notes, x=0.012, ha="left", fontsize=9.5, color=palette.THRESHOLD_COLOUR)
    figure.savefig(path)


def _draw(axis: Axes, panel: Panel) -> None:
    top = panel.top
    axis.set_ylim(0, top)
    _draw_frame(axis, panel)
    begin, end = map(_days, look.REFERENCE_SPAN)
    axis.axvspan(begin, end, color=look.REFERENCE_FILL, linewidth=0)
    axis.text((begin + end) / 2, top / 2, "reference", ha="center", va="center", color="#777777")
    for line in panel.lines:
        _draw_line(axis, line)
    _name_lines(axis, panel, top)
    _draw_drift(axis, panel, top)
    _draw_marks(axis, panel)


def _draw_frame(axis: Axes, panel: Panel) -> None:
    axis.set_title(panel.heading, loc="left", fontsize=11, fontweight="bold", color=_INK)
    colour = palette.RECOVERED_COLOUR if panel.is_right else palette.DRIFT_COLOUR
    sign = "✔" if panel.is_right else "✘"
    axis.set_title(f"{sign} {panel.verdict}", loc="right", fontsize=11, color=colour)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(colors=_INK, labelsize=9)
    axis.grid(axis="y", color="#E4E4E4", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.margins(x=0.01)


def _draw_line(axis: Axes, line: Line) -> None:
    if not line.times:
        return
    times, statistics = np.array([*map(_days, line.times)]), np.array(line.statistics)
    thresholds = np.array(line.thresholds)
    axis.fill_between(
        times,
        thresholds,
        statistics,
        where=(statistics >= thresholds).tolist(),
        color=line.colour,
        alpha=0.18,
        interpolate=True,
        linewidth=0,
    )
    axis.plot(times, thresholds, color=line.colour, linestyle=(0, (4, 3)), linewidth=1.0)
    axis.plot(times, statistics, color=line.colour, linewidth=1.8)
    axis.plot(times, statistics, "o", color=line.colour, markersize=3.2)


def _name_lines(axis: Axes, panel: Panel, top: float) -> None:
    """Write each view next to the end of its line, apart from the other where both end together."""
    drawn = sorted(
        (line for line in panel.lines if line.times), key=lambda line: line.statistics[-1]
    )
    ends = [line.statistics[-1] for line in drawn]
    if len(ends) > 1 and ends[1] - ends[0] < _LABEL_SHARE * top:
        middle = max(sum(ends) / len(ends), _LABEL_SHARE * top / 2)
        ends = [middle - _LABEL_SHARE * top / 2, middle + _LABEL_SHARE * top / 2]
    for line, end in zip(drawn, ends, strict=True):
        axis.annotate(
            line.view,
            (_days(line.times[-1]), end),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=line.colour,
            annotation_clip=False,
        )


def _draw_drift(axis: Axes, panel: Panel, top: float) -> None:
    if panel.drift_time is None:
        return
    axis.axvline(_days(panel.drift_time), color=_INK, linewidth=1.2)
    axis.annotate(
        panel.change,
        (_days(panel.drift_time), top),
        xytext=(5, -3),
        textcoords="offset points",
        va="top",
        fontsize=9,
        color=_INK,
    )


def _draw_marks(axis: Axes, panel: Panel) -> None:
    for mark in (mark for line in panel.lines for mark in line.marks):
        marker, colour, *_ = _MARKERS[mark.kind]
        axis.plot(
            [_days(mark.time)],
            [mark.statistic],
            marker,
            color=colour,
            markersize=10,
            markeredgecolor="white",
            clip_on=False,
            zorder=5,
        )
    for mark in panel.labelled:
        _, colour, label, side, distance = _MARKERS[mark.kind]
        axis.annotate(
            label,
            (_days(mark.time), mark.statistic),
            xytext=(0, distance),
            textcoords="offset points",
            ha="center",
            va=side,
            fontsize=9,
            color=colour,
        )


def _days(moment: datetime) -> float:
    """Matplotlib's unit of time."""
    return float(date2num(moment))  # type: ignore[no-untyped-call]
