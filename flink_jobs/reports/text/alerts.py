"""Alerts for people: a timeline for the terminal, or one JSON object a line for programs."""

from __future__ import annotations

import msgspec
from rich.text import Text

from flink_jobs.records.alerts import (
    MAIN_DETECTOR,
    Alert,
    AlertKind,
    Cause,
    DimensionShift,
    Ending,
    Severity,
    ThresholdSummary,
)
from flink_jobs.records.control import Audit
from flink_jobs.records.shown import shown, shown_json
from flink_jobs.times import moment, span

# A symbol and a word stand beside every colour, for those who cannot see it and for plain text.
_KINDS = {
    AlertKind.STARTED: ("▲", "bold red"),
    AlertKind.ONGOING: ("●", "yellow"),
    AlertKind.RECOVERED: ("▼", "bold green"),
}
_CAUSES = {
    Cause.DRIFT: "",
    Cause.SILENCE: "silent",
    Cause.UNSTABLE_REFERENCE: "unstable reference",
    Cause.NO_REFERENCE: "no reference",
    Cause.TEST_FAILED: "test failed",
    Cause.UNTESTED: "not tested",
}
_ENDINGS = {
    Ending.NORMAL: "",
    Ending.NEW_REFERENCE: "ended by a new reference",
    Ending.NEW_CONFIGURATION: "ended by a new configuration",
}
_ARROWS = {"up": "↑", "down": "↓", "none": "="}
_INDENT = " " * 4


def to_json_line(record: Alert | Audit) -> str:
    """The alert, or the answer to a command, as one line of JSON, all of it printable.

    Examples
    --------
    >>> from flink_jobs.records.schemas import read_example
    >>> to_json_line(msgspec.json.decode(read_example("alert"), type=Alert))[:35]
    '{"schema_version":1,"alert_id":"6f8'
    """
    return shown_json(msgspec.json.encode(record).decode())


def to_text(alert: Alert) -> Text:
    """The alert as a few coloured lines.

    Examples
    --------
    >>> from flink_jobs.records.schemas import read_example
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
    text.append(f"  {shown(alert.model)}", style="bold not dim")
    if remarks := _remarks(alert):
        text.append(f"  {', '.join(remarks)}", style="bold not dim")
    for line in _details(alert):
        text.append(f"\n{_INDENT}{line}", style="not dim")
    return text


def _remarks(alert: Alert) -> list[str]:
    """What sets the alert apart from most others."""
    remarks = [
        "" if alert.detector == MAIN_DETECTOR else f"detector {shown(alert.detector)}",
        _CAUSES[alert.cause],
        "" if alert.ending is None else _ENDINGS[alert.ending],
        "critical" if alert.severity is Severity.CRITICAL else "",
        "flapping" if alert.is_flapping else "",
        "tested before its end" if alert.window.closed_early else "",
        f"{alert.n_suppressed} suppressed before it" if alert.n_suppressed else "",
    ]
    return [remark for remark in remarks if remark]


def _details(alert: Alert) -> list[str]:
    lines = [_silence(alert) if alert.cause is Cause.SILENCE else _result(alert)]
    if alert.top_dimensions:
        lines.append("moved most: " + ", ".join(map(_dimension, alert.top_dimensions)))
    if alert.exemplars:
        ids = ", ".join(shown(exemplar.event_id) for exemplar in alert.exemplars)
        lines.append(f"most unlike the reference: {ids}")
    return lines


def _silence(alert: Alert) -> str:
    since = f"silent since {moment(alert.window.start_ms)}"
    is_over = alert.kind is AlertKind.RECOVERED and alert.ending in (None, Ending.NORMAL)
    return f"was {since}, sends events again" if is_over else since


def _result(alert: Alert) -> str:
    method = f"{shown(alert.reducer)} + {shown(alert.test)}"
    if alert.reason:
        return f"{method}: {shown(alert.reason)}"
    if alert.statistic is None:
        return f"{method}: no test stands behind this"
    numbers = [
        f"statistic {alert.statistic:.3g}{_relation(alert.statistic, alert.threshold)}",
        "" if alert.p_value is None else f"p {alert.p_value:.2g}",
        "" if alert.effect_size is None else f"effect size {alert.effect_size:.2g}",
        _compared(alert),
    ]
    return f"{method}: {', '.join(filter(None, numbers))}"


def _compared(alert: Alert) -> str:
    if alert.cause is Cause.UNSTABLE_REFERENCE:
        return f"the first half of {alert.window.n_tested} events against the second"
    return f"{alert.window.n_tested} events against {alert.reference.n_events}"


def _relation(statistic: float, threshold: ThresholdSummary | None) -> str:
    if threshold is None:
        return ""
    if threshold.statistic is None:
        return " has no reachable threshold"
    return f" {'≥' if statistic >= threshold.statistic else '<'} {threshold.statistic:.3g}"


def _dimension(moved: DimensionShift) -> str:
    how_far = "left its constant" if moved.shift is None else _signed(moved.shift)
    return (
        f"dimension {moved.dimension} {_ARROWS[moved.direction]} {how_far} ({moved.statistic:.2g})"
    )


def _signed(shift: float) -> str:
    return f"{shift:+.1f} sd"
