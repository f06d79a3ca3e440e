"""``loudly demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flink_jobs.cli.shared.errors import ended_by_sigterm, told_plainly


def demo(
    output: Annotated[
        Path, typer.Option(help="Folder for the page, records, job.toml and logs.")
    ] = Path("demo-output"),
    seed: Annotated[int, typer.Option(min=0, help="Of the streams.")] = 0,
    seconds: Annotated[
        float, typer.Option(min=0.0, help="How long the stream takes, without start and end.")
    ] = 45.0,
    quick: Annotated[bool, typer.Option("--quick", help="Stream as fast as it goes.")] = False,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Use this Kafka broker instead of starting one.")
    ] = None,
    jobmanager: Annotated[
        str | None, typer.Option(help="Use this Flink cluster (host:port) instead of starting one.")
    ] = None,
    produce_only: Annotated[
        bool, typer.Option("--produce-only", help="Create the topics and stream; start no job.")
    ] = False,
    topic_prefix: Annotated[str, typer.Option(help="Put before the topics' names.")] = "",
) -> None:
    """Watch a real Flink cluster find real drift in events from a real Kafka broker.

    Four models stream at once. One stays as it was, two drift at a known moment, one goes on to
    other writers. The exit status is 0 when the first stayed silent and the others were found.
    """
    with told_plainly(), ended_by_sigterm():
        from rich.console import Console

        from flink_jobs.cli.shared.extras import require_demo_packages

        require_demo_packages()
        from flink_jobs.demo.run import DemoOptions, run_demo
        from flink_jobs.demo.run import produce_only as produce

        options = DemoOptions(
            output=output,
            seed=seed,
            seconds=0.0 if quick else seconds,
            bootstrap_servers=bootstrap_servers,
            jobmanager=jobmanager,
            topic_prefix=topic_prefix,
        )
        if produce_only:
            produce(options, Console())
        elif not run_demo(options, Console()):
            raise typer.Exit(1)
