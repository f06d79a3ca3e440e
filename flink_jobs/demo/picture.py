"""The page of the demonstration: each model's statistics against their thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from plotly.graph_objects import Figure, Scatter

from flink_jobs.demo.job_file import VIEWS
from flink_jobs.demo.outcome import ModelOutcome, Reported, unstable_note
from flink_jobs.demo.timing import END_MS, REFERENCE_END_MS, START_MS
from flink_jobs.records.alerts import Alert, AlertKind, Cause
from flink_jobs.records.shown import shown_html
from flink_jobs.reports import pages
from flink_jobs.reports.charts import figures, palette
from flink_jobs.reports.charts.bands import band
from flink_jobs.reports.streams import StreamView, Windows, read_streams
from flink_jobs.reports.words import clock, number

_HEIGHT_PX = 250
_MOST_REACHED = 1.0
"""A Kolmogorov–Smirnov statistic; no window reaches a threshold above."""


class _Look(NamedTuple):
    """How a view looks."""

    colour: str
    symbol: str
    sign: str


_LOOKS = {
    VIEWS.inputs: _Look(palette.TRUTH_COLOUR, "circle", "●"),
    VIEWS.outputs: _Look(palette.STATISTIC_COLOUR, "diamond", "◆"),
}
_MARKS = {AlertKind.STARTED: "alert", AlertKind.RECOVERED: "recovered"}


def write_html(outcomes: Sequence[ModelOutcome], reported: Reported, path: Path) -> None:
    """Write one panel for each model, under the verdict."""
    streams = read_streams(reported.scores, reported.alerts)
    panels = [
        _panel(outcome, [view for view in streams if view.model == outcome.model])
        for outcome in outcomes
    ]
    pages.write(pages.pictures(title(outcomes), _notes(outcomes), panels), path)


def title(outcomes: Sequence[ModelOutcome]) -> str:
    """Say what came of all models."""
    drifted = [outcome for outcome in outcomes if outcome.drift_ms is not None]
    n_found = sum(outcome.found is not None for outcome in drifted)
    if all(outcome.is_right for outcome in outcomes):
        return f"All {n_found} drifts were found, and the model without drift stayed silent"
    n_false = sum(outcome.n_false_alarms for outcome in outcomes)
    n_untested = sum(outcome.n_windows == 0 for outcome in outcomes)
    untested = f"; {n_untested} of {len(outcomes)} models were not tested" if n_untested else ""
    return f"{n_found} of {len(drifted)} drifts were found, with {n_false} false alarms{untested}"


def _notes(outcomes: Sequence[ModelOutcome]) -> list[str]:
    n_tested = max((outcome.n_windows for outcome in outcomes), default=0) // len(VIEWS)
    unstable = unstable_note(outcomes)
    return [
        "Kolmogorov–Smirnov statistic of the inputs, 64 pixels, and of the outputs, ten "
        f"probabilities, in {n_tested} windows of ten minutes, each drawn at its end. Event time "
        "in UTC.",
        *([unstable] if unstable else []),
    ]


def _panel(outcome: ModelOutcome, views: Sequence[StreamView]) -> pages.Panel:
    after = "" if outcome.delay_events is None else f" after {outcome.delay_events:,} events"
    verdict = f"{outcome.verdict}{after}"
    signs = [(symbol.sign, _MARKS[kind], symbol.colour) for kind, symbol in _kinds()]
    return pages.Panel(
        heading=f"{outcome.model}: {outcome.truth}",
        words=f"Statistics of {outcome.model}: {verdict}; the table below has the numbers",
        drawn=panel_figure(outcome, views),
        kind="timeline",
        columns=("to (UTC)", *(f"{view.view}, {what}" for view in views for what in _NUMBERS)),
        rows=_rows(views),
        legend=[
            *((look.sign, name, look.colour) for name, look in _LOOKS.items()),
            ("┅", "threshold", palette.THRESHOLD_COLOUR),
            *signs,
        ],
        verdict=verdict,
        is_good=outcome.is_right,
    )


_NUMBERS = ("statistic", "threshold")


def _kinds() -> Iterator[tuple[AlertKind, palette.Symbol]]:
    return ((kind, symbol) for kind, symbol in palette.KINDS.items() if kind in _MARKS)


def _rows(views: Sequence[StreamView]) -> list[list[str]]:
    tested = [view.windows.take(view.windows.is_tested) for view in views]
    ends = sorted({end for windows in tested for end in windows.end_ms.tolist()})
    return [[clock(end), *(cell for side in tested for cell in _cells(side, end))] for end in ends]


def _cells(windows: Windows, end_ms: float) -> tuple[str, str]:
    for place in np.flatnonzero(windows.end_ms == end_ms)[-1:]:
        sign = "▲ " if windows.is_drift[place] else ""
        return f"{sign}{number(windows.statistic[place])}", number(windows.threshold[place])
    return "–", "–"


def panel_figure(outcome: ModelOutcome, views: Sequence[StreamView]) -> Figure:
    """Draw both views of a model, what is true of it, and the alerts."""
    tested = [(view, view.windows.take(view.windows.is_tested)) for view in views]
    highest = max([0.05, *(_top(windows) for _, windows in tested)])
    bands = [band(START_MS, REFERENCE_END_MS, palette.REFERENCE_COLOUR, 0.16, "reference", "top")]
    if outcome.drift_ms is not None:
        change = shown_html(outcome.change)
        moment, note = band(outcome.drift_ms, outcome.drift_ms, "#222222", 1.0, change, "top")
        moment.line = {"color": palette.THRESHOLD_COLOUR, "width": 2}
        bands.append((moment, note))
    return figures.figure(
        [trace for view, windows in tested for trace in _traces(view, windows)],
        shapes=[shape for shape, _ in bands],
        annotations=[note for _, note in bands],
        height=_HEIGHT_PX,
        xaxis={"type": "date", "range": [START_MS, END_MS + 60_000]},
        yaxis={"range": [0.0, 1.2 * highest], "title": {"text": "statistic"}},
    )


def _top(windows: Windows) -> float:
    reachable = windows.threshold[windows.threshold <= _MOST_REACHED]
    return float(max(windows.statistic.max(initial=0.0), reachable.max(initial=0.0)))


def _traces(view: StreamView, windows: Windows) -> Iterator[Scatter]:
    look = _LOOKS[view.view]
    reachable = np.where(windows.threshold <= _MOST_REACHED, windows.threshold, np.nan)
    yield figures.line(
        x=windows.end_ms,
        y=figures.short(reachable),
        line={"color": look.colour, "dash": "dash", "width": 1.5},
        hovertemplate=f"threshold of {view.view}: %{{y:.3~g}}<extra></extra>",
    )
    yield figures.line(
        mode="lines+markers",
        x=windows.end_ms,
        y=figures.short(windows.statistic),
        line={"color": look.colour, "width": 2.5},
        marker={"symbol": look.symbol, "size": 7},
        hovertemplate=f"<b>until %{{x|%H:%M}}</b><br>{view.view}: %{{y:.3~g}}<extra></extra>",
    )
    for kind, symbol in _kinds():
        marks = [alert for alert in view.alerts if alert.kind is kind and _is_of_drift(alert)]
        if marks:
            yield figures.points(
                x=[alert.window.end_ms for alert in marks],
                y=[alert.statistic for alert in marks],
                hovertemplate=f"{symbol.sign} {_MARKS[kind]} of {view.view}<extra></extra>",
                marker={
                    "symbol": symbol.plotly,
                    "size": 14,
                    "color": symbol.colour,
                    "line": {"width": 1.5, "color": "white"},
                },
            )


def _is_of_drift(alert: Alert) -> bool:
    """Leave an unstable reference out, which has its note."""
    return alert.cause is Cause.DRIFT and alert.statistic is not None
