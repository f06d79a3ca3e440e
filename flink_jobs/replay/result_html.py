"""A result in short, as a notebook shows it."""

from __future__ import annotations

from flink_jobs.records.shown import shown
from flink_jobs.records.templates import environment
from flink_jobs.records.wording import count
from flink_jobs.replay.result import BacktestResult, BacktestSummary
from flink_jobs.times import between

_COLUMNS = ("model", "events", "windows", "tested", "drifting", "incidents", "alerts")
_MOST_MODELS = 20


def summary_html(result: BacktestResult) -> str:
    """The result in short; names come from data and are escaped."""
    summary = result.summary
    lines = [
        f"{summary.n_events:,} events of {count(len(summary.models), 'model')}, "
        f"{between(summary.start_ms, summary.end_ms)}, in {summary.duration_s:.1f} s",
        f"{count(summary.n_scores, 'window')}, {summary.n_tested:,} tested, "
        f"{count(summary.n_alerts, 'alert')}, " + _dead_letters(summary),
        *(f"Note: {warning}." for warning in summary.warnings),
    ]
    # Those with most to tell first.
    models = sorted(summary.models.items(), key=lambda each: (-each[1].n_alerts, each[0]))
    rows = []
    for name, m in models[:_MOST_MODELS]:
        counts = (m.n_used, m.n_scores, m.n_tested, m.n_drifting, m.n_started, m.n_alerts)
        rows.append([shown(name), *(f"{n:,}" for n in counts)])
    template = environment("flink_jobs.replay").get_template("result.html.jinja")
    return template.render(
        lines=lines,
        columns=_COLUMNS,
        rows=rows,
        n_more=len(models) - len(rows),
        folder=str(result.folder),
    )


def _dead_letters(summary: BacktestSummary) -> str:
    by_reason = ", ".join(f"{n:,} {reason}" for reason, n in summary.dead_letters.items())
    n = sum(summary.dead_letters.values())
    return f"{count(n, 'dead letter')} ({by_reason})" if n else "no dead letters"
