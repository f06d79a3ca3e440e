"""The timelines as a PNG, drawn by matplotlib, for chats and documents."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from flink_jobs.histories.known_drifts.truth import DriftInterval
from flink_jobs.records.alerts import Alert, Cause
from flink_jobs.records.shown import shown_in_plot
from flink_jobs.records.wording import count
from flink_jobs.reports import verdict
from flink_jobs.reports.charts import palette
from flink_jobs.reports.charts.accuracy_line import AccuracyLine
from flink_jobs.reports.charts.timeline import thinned
from flink_jobs.reports.page import Contents
from flink_jobs.reports.streams import StreamView
from flink_jobs.reports.words import about
from flink_jobs.times import between

MOST_PANELS = 12
_N_COLUMNS = 1_200
_INK = "#222222"
_LINE = 150
"""Characters of the note below that fit side by side."""
_NAME = 90
"""Characters of a model's name that leave room for its verdict."""
_CHARACTER = 0.0075
"""How much of a panel's width a character of a label takes."""
_TONES = {"good": palette.RECOVERED_COLOUR, "bad": palette.DRIFT_COLOUR, "plain": _INK}


def write_png(contents: Contents, path: Path) -> None:
    """Write :func:`draw`'s figure."""
    draw(contents).savefig(path)


def draw(contents: Contents) -> Figure:
    """Draw one panel under the other on a common axis of event time.

    What went wrong comes first, drifts that nothing found among it, then what has alerts.
    """
    lines = verdict.lines(contents.evaluation, contents.views)
    lines.sort(key=lambda line: line.tone != "bad" and not contents.views[line.place].alerts)
    shown = lines[:MOST_PANELS]
    n_panels = max(1, len(shown))
    # Figure without pyplot: no global state, and no display is looked for.
    layout = ConstrainedLayoutEngine(h_pad=0.08)
    figure = Figure(figsize=(11, 1.9 * n_panels + 1.4), dpi=130, layout=layout)
    FigureCanvasAgg(figure)
    figure.suptitle(
        verdict.headline(contents.evaluation, contents.views)[1],
        x=0.012,
        ha="left",
        fontsize=16,
        fontweight="bold",
        color=_INK,
    )
    axes = np.atleast_1d(figure.subplots(n_panels, sharex=True))
    # Before the panels: where a label fits depends on it.
    axes[-1].set_xlim(*_days(np.array(_span(contents))))
    for axis, line in zip(axes, shown, strict=False):
        _panel(axis, line, contents)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(
        ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    )
    figure.supxlabel(
        textwrap.fill(shown_in_plot(_note(contents, len(shown))), _LINE),
        x=0.012,
        ha="left",
        fontsize=9.5,
        color=palette.THRESHOLD_COLOUR,
    )
    return figure


def _span(contents: Contents) -> tuple[float, float]:
    ends = [float(view.windows.end_ms.max(initial=0.0)) for view in contents.views]
    return contents.span_ms[0], max([contents.span_ms[1], contents.span_ms[0] + 1, *ends])


def _note(contents: Contents, n_shown: int) -> str:
    summary = contents.result.summary
    left_out = len(contents.views) - n_shown
    parts = [
        f"{count(summary.n_events, 'event')} of {Path(summary.source).name or summary.source}",
        between(summary.start_ms, summary.end_ms),
        "shaded: true drifts" if contents.drifts else "",
        "" if isinstance(contents.accuracy, str) else "dotted: accuracy",
        "dashed: threshold",
        "■ window that drifts",
        *(f"{symbol.sign} {symbol.name}" for symbol in palette.KINDS.values()),
        f"{count(left_out, 'further timeline')} not drawn" if left_out else "",
    ]
    return "; ".join(filter(None, parts))


