"""``loudly dashboard``."""

from __future__ import annotations

from typing import Annotated

import typer

from flink_jobs.cli.shared.console import stderr
from flink_jobs.cli.shared.errors import ended_by_sigterm, told_plainly
from flink_jobs.cli.shared.extras import require_dashboard_packages
from flink_jobs.cli.shared.options import BootstrapServers, ClientProperties


def dashboard(
    bootstrap_servers: BootstrapServers = "127.0.0.1:9092",
    alerts_topic: Annotated[str, typer.Option(help="The topic of alerts.")] = "drift-alerts",
    scores_topic: Annotated[str, typer.Option(help="The topic of scores.")] = "drift-scores",
    control_topic: Annotated[
        str | None,
        typer.Option(help="The topic of commands; without it the page has no buttons."),
    ] = None,
    audit_topic: Annotated[
        str | None,
        typer.Option(help="The topic of answers; drift-audit where there is a control topic."),
    ] = None,
    status_topic: Annotated[
        str | None,
        typer.Option(
            help="The topic of status records; without it the page knows only by answers to "
            "commands which models are paused or collect a reference."
        ),
    ] = None,
    evidence_topic: Annotated[
        str | None,
        typer.Option(
            help="The topic of evidence; without it what moved is drawn by what alerts tell."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to serve the page on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Its port; 0 for any that is free.")
    ] = 8765,
    allow_remote: Annotated[
        bool,
        typer.Option(
            "--allow-remote", help="Let other machines reach the page, which has no login."
        ),
    ] = False,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A host name by which the page may be called."),
    ] = None,
    history: Annotated[
        int,
        typer.Option(min=0, help="Scores to read from before the end of each partition."),
    ] = 20_000,
    issued_by: Annotated[
        str,
        typer.Option(
            help="Who sends commands from the page, for the audit.",
            envvar=["LOUDLY_ISSUED_BY", "USER", "LOGNAME"],
        ),
    ] = "",
    properties: ClientProperties = None,
) -> None:
    """Serve a page with all models, open incidents and live charts, and buttons for commands."""
    with told_plainly(), ended_by_sigterm():
        require_dashboard_packages()
        from flink_jobs.dashboard.feed import Topics
        from flink_jobs.dashboard.serve import Address, Dashboard
        from flink_jobs.kafka.properties import parse_properties

        topics = Topics(
            bootstrap_servers=bootstrap_servers,
            alerts=alerts_topic,
            scores=scores_topic,
            audit=audit_topic or ("drift-audit" if control_topic else None),
            status=status_topic,
            evidence=evidence_topic,
            n_scores=history,
            properties=parse_properties(properties or []),
        )
        address = Address(
            host=host, port=port, is_remote_allowed=allow_remote, names=tuple(allowed_host or ())
        )
        page = Dashboard(topics, address, control_topic=control_topic, issued_by=issued_by)
        with page:
            errors = stderr()
            errors.print(f"The page is at {page.url} (Ctrl-C ends it)")
            if allow_remote:
                errors.print(
                    "Other machines may reach it, and it has no login: anyone who opens it sees "
                    "all models" + (" and may send commands." if control_topic else ".")
                )
            page.serve()
