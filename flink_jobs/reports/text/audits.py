"""Answers to commands for people, a line each."""

from __future__ import annotations

from rich.text import Text

from flink_jobs.records.control import Audit, Outcome
from flink_jobs.records.shown import shown
from flink_jobs.times import moment

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


def _since(effective_ms: int | None) -> str:
    if effective_ms is None:
        return ""
    # What a model is told before its first event holds from the beginning of time.
    return f" from {moment(effective_ms)} on" if effective_ms else " from its first event on"
