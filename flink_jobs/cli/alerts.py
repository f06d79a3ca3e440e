"""``loudly alerts``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from flink_jobs.cli.errors import stderr, told_plainly
from flink_jobs.cli.options import BootstrapServers, ClientProperties


def alerts(
    bootstrap_servers: BootstrapServers = "127.0.0.1:9092",
    topic: Annotated[str, typer.Option(help="The topic of alerts.")] = "drift-alerts",
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Show the alerts that are there already, too.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, for programs.")
    ] = False,
    exit_when_idle: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="End after so many seconds without a new alert."),
    ] = None,
    isolation: Annotated[
        Literal["read_committed", "read_uncommitted"],
        typer.Option(help="Whether to see only what finished transactions wrote."),
    ] = "read_committed",
    group: Annotated[
        str | None, typer.Option(help="Commit positions for this consumer group.")
    ] = None,
    properties: ClientProperties = None,
) -> None:
    """Follow the alerts, each shown once, as a timeline or as JSON lines."""
    with told_plainly():
        from rich.console import Console

        from flink_jobs.kafka.following import RecordFollower
        from flink_jobs.kafka.properties import parse_properties
        from flink_jobs.records.alerts import Alert
        from flink_jobs.reports.text.alerts import to_json_line, to_text

        console, errors = Console(), stderr()
        follower = RecordFollower(
            bootstrap_servers,
            topic,
            Alert,
            start="beginning" if from_beginning else "end",
            isolation=isolation,
            group_id=group,
            properties=parse_properties(properties or []),
            on_undecodable=lambda what: errors.print(f"skipped {what}", markup=False),
        )
        with follower:
            for alert in follower.follow(exit_when_idle_s=exit_when_idle):
                if json:
                    typer.echo(to_json_line(alert))
                else:
                    console.print(to_text(alert), soft_wrap=True)
        counts = follower.counts
        errors.print(
            f"{counts.delivered} alerts, {counts.duplicates} duplicates dropped, "
            f"{counts.undecodable} undecodable records skipped",
            highlight=False,
        )
