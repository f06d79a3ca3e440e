"""What a notebook shows of a result: the report's charts as plotly's figures, and a summary."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from markupsafe import Markup
from plotly.graph_objects import Figure
from plotly.subplots import make_subplots

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.evaluation.accuracy import accuracy_table, reading_outputs, stretch_ms
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.in_memory import at_hand
from flink_jobs.histories.known_drifts.truth import DriftInterval
from flink_jobs.records.alerts import MAIN_DETECTOR, Alert
from flink_jobs.replay.result import BacktestResult, BacktestSummary
from flink_jobs.reports.charts.accuracy_line import AccuracyLine
from flink_jobs.reports.charts.packing import unpacked
from flink_jobs.reports.charts.timeline import timeline
from flink_jobs.reports.incidents import IncidentView, strongest, views_of
from flink_jobs.reports.streams import StreamView, read_streams
from flink_jobs.reports.words import between, clock, count

_N_COLUMNS = 1_200
_PER_ROW = 3
_MOST_MODELS = 20
# Above what moved: the names of the dimensions, and a line of the title.
_TOP_PX, _LINE_PX = 50, 24
_LOOK = {
    "template": "plotly_white",
    "showlegend": False,
    "hovermode": "closest",
    "bargap": 0,
    "margin": {"t": 80, "b": 50, "l": 60, "r": 20},
}


def timeline_figure(
    result: BacktestResult,
    model: str,
    detector: str,
    drifts: Sequence[DriftInterval],
    history: Any = None,
) -> Figure:
    """The timeline of a stream; see :meth:`BacktestResult.figure`."""
    view = _view(result, model, detector)
    own = [drift for drift in drifts if drift.concerns(model)]
    span_ms = float(result.summary.start_ms), float(result.summary.end_ms)
    chart = timeline(view, own, span_ms, n_columns=_N_COLUMNS)
    if history is not None:
        line = AccuracyLine.of(accuracy_of(result, history, None), model)
        chart = line.drawn_on(chart)
    figure = Figure(unpacked(chart))
    return _finished(figure, _title(view))


def accuracy_of(result: BacktestResult, history: Any, every_ms: int | None) -> pa.Table:
    """Accuracy over time; see :meth:`BacktestResult.accuracy_table`."""
    summary = result.summary
    length_ms = every_ms or stretch_ms(result.config, summary.start_ms, summary.end_ms)
    with at_hand(history, [reading_outputs(result.config)]) as named:
        return accuracy_table(named, result.config, length_ms)


def moved_figure(
    result: BacktestResult, model: str, detector: str, incident: int, history: Any
) -> Figure:
    """What moved in an incident; see :meth:`BacktestResult.moved_figure`."""
    view = _view(result, model, detector)
    try:
        started = view.started[incident]
    except IndexError:
        n = count(len(view.started), "incident")
        raise BacktestError(
            f"{_title(view)} had {n} of drift, and number {incident} is none of "
            "them; they are counted from 0"
        ) from None
    pair = started, strongest(view, started)
    seen = _incident(pair, result.config, history)
    lines = [
        f"{_title(view)}: what moved, window until {clock(pair[1].window.end_ms)} UTC",
        "" if history is None else "filled: the reference; line: the window",
        html.escape(seen.note),
    ]
    said = [line for line in lines if line]
    figure = _finished(_of_dimensions(seen), "<br>".join(said))
    at_the_top = {"y": 1, "yanchor": "top", "yref": "container", "pad_t": 24}
    return figure.update_layout(title=at_the_top, margin_t=_TOP_PX + _LINE_PX * len(said))


def summary_html(result: BacktestResult) -> str:
    """The result in short; names come from data and are escaped."""
    summary = result.summary
    lines = [
        f"{summary.n_events:,} events of {count(len(summary.models), 'model')}, "
        f"{between(summary.start_ms, summary.end_ms)}, in {summary.duration_s:.1f} s",
        f"{count(summary.n_scores, 'window')}, {count(summary.n_alerts, 'alert')}, "
        + _dead_letters(summary),
        *(f"Note: {warning}." for warning in summary.warnings),
    ]
    paragraphs = Markup("").join(Markup("<div>{}</div>").format(line) for line in lines)
    where = Markup("<div>The result lies in <code>{}</code></div>").format(result.folder)
    return str(Markup("<div><b>Backtest</b></div>") + paragraphs + _models(summary) + where)


def _dead_letters(summary: BacktestSummary) -> str:
    by_reason = ", ".join(f"{n:,} {reason}" for reason, n in summary.dead_letters.items())
    n = sum(summary.dead_letters.values())
    return f"{count(n, 'dead letter')} ({by_reason})" if n else "no dead letters"


def _models(summary: BacktestSummary) -> Markup:
    names = ("model", "events", "windows", "drifting", "incidents", "alerts")
    # Those with most to tell first.
    models = sorted(summary.models.items(), key=lambda each: (-each[1].n_alerts, each[0]))
    rows = [
        (name, m.n_used, m.n_scores, m.n_drifting, m.n_started, m.n_alerts)
        for name, m in models[:_MOST_MODELS]
    ]
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup("<td>{}</td>").format(cell if isinstance(cell, str) else f"{cell:,}")
                for cell in row
            )
        )
        for row in rows
    )
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in names)
    n_more = len(models) - len(rows)
    more = Markup("<div>and {} more models</div>").format(f"{n_more:,}") if n_more else Markup("")
    table = Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>")
    return table.format(head, body) + more


def _view(result: BacktestResult, model: str, detector: str) -> StreamView:
    """Only what is shown is kept of the scores."""
    scores = (s for s in result.scores() if s.model == model and s.detector == detector)
    alerts = (a for a in result.alerts() if a.model == model and a.detector == detector)
    if views := read_streams(scores, alerts):
        return views[0]
    known = ", ".join(sorted(result.summary.models)[:_MOST_MODELS]) or "none"
    raise BacktestError(
        f"the result has no score of model {model!r} and detector {detector!r}; its models are "
        f"{known}"
    )


def _incident(pair: tuple[Alert, Alert], config: DriftJobConfig, history: Any) -> IncidentView:
    started = pair[0].incident_id
    if history is None:
        return views_of([pair], config, history=None)[started]
    with at_hand(history, [config]) as named:
        return views_of([pair], config, history=named)[started]


def _of_dimensions(seen: IncidentView) -> Figure:
    charts = [(each, each.chart) for each in seen.dimensions if each.chart is not None]
    if not charts:
        # The report's chart has its title outside.
        dots = Figure(seen.dots)
        return dots.update_layout(height=(dots.layout.height or 0) + 80)
    n_rows = -(-len(charts) // _PER_ROW)
    titles = [html.escape(f"{each.name} {each.words}") for each, _ in charts]
    figure = make_subplots(n_rows, min(_PER_ROW, len(charts)), subplot_titles=titles)
    for place, (_, chart) in enumerate(charts):
        row, column = divmod(place, _PER_ROW)
        at = {"row": row + 1, "col": column + 1}
        figure.add_traces(unpacked(chart["data"]), rows=at["row"], cols=at["col"])
        figure.update_xaxes(chart["layout"]["xaxis"], **at)
        figure.update_yaxes(chart["layout"]["yaxis"], **at)
    return figure.update_layout(height=120 + 230 * n_rows)


def _title(view: StreamView) -> str:
    own = view.detector != MAIN_DETECTOR
    return f"{view.model} · {view.detector}" if own else view.model


def _finished(figure: Figure, title: str) -> Figure:
    return figure.update_layout(title={"text": title}, **_LOOK)
