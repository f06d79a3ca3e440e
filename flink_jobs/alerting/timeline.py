"""Alerts for people: a timeline for the terminal, or one JSON object a line for programs."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from rich.text import Text

from flink_jobs.alerts import Alert, AlertKind, DimensionShift, Severity

# A symbol and a word stand beside every colour, for those who cannot see it and for plain text.
_KINDS = {
    AlertKind.STARTED: ("▲", "bold red"),
    AlertKind.ONGOING: ("●", "yellow"),
    AlertKind.RECOVERED: ("▼", "bold green"),
}
_ARROWS = {"up": "↑", "down": "↓", "none": "="}
_INDENT = " " * 4


def to_json_line(alert: Alert) -> str:
    """The alert as one line of JSON.

    Examples
    --------
    >>> from flink_jobs.schemas import read_example
    >>> to_json_line(msgspec.json.decode(read_example("alert"), type=Alert))[:35]
    '{"schema_version":1,"alert_id":"6f8'
    """
    return msgspec.json.encode(alert).decode()


def to_text(alert: Alert) -> Text:
    """The alert as a few coloured lines.

    Examples
    --------
    >>> from flink_jobs.schemas import read_example
    >>> print(to_text(msgspec.json.decode(read_example("alert"), type=Alert)))
    2026-01-01 00:30–00:40 UTC  ▲ STARTED    fraud
        softmax_outputs + ks: statistic 0.412 ≥ 0.0779, p 1.2e-80, effect size 0.41, \
2000 events against 2000
        moved most: dimension 8 ↑ +1.3 sd (0.41), dimension 1 ↓ -0.4 sd (0.2)
        most unlike the reference: fraud-006007, fraud-006009
    """
    symbol, style = _KINDS[alert.kind]
    text = Text(span(alert.window.start_ms, alert.window.end_ms), style="dim")
    text.append(f"  {symbol} {alert.kind.upper():<9}", style=style)
    text.append(f"  {alert.model}", style="bold not dim")
    if remarks := _remarks(alert):
        text.append(f"  {', '.join(remarks)}", style="bold not dim")
    for line in _details(alert):
        text.append(f"\n{_INDENT}{line}", style="not dim")
    return text


def span(start_ms: int, end_ms: int) -> str:
    """A stretch of event time; the date of the end only where it differs.

    Examples
    --------
    >>> span(1_767_225_600_000, 1_767_226_200_000)
    '2026-01-01 00:00–00:10 UTC'
    >>> span(1_767_225_599_500, 1_767_225_630_000)
    '2025-12-31 23:59:59.500–2026-01-01 00:00:30 UTC'
    """
    start, end = _utc(start_ms), _utc(end_ms)
    last = _clock(end) if start.date() == end.date() else f"{end:%Y-%m-%d} {_clock(end)}"
    return f"{start:%Y-%m-%d} {_clock(start)}–{last} UTC"


def clock_span(start_ms: int, end_ms: int) -> str:
    """A stretch of event time within one day, without the day.

    Examples
    --------
    >>> clock_span(1_767_225_600_000, 1_767_226_200_000)
    '00:00–00:10'
    """
    return f"{_clock(_utc(start_ms))}–{_clock(_utc(end_ms))}"


def _remarks(alert: Alert) -> list[str]:
    """What sets the alert apart from most others."""
    remarks = ["critical"] if alert.severity is Severity.CRITICAL else []
    if alert.is_flapping:
        remarks.append("flapping")
    if alert.n_suppressed:
        remarks.append(f"{alert.n_suppressed} suppressed before it")
    return remarks


def _details(alert: Alert) -> list[str]:
    threshold = alert.threshold.statistic
    relation = "has no reachable threshold" if threshold is None else _relation(alert, threshold)
    lines = [
        f"{alert.reducer} + {alert.test}: statistic {alert.statistic:.3g} {relation}, "
        f"p {alert.p_value:.2g}, effect size {alert.effect_size:.2g}, "
        f"{alert.window.n_tested} events against {alert.reference.n_events}"
    ]
    if alert.top_dimensions:
        lines.append("moved most: " + ", ".join(map(_dimension, alert.top_dimensions)))
    if alert.exemplars:
        ids = ", ".join(exemplar.event_id for exemplar in alert.exemplars)
        lines.append(f"most unlike the reference: {ids}")
    return lines


def _relation(alert: Alert, threshold: float) -> str:
    return f"{'≥' if alert.statistic >= threshold else '<'} {threshold:.3g}"


def _dimension(moved: DimensionShift) -> str:
    how_far = "left its constant" if moved.shift is None else _signed(moved.shift)
    return (
        f"dimension {moved.dimension} {_ARROWS[moved.direction]} {how_far} ({moved.statistic:.2g})"
    )


def _signed(shift: float) -> str:
    return f"{shift:+.1f} sd"


def _utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)


def _clock(moment: datetime) -> str:
    text = f"{moment:%H:%M}"
    if moment.microsecond:
        return f"{text}:{moment:%S}.{moment.microsecond // 1000:03}"
    return f"{text}:{moment:%S}" if moment.second else text
