"""Results in a notebook: the report's charts as plotly's figures, accuracy, and an evaluation."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from plotly.graph_objects import Figure
from plotly.subplots import make_subplots

from flink_jobs.evaluation.accuracy import accuracy_table
from flink_jobs.evaluation.evaluate import Evaluation, evaluate_result
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.known_drifts.truth import DriftInterval, read_truth
from flink_jobs.records.alerts import MAIN_DETECTOR, MAIN_VIEW, Alert, Score
from flink_jobs.records.evidence import Place
from flink_jobs.records.shown import shown, shown_html, shown_lines
from flink_jobs.records.wording import count
from flink_jobs.replay.result import BacktestResult
from flink_jobs.reports.charts.accuracy_line import AccuracyLine
from flink_jobs.reports.charts.timeline import timeline
from flink_jobs.reports.incidents import IncidentView, strongest, views_of
from flink_jobs.reports.streams import StreamView, read_streams
from flink_jobs.reports.words import clock

Truth: TypeAlias = str | Path | Sequence[DriftInterval]
_N_COLUMNS = 1_200
_PER_ROW = 3
_MOST_NAMED = 20
# Above what moved: the names of the columns, and a line of the title.
_TOP_PX, _LINE_PX = 30, 24
# Between charts side by side, of the figure's width: names of categories stand there.
_BESIDE = 0.15
_ROW_PX, _AXIS_PX, _TITLE_LINE_PX, _TITLE_CHARACTERS = 150, 64, 17, 40
_LOOK: dict[str, Any] = {
    "template": "plotly_white",
    "showlegend": False,
    "hovermode": "closest",
    "bargap": 0,
    "margin": {"t": 80, "b": 50, "l": 60, "r": 20},
}


def evaluate(result: BacktestResult, truth: Truth, *, tolerance_ms: int = 0) -> Evaluation:
    """Hold the alerts of a result against labelled drifts.

    Parameters
    ----------
    result : BacktestResult
    truth : str, Path or sequence of DriftInterval
        The drifts, or a file of them, see
        :func:`~flink_jobs.histories.known_drifts.truth.read_truth`.
    tolerance_ms : int
        An alarm within this time after the end of a drift is still one of it.

    Returns
    -------
    Evaluation
        Its ``to_table()`` and ``to_frame()`` show the figures.

    Raises
    ------
    ConfigError
        When the file cannot be used.
    """
    return evaluate_result(result, _drifts(truth), tolerance_ms=tolerance_ms)


def accuracy(result: BacktestResult, *, every_ms: int | None = None) -> pa.Table:
    """Return the accuracy of each model over time, where the history had labels and outputs.

    Parameters
    ----------
    result : BacktestResult
    every_ms : int, optional
        The length of each stretch, in whole panes; a hundredth of the history if left out.

    Returns
    -------
    pyarrow.Table
        See :func:`~flink_jobs.evaluation.accuracy.accuracy_table`.
    """
    return accuracy_table(result, every_ms)


def figure(
    result: BacktestResult,
    model: str,
    detector: str = MAIN_DETECTOR,
    *,
    view: str | None = None,
    truth: Truth = (),
) -> Figure:
    """Draw statistic, threshold, alerts and true drifts against event time, as the report does.

    Where the history had labels, accuracy stands next to the statistic.

    Parameters
    ----------
    result : BacktestResult
    model, detector : str
    view : str, optional
        One of several views of the model; the main or else the first one.
    truth : str, Path or sequence of DriftInterval
        As :func:`evaluate` takes it.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    BacktestError
        When the result has nothing of such a model and detector.
    """
    seen = _stream(result, model, view, detector)
    own = [drift for drift in _drifts(truth) if drift.concerns(model)]
    span_ms = float(result.summary.start_ms), float(result.summary.end_ms)
    has_labels = result.accuracy() is not None
    line = AccuracyLine.of(accuracy_table(result), model) if has_labels else None
    chart = timeline(seen, own, span_ms, n_columns=_N_COLUMNS, accuracy=line)
    return _finished(chart, shown_html(_title(seen)))


def moved_figure(
    result: BacktestResult,
    model: str,
    detector: str = MAIN_DETECTOR,
    *,
    view: str | None = None,
    incident: int = 0,
    place: Place = "strongest",
) -> Figure:
    """Draw the columns that moved in an incident of drift, at its strongest window with an alert.

    Numbers are drawn by the events that the monitor kept as evidence; without evidence by the
    quantiles that the alert has.

    Parameters
    ----------
    result : BacktestResult
    model, detector : str
    view : str, optional
        One of several views of the model; the main or else the first one.
    incident : int
        Its number, in the order in which they began; negative ones count from the last.
    place : str
        ``first`` for the window that began the incident.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    BacktestError
        When there is no such incident.
    """
    seen = _stream(result, model, view, detector)
    try:
        started = seen.started[incident]
    except IndexError:
        n = count(len(seen.started), "incident")
        raise BacktestError(
            f"{_title(seen)} had {n} of drift, and number {incident} is none of "
            "them; they are counted from 0"
        ) from None
    pair = started, started if place == "first" else strongest(seen, started)
    moved = views_of([pair], result)[started.incident_id]
    lines = [
        f"{shown_html(_title(seen))}: what moved, window until {clock(pair[1].window.end_ms)} UTC",
        "filled: the reference; line: the window" if moved.is_whole else "",
        shown_html(moved.note),
    ]
    said = [line for line in lines if line]
    drawn = _of_columns(moved)
    n_lines = drawn.layout.meta or 0
    top_px = _TOP_PX + _LINE_PX * len(said) + _TITLE_LINE_PX * n_lines
    height = drawn.layout.height + top_px + _LOOK["margin"]["b"]
    figure = _finished(drawn, "<br>".join(said))
    at_the_top = {"y": 1, "yanchor": "top", "yref": "container", "pad_t": 24}
    return figure.update_layout(title=at_the_top, margin_t=top_px, height=height, meta=None)


def _drifts(truth: Truth) -> Sequence[DriftInterval]:
    return read_truth(Path(truth)) if isinstance(truth, str | Path) else truth


def _stream(result: BacktestResult, model: str, view: str | None, detector: str) -> StreamView:
    """Only what is shown is kept of the scores."""

    def is_meant(record: Score | Alert) -> bool:
        is_of_view = view is None or record.view == view
        return is_of_view and record.model == model and record.detector == detector

    streams = read_streams(filter(is_meant, result.scores()), filter(is_meant, result.alerts()))
    if streams:
        return next((each for each in streams if each.view == MAIN_VIEW), streams[0])
    known = ", ".join(sorted(result.summary.models)[:_MOST_NAMED]) or "none"
    of_view = "" if view is None else f", view {view!r}"
    raise BacktestError(
        f"the result has no score of model {model!r}{of_view} and detector {detector!r}; its "
        f"models are {known}"
    )


def _of_columns(seen: IncidentView) -> Figure:
    charts = [(each, each.chart) for each in seen.columns if each.chart is not None]
    if not charts:
        return _effect_sizes(seen)
    titles = [_wrapped(f"{each.short_name}: {each.words}") for each, _ in charts]
    heights = _row_heights([chart for _, chart in charts])
    # What stands between rows: an axis' numbers, its unit, and the lines of the title below.
    n_lines = max(title.count("<br>") + 1 for title in titles)
    between = _AXIS_PX + _TITLE_LINE_PX * n_lines
    height = sum(heights) + between * (len(heights) - 1)
    figure = make_subplots(
        len(heights),
        min(_PER_ROW, len(charts)),
        subplot_titles=titles,
        row_heights=heights,
        horizontal_spacing=_BESIDE,
        vertical_spacing=between / height if len(heights) > 1 else 0.0,
    )
    figure.update_annotations(font_size=12)
    for place, (_, chart) in enumerate(charts):
        row, column = divmod(place, _PER_ROW)
        at = {"row": row + 1, "col": column + 1}
        figure.add_traces(chart.data, rows=at["row"], cols=at["col"])
        figure.update_xaxes(chart.layout.xaxis, **at)
        figure.update_yaxes(chart.layout.yaxis, **at)
    # Bars of two samples stand where they are told to.
    figure.update_layout(height=height, barmode="overlay", meta=n_lines)
    return figure


def _row_heights(charts: Sequence[Figure]) -> list[int]:
    """Give each row of charts what its highest one needs."""
    each = [max(_ROW_PX, chart.layout.height or 0) for chart in charts]
    return [max(each[start : start + _PER_ROW]) for start in range(0, len(each), _PER_ROW)]


def _wrapped(text: str) -> str:
    """Break a title where the one beside it begins."""
    return "<br>".join(map(shown_html, textwrap.wrap(shown_lines(text), _TITLE_CHARACTERS)))


def _effect_sizes(seen: IncidentView) -> Figure:
    """Draw how far each column moved, where nothing is known of its values."""
    names = [shown_html(each.name) for each in seen.columns]
    sizes = [each.moved.statistic for each in seen.columns]
    figure = Figure({"type": "bar", "orientation": "h", "x": sizes, "y": names})
    figure.update_xaxes(title="effect size", range=[0, 1])
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure.update_layout(height=40 + 30 * len(names), bargap=0.4)


def _title(view: StreamView) -> str:
    return shown(view.name)


def _finished(figure: Figure, title: str) -> Figure:
    """Give a figure plotly's own look. Plotly checks it, since users change it further."""
    checked = Figure(figure.data, figure.layout)
    return checked.update_layout(title={"text": title}, **_LOOK)
