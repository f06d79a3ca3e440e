"""Alerts for people: a timeline for the terminal, or one JSON object a line for programs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.text import Text

from flink_jobs.records.alerts import (
    MAIN_DETECTOR,
    MAIN_VIEW,
    Alert,
    AlertKind,
    Cause,
    ColumnShift,
    Ending,
    ErrorBudget,
    Severity,
    ThresholdSummary,
)
from flink_jobs.records.control import Audit
from flink_jobs.records.shown import shown, shown_json
from flink_jobs.records.status import ModelStatus
from flink_jobs.records.wording import count
from flink_jobs.reports.column_words import confined, sentence, telling
from flink_jobs.reports.text.storms import storm_lines
from flink_jobs.reports.words import p_value
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
    Cause.FORGOTTEN: "forgotten",
    Cause.STORM: "storm",
}
_ENDINGS = {
    Ending.NORMAL: "",
    Ending.NEW_REFERENCE: "ended by a new reference",
    Ending.NEW_CONFIGURATION: "ended by a new configuration",
    Ending.FORGOTTEN: "ended since the model was forgotten",
}
_INDENT = " " * 4
_MOVED = "moved most: "
_MOST_COLUMNS = 10


def to_json_line(record: Alert | Audit | ModelStatus) -> str:
    """The alert, the answer to a command or the status as one line of JSON, all of it printable.

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
        mixed: statistic 0.412 ≥ 0.0779, p 1.2e-80, effect size 0.41, 2,000 events against 2,000
        moved most: `plan`: `family` 0 % → 40 % (new), `basic` 70 % → 30.1 %; missing 0 % → 1.2 % \
(p 1.2e-81, effect size 0.41)
                    `tenure`: median 12.1 → 30.4 months, up (p 4.1e-18, effect size 0.2)
        only where `region` is EU: `plan` (0.81 there, 0.02 elsewhere)
        most unlike the reference: fraud-006007, fraud-006009
    """
    symbol, style = _KINDS[alert.kind]
    text = Text(span(alert.window.start_ms, alert.window.end_ms), style="dim")
    text.append(f"  {symbol} {alert.kind.upper():<9}", style=style)
    text.append(f"  {_whose(alert)}", style="bold not dim")
    if remarks := _remarks(alert):
        text.append(f"  {', '.join(remarks)}", style="bold not dim")
    for line in _details(alert):
        text.append(f"\n{_INDENT}{line}", style="not dim")
    return text


def _whose(alert: Alert) -> str:
    return shown(alert.model) if alert.storm is None else count(alert.storm.n_models, "model")


def names_of(view: str, detector: str) -> list[str]:
    """Name a view and a detector where they are not the only ones of a simple configuration.

    Examples
    --------
    >>> names_of("inputs", "hourly"), names_of("main", "main")
    (['view inputs', 'detector hourly'], [])
    """
    named = ((view, MAIN_VIEW, "view"), (detector, MAIN_DETECTOR, "detector"))
    return [f"{what} {shown(name)}" for name, main, what in named if name != main]


def method_of(reducer: str, test: str) -> str:
    """Name the reducer, where there is one, and the test.

    Examples
    --------
    >>> method_of("none", "mixed"), method_of("pca", "mmd")
    ('mixed', 'pca + mmd')
    """
    return shown(test) if reducer == "none" else f"{shown(reducer)} + {shown(test)}"


def _remarks(alert: Alert) -> list[str]:
    """The words that set the alert apart from most others."""
    remarks = [
        *([] if alert.storm else names_of(alert.view, alert.detector)),
        _CAUSES[alert.cause],
        "" if alert.ending is None else _ENDINGS[alert.ending],
        "critical" if alert.severity is Severity.CRITICAL else "",
        "flapping" if alert.is_flapping else "",
        "tested before its end" if alert.window.closed_early else "",
        f"{alert.n_suppressed} suppressed before it" if alert.n_suppressed else "",
    ]
    return [remark for remark in remarks if remark]


def _details(alert: Alert) -> list[str]:
    if alert.storm is not None:
        return list(storm_lines(alert, alert.storm))
    lines = [_said(alert)]
    if alert.error_budget is not None:
        lines.append(_budget(alert.error_budget))
    lines += _columns(telling(alert.top_columns))
    lines += [confined(each) for each in alert.segments]
    if alert.exemplars:
        ids = ", ".join(shown(exemplar.event_id) for exemplar in alert.exemplars)
        lines.append(f"most unlike the reference: {ids}")
    return lines


def _said(alert: Alert) -> str:
    if alert.cause is Cause.SILENCE:
        return _silence(alert)
    if alert.cause is Cause.FORGOTTEN:
        return shown(alert.reason or "the model's state was removed")
    return _result(alert)


def _budget(budget: ErrorBudget) -> str:
    needed = 1.0 / budget.level
    found = "infinite" if budget.e_value is None else f"{budget.e_value:.2g}"
    return f"a discovery among all models: e-value {found} ≥ {needed:.2g}"


def _silence(alert: Alert) -> str:
    since = f"silent since {moment(alert.window.start_ms)}"
    is_over = alert.kind is AlertKind.RECOVERED and alert.ending in (None, Ending.NORMAL)
    return f"was {since}, sends events again" if is_over else since


def _result(alert: Alert) -> str:
    method = method_of(alert.reducer, alert.test)
    if alert.reason:
        return f"{method}: {shown(alert.reason)}"
    if alert.statistic is None:
        return f"{method}: no test stands behind this"
    numbers = [
        f"statistic {alert.statistic:.3g}{_relation(alert.statistic, alert.threshold)}",
        "" if alert.p_value is None else p_value(alert.p_value),
        "" if alert.effect_size is None else f"effect size {alert.effect_size:.2g}",
        _compared(alert),
    ]
    return f"{method}: {', '.join(filter(None, numbers))}"


def _compared(alert: Alert) -> str:
    if alert.cause is Cause.UNSTABLE_REFERENCE:
        return f"the first half of {alert.window.n_tested:,} events against the second"
    return f"{alert.window.n_tested:,} events against {alert.reference.n_events:,}"


def _relation(statistic: float, threshold: ThresholdSummary | None) -> str:
    if threshold is None:
        return ""
    if threshold.statistic is None:
        return " has no reachable threshold"
    return f" {'≥' if statistic >= threshold.statistic else '<'} {threshold.statistic:.3g}"


def _columns(columns: Sequence[ColumnShift]) -> list[str]:
    """A line for each, one below the other."""
    said = [sentence(each) for each in columns[:_MOST_COLUMNS]]
    if len(columns) > len(said):
        said.append(f"and {len(columns) - len(said):,} columns that moved less")
    heads = [_MOVED, *[" " * len(_MOVED)] * len(said)]
    return [head + each for head, each in zip(heads, said, strict=False)]
