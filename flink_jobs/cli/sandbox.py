"""``loudly sandbox``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flink_jobs.cli.shared.console import stdout
from flink_jobs.cli.shared.errors import NOTHING_TESTED, ended_by_sigterm, told_plainly
from flink_jobs.cli.shared.extras import require_dashboard_packages
from flink_jobs.histories.packages import require_backtest_packages


def sandbox(
    config: Annotated[Path, typer.Option(help="The job's configuration, a TOML file.")],
    history: Annotated[
        str | None,
        typer.Option(
            "--input",
            help="A file or folder of JSON lines, CSV or Parquet, or a topic as "
            "kafka://host:port/topic, to feed as a stream; without it "
            "the job waits for events of your own.",
        ),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="How many seconds of event time pass in a second; 0 is as fast as it goes. If "
            "left out, the history takes two minutes.",
        ),
    ] = None,
    until_now: Annotated[
        bool,
        typer.Option(
            "--until-now",
            help="Move event times, which are kept otherwise, so that the history ends now.",
        ),
    ] = False,
    exit_at_end: Annotated[
        bool,
        typer.Option(
            "--exit-at-end", help="End when the job has seen all of the history, not by Ctrl-C."
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="Of the live page; 8765 or, where that is taken, another."
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for alerts and logs.")] = Path(
        "sandbox-output"
    ),
) -> None:
    """Run a job on a Kafka broker and a Flink cluster that are started for it on this machine.

    It makes the topics, submits the job, feeds a history as a stream if there is one, serves the
    live page, prints alerts as they come, and runs until Ctrl-C. The configuration's broker is not
    touched. With --exit-at-end the exit status is 0 if windows were tested, and 3 if none was.
    """
    with told_plainly(), ended_by_sigterm():
        require_dashboard_packages()
        if history is not None:
            require_backtest_packages()
        if exit_at_end and history is None:
            raise typer.BadParameter("--exit-at-end needs --input: without it there is no end")
        from flink_jobs.config.loading import load_config
        from flink_jobs.sandbox.run import SandboxOptions, run_sandbox

        options = SandboxOptions(
            config=load_config(config),
            history=history,
            speed=speed,
            until_now=until_now,
            exit_at_end=exit_at_end,
            page_port=port,
            output=output,
        )
        screen = run_sandbox(options, stdout())
        if exit_at_end and not screen.n_tested:
            raise typer.Exit(NOTHING_TESTED)
