"""``loudly alerts``."""

from __future__ import annotations

from typing import Annotated

import typer

from flink_jobs.cli.shared.console import stderr, stdout
from flink_jobs.cli.shared.errors import ended_by_sigterm, told_plainly
from flink_jobs.cli.shared.options import BootstrapServers, ClientProperties


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
        typer.Option(metavar="SECONDS", help="End after this many seconds without a new alert."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Commit positions for this consumer group, so that a restart goes on after the "
            "last alert that was printed. Without it alerts of the time between are not shown."
        ),
    ] = None,
    properties: ClientProperties = None,
) -> None:
    """Follow the alerts, each shown once, as a timeline or as JSON lines."""
    with told_plainly(), ended_by_sigterm():
        from flink_jobs.kafka.following import RecordFollower
        from flink_jobs.kafka.properties import parse_properties
        from flink_jobs.records.alerts import Alert
        from flink_jobs.reports.text.alerts import to_json_line, to_text

        console, errors = stdout(), stderr()
        follower = RecordFollower(
            bootstrap_servers,
            topic,
            Alert,
            start="beginning" if from_beginning else "end",
            group_id=group,
            properties=parse_properties(properties or []),
            on_undecodable=lambda what: errors.print(f"skipped {what}"),
        )
        if not from_beginning and group is None:
            errors.print("Waiting for new alerts; --from-beginning shows the earlier ones, too")
        with follower:
            for alert in follower.follow(exit_when_idle_s=exit_when_idle):
                if json:
                    typer.echo(to_json_line(alert))
                else:
                    console.print(to_text(alert), soft_wrap=True)
        counts = follower.counts
        errors.print(
            f"{counts.delivered} alerts, {counts.duplicates} duplicates dropped, "
            f"{counts.undecodable} undecodable records skipped"
        )
        if counts.undecodable and counts.undecodable == counts.received:
            errors.print(f"No record was an alert: is {topic} the job's kafka.alerts_topic?")
            raise typer.Exit(1)
