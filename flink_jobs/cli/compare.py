"""``loudly compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flink_jobs.cli.shared.console import stderr, stdout
from flink_jobs.cli.shared.errors import NOTHING_TESTED, told_plainly
from flink_jobs.cli.shared.known_drifts import known_drifts
from flink_jobs.cli.shared.options import TruthColumn
from flink_jobs.histories.packages import require_backtest_packages
from flink_jobs.records.shown import shown

if TYPE_CHECKING:
    from rich.console import Console

    from flink_jobs.evaluation.compare.compare import Comparison, Outcome
    from flink_jobs.evaluation.compare.runs import Progress as CompareProgress

_WIDE = 110


def compare(
    config: Annotated[Path, typer.Option(help="The job's configuration, a TOML file.")],
    grid: Annotated[Path, typer.Option(help="What is varied: the axis tables of a TOML file.")],
    source: Annotated[
        str, typer.Option("--input", help="The history: a file, a folder or kafka://topic.")
    ],
    output: Annotated[
        Path, typer.Option(help="Folder for runs, the plot and the chosen job.toml.")
    ],
    truth: Annotated[
        Path | None, typer.Option(help="Labelled drifts: a TOML, CSV or JSON file.")
    ] = None,
    truth_column: TruthColumn = None,
    shifts: Annotated[
        Path | None, typer.Option(help="Simulate these: the shifts tables of a TOML file.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--choose", metavar="LABEL", help="Choose this configuration.")
    ] = None,
    max_false_alarms: Annotated[
        int, typer.Option(min=0, help="What the chosen configuration may raise at most.")
    ] = 0,
    tolerance_ms: Annotated[
        int,
        typer.Option(
            min=0, help="An alarm within this time after a drift's end still counts as one of it."
        ),
    ] = 0,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Of each backtest; all cores by default.")
    ] = None,
) -> None:
    """Run a backtest for every combination of a grid, and choose a configuration.

    The chosen one is the one that misses fewest drifts without more than --max-false-alarms, then
    the quickest. What has been run in the folder is not run again. Exit code 3 says that no window
    was tested, so that nothing speaks for the chosen one.
    """
    with told_plainly():
        require_backtest_packages()
        from flink_jobs.config.loading import load_config
        from flink_jobs.evaluation.compare.compare import choose, chosen_by_label
        from flink_jobs.evaluation.compare.compare import compare as run_all
        from flink_jobs.evaluation.compare.grid import read_grid
        from flink_jobs.histories.errors import BacktestError

        loaded, axes = load_config(config), read_grid(grid)
        simulated, drifts = known_drifts(truth, shifts, truth_column, source, loaded)
        if drifts is None:
            raise typer.BadParameter("no drift is known: give --truth, --truth-column or --shifts")
        console = stdout()
        with _Bar() as bar:
            comparison = run_all(
                loaded,
                axes,
                source,
                drifts,
                folder=output,
                shifts=simulated,
                tolerance_ms=tolerance_ms,
                processes=processes,
                on_progress=bar.show,
            )
        try:
            chosen = (
                choose(comparison.outcomes, max_false_alarms=max_false_alarms)
                if label is None
                else chosen_by_label(comparison.outcomes, label)
            )
        except BacktestError:
            # What was run is shown all the same: it says how to choose.
            _show(console, comparison, None, output)
            raise
        _show(console, comparison, chosen, output)
        if not chosen.n_tested:
            stderr().print("No window was tested.")
            raise typer.Exit(NOTHING_TESTED)


def _show(console: Console, comparison: Comparison, chosen: Outcome | None, output: Path) -> None:
    """Print the table and write the plot; with a chosen configuration its ``job.toml``, too."""
    from rich.table import Table

    from flink_jobs.evaluation.compare.job_file import job_toml
    from flink_jobs.reports.compare_plot import write_html
    from flink_jobs.reports.compare_text import HEADER, table_rows

    rows = table_rows(comparison.outcomes)
    # The last column, how fast it ran, says nothing about drift.
    n_shown = len(HEADER) - (console.width < _WIDE)
    table = Table(box=None, pad_edge=False, padding=(0, 2 if n_shown == len(HEADER) else 1, 0, 0))
    table.add_column("")
    # It is typed for --choose: it breaks last.
    longest = max((len(row[0]) for row in rows), default=0)
    table.add_column(HEADER[0], overflow="fold", no_wrap=longest <= console.width // 4)
    for name in HEADER[1:n_shown]:
        table.add_column(name, justify="right", overflow="fold")
    for outcome, row in zip(comparison.outcomes, rows, strict=True):
        is_chosen = chosen is not None and outcome.label == chosen.label
        mark = "chosen" if is_chosen else "efficient" if outcome.is_efficient else ""
        mark = mark if outcome.n_tested else "not tested"
        table.add_row(mark, *row[:n_shown], style="bold" if is_chosen else None)
    console.print(table)
    for refused in comparison.refused:
        console.print(f"not run: {shown(refused.label)}: {refused.reason}")
    for drift in comparison.unmatched:
        console.print(
            f"no model of the history is called {shown(drift.model)}, which a drift names"
        )
    if comparison.outcomes:
        write_html(comparison, chosen, output / "compare.html")
    # The choice of an earlier call, by other drifts or another limit, is none of this one.
    (output / "job.toml").unlink(missing_ok=True)
    if chosen is not None:
        comment = f"Chosen by loudly compare among {len(rows)}: {shown(chosen.label)}"
        (output / "job.toml").write_text(job_toml(chosen.config, comment), encoding="utf-8")
        console.print(f"{output / 'job.toml'} holds {shown(chosen.label)}")


class _Bar:
    """Shows how many configurations are done, and how long the others will take."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        self._progress = RichProgress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("remaining"),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=stderr(),
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def show(self, progress: CompareProgress) -> None:
        self._progress.update(
            self._task,
            total=progress.n_total,
            completed=progress.n_done,
            description=progress.label,
        )
