"""Texts of commands about a sample of events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from flink_jobs.records.shown import shown, shown_argument
from flink_jobs.records.wording import count, first_names
from flink_jobs.times import between

if TYPE_CHECKING:
    from flink_jobs.setup.description import SampleReport
    from flink_jobs.setup.proposal import Proposal

_MOST_NAMED = 12
_MOST_COLUMNS = 400
_WIDEST_NAME = 40


def print_proposal(console: Console, proposal: Proposal, output: Path, text: str) -> None:
    """Print what was written, what is not certain, and what to do next."""
    tables = proposal.tables
    n_features = len(tables.features) or tables.n_features
    n_outputs = len(tables.outputs) or tables.n_outputs
    console.print(
        Text.assemble(
            ("✔", "green"),
            f" {output} written: {count(n_features, 'feature')}, {count(n_outputs, 'output')}, "
            f"from {count(proposal.traffic.n_events, 'event')} of {proposal.sample.source}.",
        ),
        soft_wrap=True,
    )
    left_out = [*proposal.roles.left_out, *proposal.tables.left_out]
    if left_out:
        named = [f"{shown(facts.text)} ({why})" for facts, why in left_out]
        console.print(f"Left out: {first_names(named, _MOST_NAMED)}", soft_wrap=True)
    unsure = list(_unsure(text))
    if unsure:
        console.print("Not certain, marked UNSURE:", style="bold")
        for line in unsure:
            console.print(f"  {line}", soft_wrap=True)
    source, config = shown_argument(proposal.sample.source), shown_argument(str(output))
    console.print(
        f"Next: loudly validate {config} --sample {source}\n"
        f"      loudly backtest --config {config} --input {source} --output replayed",
        soft_wrap=True,
    )


def print_report(console: Console, report: SampleReport) -> None:
    """Print what a configuration makes of a sample, column by column."""
    rate = "" if report.span_ms is None else f", {between(*report.span_ms)}"
    console.print(
        Text.assemble(
            ("Sample", "bold"),
            f" of {report.source}: {count(report.n_messages, 'message')}, "
            f"{count(report.n_usable, 'usable event')}{rate}",
        ),
        soft_wrap=True,
    )
    if report.models:
        named = [f"{name} ({n:,})" for name, n in report.models]
        more = report.n_models - len(named)
        rest = f" and {more:,} more" if more > 0 else ""
        console.print(f"Models: {', '.join(named)}{rest}", soft_wrap=True)
    _print_columns(console, report)
    for each in report.refused:
        console.print(
            Text.assemble(
                ("✘", "red"),
                f" {count(each.n, 'event')} refused, {each.reason}: {each.example}",
            ),
            soft_wrap=True,
        )
    for hint in report.hints:
        console.print(Text.assemble(("!", "yellow"), f" {hint}"), soft_wrap=True)
    if report.is_unusable:
        console.print("Not one event can be used.", style="bold red")


def _print_columns(console: Console, report: SampleReport) -> None:
    """Print a line for each column: name, type, values and what looks wrong."""
    columns = report.columns[:_MOST_COLUMNS]
    width = min(_WIDEST_NAME, max((len(each.name) for each in columns), default=0))
    types = max((len(each.type) for each in columns), default=0)
    for each in columns:
        place = f" in {each.place}" if each.place and not each.place.endswith(each.name) else ""
        hint = f"  ! {'; '.join(each.hints)}" if each.hints else ""
        console.print(
            Text.assemble(
                f"  {each.name:<{width}}  {each.type:<{types}}  {each.values}{place}",
                (hint, "yellow"),
            ),
            soft_wrap=True,
        )
    if (more := len(report.columns) - _MOST_COLUMNS) > 0:
        console.print(f"  and {count(more, 'column')} more")


def _unsure(text: str) -> Iterator[str]:
    """The lines of a file that are marked, each with what it is about."""
    lines = text.splitlines()
    for place, line in enumerate(lines):
        code, mark, reason = line.partition("# UNSURE: ")
        if not mark:
            continue
        if code.strip():
            yield f"{code.strip()}: {reason}"
            continue
        rest = lines[place + 1 :]
        more = [each.removeprefix("# ") for each in _while_comment(rest)]
        about = next((each for each in rest if not each.startswith("#")), "")
        yield f"{about.split('  #')[0]}: {' '.join([reason, *more])}"


def _while_comment(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("# "):
            return
        yield line
