"""``loudly backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flink_jobs.cli.shared.console import stderr, stdout
from flink_jobs.cli.shared.errors import NOTHING_TESTED, ended_by_sigterm, told_plainly
from flink_jobs.cli.shared.known_drifts import known_drifts
from flink_jobs.cli.shared.options import TruthColumn
from flink_jobs.histories.packages import require_backtest_packages


def backtest(
    config: Annotated[Path, typer.Option(help="The job's configuration, a TOML file.")],
    history: Annotated[
        str,
        typer.Option(
            "--input",
            help="A file or folder of JSON lines, CSV or Parquet, or "
            "kafka://host:port/topic?from=...&to=... with offsets or times.",
        ),
    ],
    output: Annotated[
        Path, typer.Option(help="Folder for the result; a result that lies there is replaced.")
    ] = Path("backtest-output"),
    processes: Annotated[
        int | None, typer.Option(min=1, help="As many as there are cores if left out.")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="Labelled drifts, TOML, CSV or JSON, to hold the alerts against."),
    ] = None,
    truth_column: TruthColumn = None,
    tolerance_ms: Annotated[
        int,
        typer.Option(
            min=0, help="An alarm within this time after a drift's end still counts as one of it."
        ),
    ] = 0,
    shifts: Annotated[
        Path | None, typer.Option(help="Simulated shifts of the recorded events, a TOML file.")
    ] = None,
    flink: Annotated[
        bool,
        typer.Option(
            "--flink",
            help="Run on a Flink cluster; files are written to a topic of their own first.",
        ),
    ] = False,
    jobmanager: Annotated[
        str,
        typer.Option(
            help="Host and port of the JobManager's REST interface.", envvar="LOUDLY_JOBMANAGER"
        ),
    ] = "127.0.0.1:8081",
    with_connector_jar: Annotated[
        bool,
        typer.Option(
            "--with-connector-jar/--without-connector-jar",
            help="Send the Kafka connector along, for a cluster that has none in its lib folder.",
        ),
    ] = False,
) -> None:
    """Replay a recorded history and say what the job would have said.

    Exit code 0 says that windows were tested, whatever was found; 3 that none was.
    """
    with told_plainly(), ended_by_sigterm():
        require_backtest_packages()
        from flink_jobs.cli.backtest_screen import (
            print_evaluation,
            print_next,
            print_result,
            progress_bar,
        )
        from flink_jobs.config.loading import load_config
        from flink_jobs.histories.errors import BacktestError
        from flink_jobs.replay.engine import run_backtest
        from flink_jobs.replay.on_flink.run import run_on_flink

        loaded = load_config(config)
        simulated, drifts = known_drifts(truth, shifts, truth_column, history, loaded)
        if flink and simulated:
            raise BacktestError("--shifts changes events as they are read: leave --flink out")
        with progress_bar(stderr()) as tell:
            if flink:
                result = run_on_flink(
                    loaded,
                    history,
                    jobmanager,
                    folder=output,
                    progress=tell,
                    ship_connector=with_connector_jar,
                )
            else:
                result = run_backtest(
                    loaded,
                    history,
                    folder=output,
                    processes=processes,
                    progress=tell,
                    shifts=simulated,
                )
        console = stdout()
        print_result(console, result)
        if drifts is not None:
            print_evaluation(console, result, drifts, tolerance_ms)
        if not result.summary.n_tested:
            raise typer.Exit(NOTHING_TESTED)
        print_next(console, result)
