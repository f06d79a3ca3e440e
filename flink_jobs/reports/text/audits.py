"""Answers to commands for people: a line for each, and a table of a model's state."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from flink_jobs.records.alerts import MAIN_VIEW, ReferenceSummary
from flink_jobs.records.control import (
    Audit,
    EvidenceSummary,
    ModelSummary,
    OpenIncident,
    Outcome,
    ViewSummary,
)
from flink_jobs.records.shown import shown
from flink_jobs.records.wording import count
from flink_jobs.reports.text.alerts import names_of
from flink_jobs.times import duration, moment, span

# A symbol and a word stand beside every colour, for those who cannot see it and for plain text.
_OUTCOMES = {
    Outcome.APPLIED: ("✔", "bold green"),
    Outcome.REFUSED: ("✖", "bold red"),
    Outcome.WAITING: ("◷", "yellow"),
    Outcome.ACCEPTED: ("→", "cyan"),
}

_MOST_OF_A_REASON = 1_000


def audit_line(audit: Audit) -> Text:
    """The answer as one coloured line.

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.records.schemas import read_example
    >>> print(audit_line(msgspec.json.decode(read_example("audit"), type=Audit)))
    ✔ APPLIED   fraud  rebaseline from 2026-01-01 00:40 UTC on: a new reference is collected from \
the next events
    """
    symbol, style = _OUTCOMES[audit.outcome]
    text = Text(f"{symbol} {audit.outcome.upper():<8}", style=style)
    text.append(f"  {shown(audit.model or 'no model')}", style="bold not dim")
    since = _since(audit.effective_ms)
    reason = shown(audit.reason, _MOST_OF_A_REASON)
    text.append(f"  {shown(audit.kind or 'no command')}{since}: {reason}", style="not bold")
    return text


def summary_table(summary: ModelSummary) -> Table:
    """What ``describe`` answers, one property a row."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(summary):
        table.add_row(f"    {name}", Text(shown(value, _MOST_OF_A_REASON)))
    return table


def _since(effective_ms: int | None) -> str:
    if effective_ms is None:
        return ""
    # What a model is told before its first event holds from the beginning of time.
    return f" from {moment(effective_ms)} on" if effective_ms else " from its first event on"


def _rows(summary: ModelSummary) -> list[tuple[str, str]]:
    snoozed_ms = summary.snoozed_until_ms
    return [
        *(row for view in summary.views for row in _view_rows(view, len(summary.views) > 1)),
        ("event time", _moment_or(summary.now_ms, "not known yet")),
        ("last events", _moment_or(summary.heard_ms, "none yet")),
        ("paused", "yes, until resume" if summary.is_paused else "no"),
        ("snoozed", "no" if snoozed_ms is None else f"until {moment(snoozed_ms)}"),
        *(("incident", _incident(incident)) for incident in summary.incidents),
        *([] if summary.incidents else [("incident", "none is open")]),
        ("configuration", summary.config_version),
        ("change", summary.change or "none, as in the job's file"),
        ("waiting", count(summary.n_pending, "command")),
        ("state", f"{summary.state_bytes:,} bytes"),
    ]


def _view_rows(view: ViewSummary, is_one_of_several: bool) -> list[tuple[str, str]]:
    return [
        *([("view", view.view)] if is_one_of_several or view.view != MAIN_VIEW else []),
        ("phase", view.phase),
        ("reference", _reference(view.reference)),
        ("events", _events(view)),
        *(("evidence", _evidence(each)) for each in view.sequential),
    ]


def _reference(reference: ReferenceSummary) -> str:
    if not reference.n_events:
        return "none yet"
    text = f"{reference.n_events:,} events"
    if reference.start_ms is not None and reference.end_ms is not None:
        text += f" of {span(reference.start_ms, reference.end_ms)}"
    return f"{text} ({reference.fingerprint})"


def _events(view: ViewSummary) -> str:
    if view.phase == "collecting":
        return f"{view.n_collected:,} for the reference so far"
    return f"{view.n_monitored:,} since the reference"


def _evidence(each: EvidenceSummary) -> str:
    amounts = each.evidence, each.run_time
    if each.unit == "ms":
        evidence, run_time = (duration(int(amount)) for amount in amounts)
    else:
        evidence, run_time = f"{each.evidence:,.0f}", f"{each.run_time:,.0f} events"
    return f"{evidence} of {run_time}, {each.detector}"


def _incident(incident: OpenIncident) -> str:
    parts = [
        f"{incident.incident_id}  {incident.cause.replace('_', ' ')}",
        *names_of(incident.view, incident.detector),
        incident.severity.value,
        "acknowledged" if incident.is_acknowledged else "",
    ]
    return ", ".join(filter(None, parts))


def _moment_or(time_ms: int | None, otherwise: str) -> str:
    return otherwise if time_ms is None else moment(time_ms)
