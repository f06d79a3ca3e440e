"""A result in short, as a notebook shows it."""

from __future__ import annotations

from markupsafe import Markup

from flink_jobs.records.shown import shown, shown_lines
from flink_jobs.records.wording import count
from flink_jobs.replay.result import BacktestResult, BacktestSummary
from flink_jobs.times import between

_MOST_MODELS = 20


def summary_html(result: BacktestResult) -> str:
    """The result in short; names come from data and are escaped."""
    summary = result.summary
    lines = [
        f"{summary.n_events:,} events of {count(len(summary.models), 'model')}, "
        f"{between(summary.start_ms, summary.end_ms)}, in {summary.duration_s:.1f} s",
        f"{count(summary.n_scores, 'window')}, {summary.n_tested:,} tested, "
        f"{count(summary.n_alerts, 'alert')}, " + _dead_letters(summary),
        *(f"Note: {shown_lines(warning)}." for warning in summary.warnings),
    ]
    paragraphs = Markup("").join(Markup("<div>{}</div>").format(line) for line in lines)
    where = Markup("<div>The result lies in <code>{}</code></div>").format(result.folder)
    return str(Markup("<div><b>Backtest</b></div>") + paragraphs + _models(summary) + where)


def _dead_letters(summary: BacktestSummary) -> str:
    by_reason = ", ".join(f"{n:,} {reason}" for reason, n in summary.dead_letters.items())
    n = sum(summary.dead_letters.values())
    return f"{count(n, 'dead letter')} ({by_reason})" if n else "no dead letters"


def _models(summary: BacktestSummary) -> Markup:
    names = ("model", "events", "windows", "tested", "drifting", "incidents", "alerts")
    # Those with most to tell first.
    models = sorted(summary.models.items(), key=lambda each: (-each[1].n_alerts, each[0]))
    rows = [
        (name, m.n_used, m.n_scores, m.n_tested, m.n_drifting, m.n_started, m.n_alerts)
        for name, m in models[:_MOST_MODELS]
    ]
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup("<td>{}</td>").format(shown(cell) if isinstance(cell, str) else f"{cell:,}")
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
