"""Results in a notebook: the report's charts as plotly's figures, accuracy, and an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
from plotly.graph_objects import Figure

from flink_jobs.evaluation.accuracy import accuracy_table
from flink_jobs.evaluation.evaluate import Evaluation, evaluate_result
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.known_drifts.truth import DriftInterval, read_truth
from flink_jobs.records.alerts import MAIN_DETECTOR, MAIN_VIEW, Alert, Score
from flink_jobs.records.evidence import Place
from flink_jobs.records.shown import shown, shown_html
from flink_jobs.records.wording import count
from flink_jobs.replay.result import BacktestResult
from flink_jobs.reports import verdict
from flink_jobs.reports.charts import calendar, moved
from flink_jobs.reports.charts.accuracy_line import AccuracyLine
from flink_jobs.reports.charts.timeline import timeline
from flink_jobs.reports.incidents import IncidentView, strongest, views_of
from flink_jobs.reports.notebook_look import finished, side_by_side, with_its_size
from flink_jobs.reports.streams import StreamView, read_streams
from flink_jobs.reports.words import clock

Truth: TypeAlias = str | Path | Sequence[DriftInterval]
_N_COLUMNS = 1_200
_MOST_NAMED = 20


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
    return finished(chart, _heading(seen))


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
    seen, alert, found = _incident(result, model, view, detector, incident, place)
    lines = [
        f"{_heading(seen)}: what moved, window until {clock(alert.window.end_ms)} UTC",
        "filled: the reference; line: the window" if found.is_whole else "",
        shown_html(found.note),
    ]
    return side_by_side(found, [line for line in lines if line])


def moved_columns_figure(
    result: BacktestResult,
    model: str,
    detector: str = MAIN_DETECTOR,
    *,
    view: str | None = None,
    incident: int = 0,
    place: Place = "strongest",
) -> Figure:
    """Draw all columns of an incident of drift by how much they moved, as the report does.

    The parameters and errors are those of :func:`moved_figure`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    seen, alert, found = _incident(result, model, view, detector, incident, place)
    drawn = moved.chart([each.moved for each in found.table], [each.name for each in found.table])
    title = f"{_heading(seen)}: what moved, window until {clock(alert.window.end_ms)} UTC"
    return with_its_size(drawn, title)


def calendar_figure(
    result: BacktestResult,
    model: str,
    detector: str = MAIN_DETECTOR,
    *,
    view: str | None = None,
) -> Figure:
    """Draw the windows of a model by day and hour, as the report does.

    Parameters
    ----------
    result : BacktestResult
    model, detector : str
    view : str, optional
        One of several views of the model; the main or else the first one.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    BacktestError
        When the result has nothing of such a model and detector, or covers fewer than three days.
    """
    seen = _stream(result, model, view, detector)
    drawn = calendar.of_windows(seen.windows)
    if drawn is None:
        raise BacktestError(
            f"the windows of {_title(seen)} cover fewer than {calendar.LEAST_DAYS} days: a "
            "calendar of them would compare nothing"
        )
    title = f"{_heading(seen)}: {calendar.sentence(drawn)}"
    return with_its_size(calendar.chart(drawn), title)


def overview_figure(result: BacktestResult, *, truth: Truth | None = None) -> Figure:
    """Draw all models in one picture, the worst first, as the report does.

    Parameters
    ----------
    result : BacktestResult
    truth : str, Path or sequence of DriftInterval, optional
        By these, as :func:`evaluate` takes them, models that missed a drift come first.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    evaluation = None if truth is None else evaluate(result, truth)
    seen = verdict.overview(evaluation, read_streams(result.scores(), result.alerts()))
    return with_its_size(seen.figure(), seen.sentence)


def _incident(
    result: BacktestResult,
    model: str,
    view: str | None,
    detector: str,
    incident: int,
    place: Place,
) -> tuple[StreamView, Alert, IncidentView]:
    """Find an incident, and show it at its first or its strongest window with an alert."""
    seen = _stream(result, model, view, detector)
    try:
        started = seen.started[incident]
    except IndexError:
        n = count(len(seen.started), "incident")
        raise BacktestError(
            f"{_title(seen)} had {n} of drift, and number {incident} is none of "
            "them; they are counted from 0"
        ) from None
    alert = started if place == "first" else strongest(seen, started)
    return seen, alert, views_of([(started, alert)], result)[started.incident_id]


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


def _title(view: StreamView) -> str:
    return shown(view.name)


def _heading(view: StreamView) -> str:
    return shown_html(_title(view))
