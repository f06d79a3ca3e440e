"""Screen of ``loudly backtest``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from flink_jobs.evaluation.evaluate import Figures, evaluate_result
from flink_jobs.histories.known_drifts.truth import DriftInterval
from flink_jobs.records.alerts import AlertKind
from flink_jobs.records.shown import shown, shown_argument
from flink_jobs.records.wording import count
from flink_jobs.replay.engine import Progress as Reached
from flink_jobs.replay.result import BacktestResult, BacktestSummary, ModelSummary
from flink_jobs.reports.text.alerts import to_text
from flink_jobs.times import between, duration

_MOST_MODELS = 30
_MOST_EXAMPLES = 3
_MOST_OF_A_NOTE = 1_000


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[Reached], None]]:
    """A bar with the time that is left; yields what has to be told of progress."""
    columns = (
        TextColumn("Replaying"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[n_events]:,} events"),
        TimeRemainingColumn(),
    )
    is_hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=is_hidden) as progress:
        task = progress.add_task("", total=None, n_events=0)

        def tell(reached: Reached) -> None:
            progress.update(
                task, completed=reached.done, total=reached.total, n_events=reached.n_events
            )

        yield tell


def print_result(console: Console, result: BacktestResult) -> None:
    """Print counts, a table of the models, what to know, and where the result lies."""
    summary = result.summary
    speed = summary.n_events / max(summary.duration_s, 1e-9)
    lines = [
        f"{count(summary.n_events, 'event')} of {count(len(summary.models), 'model')}, "
        f"{between(summary.start_ms, summary.end_ms)}, in {summary.duration_s:.1f} s "
        f"({speed:,.0f} a second)",
        f"{count(summary.n_scores, 'window')}, {summary.n_tested:,} tested, "
        f"{count(summary.n_alerts, 'alert')}{_held_back(summary)}",
        *_dead_letter_lines(result),
        *(f"Note: {shown(warning, _MOST_OF_A_NOTE)}." for warning in summary.warnings),
    ]
    for line in lines:
        console.print(line, soft_wrap=True)
    console.print(_models_table(summary))
    _print_first_alerts(console, result)
    console.print(f"The result lies in {result.folder}")


def _held_back(summary: BacktestSummary) -> str:
    n = summary.n_held_back
    return f", {n:,} more held back" if n else ""


def print_next(console: Console, result: BacktestResult) -> None:
    """Print the command that makes a page of the result."""
    command = f"loudly report {shown_argument(str(result.folder))} --output report.html"
    console.print(f"Next: {command}", soft_wrap=True)


def print_evaluation(
    console: Console,
    result: BacktestResult,
    drifts: Sequence[DriftInterval],
    tolerance_ms: int,
) -> None:
    """Print the detector's figures, and those of dummies over the same windows."""
    evaluation = evaluate_result(result, drifts, tolerance_ms=tolerance_ms)
    total = evaluation.total
    table = Table(title="Against the labelled drifts", title_justify="left")
    table.add_column("")
    for name in ("this configuration", "never", "always", "every n windows"):
        table.add_column(name, justify="right")
    columns = (total.detector, total.never, total.always, total.every_n_windows)
    for row, written in _FIGURES.items():
        table.add_row(row, *(written(figures) for figures in columns))
    console.print(table)
    for drift in evaluation.unmatched:
        name = shown(drift.name or str(drift.start_ms))
        text = f"Note: the drift {name} of {shown(drift.model)} concerns no model."
        console.print(text, soft_wrap=True)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _missed(figures: Figures) -> str:
    """A drift in which no window was tested could not be found."""
    unmonitored = f" ({figures.n_unmonitored:,} unmonitored)" if figures.n_unmonitored else ""
    return f"{figures.n_missed:,}{unmonitored}"


def _between_false_alarms(figures: Figures) -> str:
    """The mean; without a false alarm the lower limit of its 95 % interval."""
    mean_ms = figures.mean_time_between_false_alarms_ms
    if mean_ms is None:
        return f"> {duration(figures.time_between_false_alarms_interval_ms()[0])}"
    return duration(mean_ms)


_FIGURES: dict[str, Callable[[Figures], str]] = {
    "drifts": lambda f: f"{f.n_drifts:,}",
    "missed": _missed,
    "alarms": lambda f: f"{f.n_alarms:,}",
    "false alarms": lambda f: f"{f.n_false_alarms:,}",
    "precision": lambda f: _share(f.precision),
    "recall": lambda f: _share(f.recall),
    "mean delay": lambda f: duration(f.mean_delay_ms),
    "mean time between false alarms": _between_false_alarms,
}


def _dead_letter_lines(result: BacktestResult) -> Iterator[str]:
    letters = result.summary.dead_letters
    if not letters:
        yield "No dead letters"
        return
    by_reason = ", ".join(f"{n:,} {reason}" for reason, n in letters.items())
    yield f"{count(sum(letters.values()), 'dead letter')}: {by_reason}"
    n_shown: dict[str, int] = {}
    for letter in result.dead_letters():
        reason = letter.reason.value
        n_shown[reason] = n_shown.get(reason, 0) + 1
        if n_shown[reason] <= _MOST_EXAMPLES:
            yield f"  {shown(letter.where)} {reason}: {shown(letter.detail)}"


def _print_first_alerts(console: Console, result: BacktestResult) -> None:
    """Print where it began: figures alone say neither when nor what."""
    started = [alert for alert in result.alerts() if alert.kind is AlertKind.STARTED]
    started.sort(key=lambda alert: alert.window.end_ms)
    if not started:
        return
    console.print("How the first incidents began:")
    for alert in started[:_MOST_EXAMPLES]:
        console.print(to_text(alert), soft_wrap=True)
    if (more := len(started) - _MOST_EXAMPLES) > 0:
        console.print(f"and {count(more, 'incident')} more")


def _models_table(summary: BacktestSummary) -> Table:
    # Frames around every cell would break a name of 13 letters on 80 columns.
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column("model", overflow="fold")
    for name in ("events", "dead letters", "tested", "drifting", "incidents", "alerts"):
        table.add_column(name, justify="right")
    # Those with most to tell first.
    models = sorted(summary.models.items(), key=lambda m: (-m[1].n_alerts, m[0]))
    for name, model in models[:_MOST_MODELS]:
        table.add_row(shown(name), *_cells(model))
    if len(models) > _MOST_MODELS:
        table.add_row(f"and {len(models) - _MOST_MODELS:,} more", *[""] * 6)
    return table


def _cells(model: ModelSummary) -> Iterator[str]:
    yield f"{model.n_used:,}"
    yield f"{model.n_dead_letters:,}"
    yield f"{model.n_tested:,} of {model.n_scores:,}"
    yield f"{model.n_drifting:,}" if model.n_tested else "–"
    yield f"{model.n_started:,}"
    yield f"{model.n_alerts:,}"
