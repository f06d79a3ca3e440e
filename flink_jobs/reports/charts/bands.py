"""The bands of a timeline: stretches of event time with a colour and a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plotly.graph_objects import layout

from flink_jobs.histories.known_drifts.truth import DriftInterval
from flink_jobs.records.alerts import Alert, AlertKind, Cause
from flink_jobs.records.shown import shown_html
from flink_jobs.reports.charts import figures, palette
from flink_jobs.reports.streams import StreamView
from flink_jobs.reports.words import clock

Band = tuple[layout.Shape, layout.Annotation]
"""A rectangle and its name."""


def reference_bands(view: StreamView) -> Iterator[Band]:
    """The stretch from which the reference comes."""
    spans = {(r.start_ms, r.end_ms) for r in view.references.values() if r.start_ms is not None}
    if len(spans) > 5:
        # A moving reference is everywhere.
        return
    for start_ms, end_ms in sorted(spans, key=str):
        if start_ms is not None and end_ms is not None:
            yield band(start_ms, end_ms, palette.REFERENCE_COLOUR, 0.16, "reference", "top")


def drift_bands(drifts: Sequence[DriftInterval], begin_ms: float, end_ms: float) -> Iterator[Band]:
    """The true drifts."""
    for drift in drifts:
        start, end = max(drift.start_ms, begin_ms), min(drift.end_ms, end_ms)
        if start < end:
            name = shown_html(drift.name or "true drift")
            shape, note = band(start, end, palette.TRUTH_COLOUR, 0.17, name, "top")
            if start > begin_ms + 0.6 * (end_ms - begin_ms):
                # To the right there is no room for its name.
                note.x, note.xanchor = end, "right"
            shape.line = {"color": palette.TRUTH_COLOUR, "width": 1.2}
            yield shape, note


def incident_bands(alerts: Sequence[Alert], end_ms: float) -> Iterator[layout.Shape]:
    """Incidents of drift, from the first alert to the last one; the legend names them."""
    begun: dict[str, float] = {}
    over: dict[str, float] = {}
    for alert in alerts:
        if alert.cause is Cause.DRIFT:
            begun.setdefault(alert.incident_id, alert.window.end_ms)
            if alert.kind is AlertKind.RECOVERED:
                over[alert.incident_id] = alert.window.end_ms
    for incident, start_ms in begun.items():
        yield _rectangle(start_ms, over.get(incident, end_ms), palette.DRIFT_COLOUR, 0.12)


def alert_bands(alerts: Sequence[Alert], end_ms: float) -> Iterator[Band]:
    """Silences, and the references whose halves differ."""
    silences: dict[str, tuple[float, float]] = {}
    for alert in alerts:
        window, is_over = alert.window, alert.kind is AlertKind.RECOVERED
        if alert.cause is Cause.SILENCE:
            silences[alert.incident_id] = window.start_ms, window.end_ms if is_over else end_ms
        elif alert.cause is Cause.UNSTABLE_REFERENCE and not is_over:
            reference = window.start_ms, window.end_ms
            yield band(*reference, palette.ONGOING_COLOUR, 0.25, "unstable reference", "middle")
    for span in silences.values():
        yield band(*span, palette.SILENCE_COLOUR, 0.22, "silent", "middle")


def band(start_ms: float, end_ms: float, colour: str, opacity: float, text: str, side: str) -> Band:
    """Make a rectangle over a stretch of time, with its name at one side of the plot."""
    shape = _rectangle(start_ms, end_ms, colour, opacity)
    note = layout.Annotation(
        x=start_ms,
        xref="x",
        y={"top": 1.0, "middle": 0.5, "bottom": 0.0}[side],
        yref="paper",
        text=text,
        showarrow=False,
        xanchor="left",
        # Above the plot no line crosses the name.
        yanchor="bottom" if side == "top" else side,
        hovertext=f"{text}: {clock(start_ms)} to {clock(end_ms)}",
        _validate=figures.are_checked,
    )
    return shape, note


def _rectangle(start_ms: float, end_ms: float, colour: str, opacity: float) -> layout.Shape:
    return layout.Shape(
        type="rect",
        xref="x",
        yref="paper",
        x0=start_ms,
        x1=end_ms,
        y0=0,
        y1=1,
        fillcolor=_rgba(colour, opacity),
        line={"width": 0},
        layer="below",
        _validate=figures.are_checked,
    )


def _rgba(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
