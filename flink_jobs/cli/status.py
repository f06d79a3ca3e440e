"""``loudly status``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from flink_jobs.cli.shared.console import stderr, stdout
from flink_jobs.cli.shared.errors import ended_by_sigterm, told_plainly
from flink_jobs.cli.shared.options import BootstrapServers, ClientProperties
from flink_jobs.records.shown import shown

if TYPE_CHECKING:
    from flink_jobs.kafka.statuses import Statuses
    from flink_jobs.records.status import ModelStatus

NO_STATUS = 3
"""The topic could be read, and holds no status of what was asked for."""


class Order(StrEnum):
    """The order of the models."""

    WORST = "worst"
    NEWEST = "newest"


class _Where(NamedTuple):
    bootstrap_servers: str
    topic: str
    properties: dict[str, str]


def status(
    config: Annotated[
        Path | None,
        typer.Option(help="The job's file, which names brokers and topic.", show_default=False),
    ] = None,
    bootstrap_servers: BootstrapServers = "127.0.0.1:9092",
    topic: Annotated[str, typer.Option(help="The topic of status records.")] = "drift-status",
    model: Annotated[
        str | None, typer.Option(help="All that is known of this model alone.")
    ] = None,
    first: Annotated[
        Order, typer.Option(help="Which models come first: the worst, or those heard of last.")
    ] = Order.WORST,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, for programs.")
    ] = False,
    timeout_s: Annotated[
        float, typer.Option(min=0.1, help="How long reading the topic may take.")
    ] = 60.0,
    properties: ClientProperties = None,
) -> None:
    """Show how each model is watched: its state, its reference and its last windows.

    Ends with 0 where something is shown, with 3 where the topic holds no status of what was asked
    for, with 1 on an error, such as a topic that does not exist, and with 2 on a wrong option.
    """
    with told_plainly(), ended_by_sigterm():
        from flink_jobs.kafka.properties import parse_properties
        from flink_jobs.kafka.statuses import read_statuses

        if config is None:
            where = _Where(bootstrap_servers, topic, parse_properties(properties or []))
        else:
            where = _where(config)
        found = read_statuses(
            where.bootstrap_servers, where.topic, where.properties, timeout_s=timeout_s
        )
        wanted = [each for each in found.last.values() if model in (None, each.model)]
        _show(_ordered(wanted, first), as_json=json, in_full=model is not None)
        if found.n_undecodable:
            stderr().print(f"{found.n_undecodable} undecodable records skipped")
        if not wanted:
            stderr().print(_missing(found, where, model))
            raise typer.Exit(NO_STATUS)


def _where(config: Path) -> _Where:
    """The job's own configuration."""
    from flink_jobs.config.loading import load_config

    kafka = load_config(config).kafka
    if kafka.status_topic is None:
        stderr().print(
            f"{shown(str(config))} has no kafka.status_topic, so that its job writes no status "
            'records. Set it, such as status_topic = "drift-status", and start the job anew.'
        )
        raise typer.Exit(NO_STATUS)
    return _Where(kafka.bootstrap_servers, kafka.status_topic, kafka.properties)


def _ordered(statuses: Sequence[ModelStatus], first: Order) -> list[ModelStatus]:
    from flink_jobs.reports.text.statuses import newest_first, worst_first

    return worst_first(statuses) if first is Order.WORST else newest_first(statuses)


def _show(statuses: Sequence[ModelStatus], *, as_json: bool, in_full: bool) -> None:
    from flink_jobs.reports.text.alerts import to_json_line
    from flink_jobs.reports.text.statuses import status_table, statuses_table

    if as_json:
        for each in statuses:
            typer.echo(to_json_line(each))
        return
    console = stdout()
    if in_full:
        for each in statuses:
            console.print(shown(each.model))
            console.print(status_table(each))
    elif statuses:
        console.print(statuses_table(statuses))
    if any(each.may_hold_back for each in statuses):
        console.print(
            "Alerts are decided over many models (storm, false_discoveries): an incident here may "
            "be one that no alert told of.",
            style="dim",
        )


def _missing(found: Statuses, where: _Where, model: str | None) -> str:
    if model is not None and found.last:
        return (
            f"The topic {where.topic} holds no status of {shown(model)}; it has "
            f"{len(found.last):,} other models."
        )
    if found.n_undecodable:
        return f"No record was a status: is {where.topic} the job's kafka.status_topic?"
    return (
        f"The topic {where.topic} is empty: no model has been heard of since it was made. Check "
        f'that the job\'s file has kafka.status_topic = "{where.topic}", that the job runs, and '
        "that events come."
    )
