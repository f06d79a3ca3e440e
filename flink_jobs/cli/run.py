"""``loudly run``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flink_jobs.cli.errors import told_plainly


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
    python: Annotated[
        str, typer.Option(help="Python of the workers on the cluster, with Loudly's dependencies.")
    ] = sys.executable,
) -> None:
    """Check a configuration and submit the drift job to a running Flink cluster."""
    with told_plainly():
        from rich.console import Console

        from flink_jobs.cluster.launch import submit_drift_job
        from flink_jobs.config.loading import load_config

        kafka = load_config(config).kafka
        console = Console()
        with console.status(f"Submitting {config} to {jobmanager}"):
            job_id = submit_drift_job(
                jobmanager,
                config,
                savepoint=savepoint,
                ship_connector=with_connector_jar,
                python=python,
            )
        console.print(
            f"[green]✔[/] Job {job_id} runs: http://{jobmanager}/#/job/{job_id}/overview\n"
            f"Follow its alerts: loudly alerts --bootstrap-servers {kafka.bootstrap_servers} "
            f"--topic {kafka.alerts_topic}",
            highlight=False,
            soft_wrap=True,
        )
