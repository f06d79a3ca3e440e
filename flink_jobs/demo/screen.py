"""Texts of the demonstration on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from flink_jobs.demo.classifier import N_TRAINING, served_accuracy, served_digits
from flink_jobs.demo.job_file import VIEWS
from flink_jobs.demo.outcome import ModelOutcome
from flink_jobs.demo.streams import N_EARLY_IMAGES, ModelStream
from flink_jobs.demo.timing import END_MS, START_MS
from flink_jobs.times import clock, span


def describe_streams(console: Console, streams: Sequence[ModelStream]) -> None:
    """Say where the events come from and what is done to them."""
    n_served = len(served_digits().labels)
    n_events = sum(len(stream) for stream in streams)
    console.print(
        f"[bold]{n_events:,} events[/] of {len(streams)} models, event time "
        f"{span(START_MS, END_MS)}.\n"
        f"Real images: the {N_TRAINING + n_served:,} handwritten digits of scikit-learn. A "
        f"classifier trained on the first {N_TRAINING} serves the other {n_served:,} "
        f"({served_accuracy():.0%} right); they are drawn with replacement to make the streams as "
        f"long as needed. Only writer-order, after a reference drawn from its first "
        f"{N_EARLY_IMAGES}, goes on with each later image exactly once: repeated images would make "
        "chance differences between a few writers look certain.",
        soft_wrap=True,
        highlight=False,
    )


def progress_bar(console: Console) -> Progress:
    """A bar with share, count and time left."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def summary_table(outcomes: Sequence[ModelOutcome]) -> Table:
    """Return one row for each model; no word is broken on 60 columns or more."""
    n_windows = sum(outcome.n_windows for outcome in outcomes)
    n_dead_letters = sum(outcome.n_dead_letters for outcome in outcomes)
    table = Table(
        title="What the job found: the times of the first alerts",
        title_justify="left",
        caption=f"Windows tested: {n_windows:,}. Dead letters: {n_dead_letters:,}.",
        caption_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("model", no_wrap=True, style="bold")
    table.add_column("truth")
    for view in VIEWS:
        table.add_column(view, no_wrap=True, justify="right")
    table.add_column("delay, events", justify="right")
    table.add_column("verdict", no_wrap=True)
    for outcome in outcomes:
        table.add_row(*_cells(outcome))
    return table


def _cells(outcome: ModelOutcome) -> list[str]:
    sign, style = ("✔", "green") if outcome.is_right else ("✘", "bold red")
    return [
        outcome.model,
        outcome.truth,
        *(_first_alert(outcome, view) for view in VIEWS),
        "–" if outcome.delay_events is None else f"{outcome.delay_events:,}",
        f"[{style}]{sign} {outcome.verdict}[/]",
    ]


def _first_alert(outcome: ModelOutcome, view: str) -> str:
    """The end of the window in which a view found the drift."""
    alert = outcome.found_by.get(view)
    return "–" if alert is None else clock(alert.window.end_ms)


def say_where(console: Console, output: Path) -> None:
    """Name the files that were written."""
    console.print(
        f"In {output}: drift.html (the pictures), timeline.txt, alerts.jsonl, scores.jsonl, "
        "job.toml (the job that ran) and logs/.",
        soft_wrap=True,
        highlight=False,
    )
