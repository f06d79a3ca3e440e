"""``loudly run``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flink_jobs.cli.shared.console import stdout
from flink_jobs.cli.shared.errors import told_plainly


def run(
    config: Annotated[Path, typer.Option(help="The job's configuration, a TOML file.")],
    jobmanager: Annotated[
        str,
        typer.Option(
            help="Host and port of the JobManager's REST interface.", envvar="LOUDLY_JOBMANAGER"
        ),
    ] = "127.0.0.1:8081",
    savepoint: Annotated[
        str | None, typer.Option(help="A savepoint or retained checkpoint to go on from.")
    ] = None,
    with_connector_jar: Annotated[
        bool,
        typer.Option(
            "--with-connector-jar/--without-connector-jar",
            help="Send the Kafka connector along, for a cluster that has none in its lib folder.",
        ),
    ] = False,
    create_topics: Annotated[
        bool,
        typer.Option("--create-topics", help="Make those of the job's topics that are missing."),
    ] = False,
    check_topics: Annotated[
        bool,
        typer.Option(
            "--check-topics/--skip-topic-check",
            help="Skip where the brokers can be reached from the cluster alone.",
        ),
    ] = True,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Submit the job though not one event of a sample can be used."
        ),
    ] = False,
    wait_s: Annotated[
        float, typer.Option(min=0.0, help="How long to wait until the job runs; 0: do not wait.")
    ] = 120.0,
    python: Annotated[
        str, typer.Option(help="Python of the workers on the cluster, with Loudly's dependencies.")
    ] = sys.executable,
) -> None:
    """Check a configuration and its topics, submit the job to a Flink cluster, see that it runs.

    Some hundred events of the topic are looked at first, and what is wrong with them is said.
    """
    with told_plainly():
        from rich.text import Text

        from flink_jobs.cli.shared.first_look import look_at_events
        from flink_jobs.cluster import launch
        from flink_jobs.config.loading import load_config

        loaded = load_config(config)
        console = stdout()
        launch.require_cluster(jobmanager)
        if create_topics and (made := launch.create_job_topics(loaded)):
            console.print(f"Topics made: {', '.join(made)}", soft_wrap=True)
        if check_topics:
            launch.require_job_topics(loaded)
            look_at_events(loaded, console, is_forced=force)
        with console.status(Text(f"Submitting {config} to {jobmanager}")):
            job_id = launch.submit_drift_job(
                jobmanager,
                config,
                savepoint=savepoint,
                ship_connector=with_connector_jar,
                python=python,
            )
        if wait_s:
            with console.status(Text(f"Waiting until job {job_id} runs")):
                launch.wait_until_it_runs(jobmanager, job_id, timeout_s=wait_s)
        verb = "runs" if wait_s else "was submitted"
        watched = f"\nSee its models: loudly status --config {config}"
        console.print(
            Text.assemble(
                ("✔", "green"),
                f" Job {job_id} {verb}: http://{jobmanager}/#/job/{job_id}/overview\n"
                "Follow its alerts: loudly alerts --bootstrap-servers "
                f"{loaded.kafka.bootstrap_servers} --topic {loaded.kafka.alerts_topic}"
                f"{watched if loaded.kafka.status_topic else ''}",
            ),
            soft_wrap=True,
        )