def _panel(axis: Axes, line: verdict.Line, contents: Contents) -> None:
    view, span = contents.views[line.place], _span(contents)
    axis.set_title(
        shown_in_plot(_shortened(line.name)), loc="left", fontsize=11, fontweight="bold", color=_INK
    )
    sign = "" if line.tone == "plain" else f"{verdict.SIGNS[line.tone]} "
    axis.set_title(f"{sign}{line.word}", loc="right", fontsize=11, color=_TONES[line.tone])
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(colors=_INK, labelsize=9)
    axis.grid(axis="y", color="#E4E4E4", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_ylabel(f"{view.test} statistic", fontsize=9, color=_INK)
    _lines(axis, view)
    top = 1.2 * axis.get_ylim()[1]
    axis.set_ylim(0, top)
    for drift in contents.drifts:
        if drift.concerns(view.model):
            _drift(axis, drift, span, top)
    _marks(axis, view, top)
    if not isinstance(contents.accuracy, str):
        _accuracy(axis, AccuracyLine.of(contents.accuracy, view.model))


def _accuracy(axis: Axes, line: AccuracyLine) -> None:
    """Against an axis of its own, to the right."""
    if not line:
        return
    other = axis.twinx()
    # Names and marks stay above it.
    axis.set_zorder(other.get_zorder() + 1)
    axis.patch.set_visible(False)
    other.plot(
        _days(line.end_ms),
        line.accuracy,
        color=palette.ACCURACY_COLOUR,
        linestyle=":",
        linewidth=1.4,
    )
    other.set_ylim(0, 1.05)
    other.set_ylabel("accuracy", fontsize=9, color=_INK)
    other.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    other.tick_params(colors=_INK, labelsize=9)
    other.spines[["top", "left"]].set_visible(False)


def _lines(axis: Axes, view: StreamView) -> None:
    shown = view.windows.take(thinned(view.windows, _N_COLUMNS))
    times = _days(shown.end_ms)
    axis.plot(
        times, shown.threshold, color=palette.THRESHOLD_COLOUR, linestyle=(0, (4, 3)), linewidth=1.2
    )
    axis.plot(times, shown.statistic, color=palette.STATISTIC_COLOUR, linewidth=1.6)
    drifting = shown.take(shown.is_drift > 0)
    axis.plot(
        _days(drifting.end_ms), drifting.statistic, "s", color=palette.DRIFT_COLOUR, markersize=3.5
    )


def _drift(axis: Axes, drift: DriftInterval, span: tuple[float, float], top: float) -> None:
    inside = max(drift.start_ms, span[0]), min(drift.end_ms, span[1])
    if inside[0] >= inside[1]:
        return
    begin, end = _days(np.array(inside, dtype=np.float64)).tolist()
    colour = palette.TRUTH_COLOUR
    axis.axvspan(begin, end, facecolor=colour, alpha=0.18, edgecolor=colour, linewidth=1.2)
    axis.annotate(
        shown_in_plot(drift.name or "true drift"),
        (begin, top),
        xytext=(4, -3),
        textcoords="offset points",
        va="top",
        fontsize=9,
        color=_INK,
    )


def _marks(axis: Axes, view: StreamView, top: float) -> None:
    for kind, symbol in palette.KINDS.items():
        of_kind = [alert for alert in view.alerts if alert.kind is kind]
        heights = [
            alert.statistic
            if alert.cause is Cause.DRIFT and alert.statistic is not None
            else 0.92 * top
            for alert in of_kind
        ]
        days = _days(np.array([alert.window.end_ms for alert in of_kind], dtype=np.float64))
        axis.plot(
            days,
            heights,
            linestyle="",
            marker=symbol.matplotlib,
            color=symbol.colour,
            markersize=9,
            markeredgecolor="white",
            zorder=5,
        )
    _labels(axis, [alert for alert in view.alerts if alert.cause is not Cause.DRIFT], top)


def _labels(axis: Axes, alerts: Sequence[Alert], top: float) -> None:
    """Write alerts of other causes below their marks, each where there is room for it."""
    days = _days(np.array([alert.window.end_ms for alert in alerts], dtype=np.float64))
    begin, end = axis.get_xlim()
    free_from = [begin] * 2
    for alert, day in zip(alerts, days.tolist(), strict=True):
        text = about(alert)
        length = (len(text) + 3) * _CHARACTER * (end - begin)
        line = next((line for line, free in enumerate(free_from) if free <= day), None)
        if line is None:
            continue
        free_from[line] = day + length
        is_at_end = day + length > end
        axis.annotate(
            text,
            (day, (0.8 - 0.13 * line) * top),
            xytext=(4 if is_at_end else -4, 0),
            textcoords="offset points",
            ha="right" if is_at_end else "left",
            va="center",
            fontsize=9,
            color=_INK,
            # Lines that cross it would make it hard to read.
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1},
        )


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _days(times_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matplotlib's unit of time; what lies beyond the year 9999 is drawn there."""
    clipped = np.minimum(times_ms, 253_402_300_799_000).astype("datetime64[ms]")
    return np.asarray(date2num(clipped), dtype=np.float64)  # type: ignore[no-untyped-call]
