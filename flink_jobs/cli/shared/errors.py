"""Messages, without a traceback, for the errors that a user can fix."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer
from rich.table import Table
from rich.text import Text

from flink_jobs.cli.shared.console import stderr
from flink_jobs.cluster.errors import EmbeddedError
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.demo.errors import DemoError
from flink_jobs.histories.errors import BacktestError
from flink_jobs.kafka.errors import FollowError
from flink_jobs.records.shown import shown_lines

# The exit codes of all commands. 0 is success, 1 an error that the user can fix, 2 a wrong option.
NOTHING_TESTED = 3
"""The history was read, and no window of it was tested: nothing is known of drift."""
INTERRUPTED = 130
TERMINATED = 143


@contextmanager
def told_plainly() -> Iterator[None]:
    """End with a message and status 1 on an error that a user can fix; with 130 on Ctrl-C."""
    try:
        yield
    except ConfigError as error:
        print_problems(error)
        raise typer.Exit(1) from None
    except (BacktestError, DemoError, EmbeddedError, FollowError) as error:
        stderr().print(Text.assemble(("Error: ", "bold red"), str(error)))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        stderr().print("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the program as Ctrl-C does, so that everything started is stopped."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def print_problems(error: ConfigError) -> None:
    """Print each problem of a configuration: the key, what is wrong and what is allowed."""
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    table.add_column("key", style="bold red", overflow="fold")
    table.add_column("what is wrong", overflow="fold")
    table.add_column("what is allowed", overflow="fold")
    for problem in error.problems:
        # The console would escape them too, but only in cells that were measured without.
        table.add_row(*map(shown_lines, (problem.key, problem.wrong, problem.allowed)))
    stderr().print(table)
