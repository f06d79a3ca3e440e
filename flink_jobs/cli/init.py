"""``loudly init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flink_jobs.cli.shared.console import stdout
from flink_jobs.cli.shared.errors import told_plainly
from flink_jobs.cli.shared.options import ClientProperties
from flink_jobs.histories.packages import require_backtest_packages


def init(
    history: Annotated[
        str,
        typer.Option(
            "--input",
            help="Events as you have them: a file or folder of JSON lines, CSV or Parquet, or "
            "kafka://host:port/topic.",
        ),
    ],
    output: Annotated[Path, typer.Option(help="The configuration to write.")] = Path("job.toml"),
    model_name: Annotated[
        str, typer.Option(help="The model of all events, where they do not say it.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file where there is one.")
    ] = False,
    properties: ClientProperties = None,
) -> None:
    """Look at a sample of events and write a configuration for them, each line with its reason.

    What is a guess is marked UNSURE. The file validates and replays as it is.
    """
    with told_plainly():
        require_backtest_packages()
        from flink_jobs.cli.sample_screen import print_proposal
        from flink_jobs.histories.errors import SourceError
        from flink_jobs.kafka.properties import parse_properties
        from flink_jobs.setup.fitting import fitted, proven
        from flink_jobs.setup.job_toml import job_toml
        from flink_jobs.setup.opening import take_sample
        from flink_jobs.setup.proposal import propose

        if output.exists() and not force:
            raise SourceError(f"{output} is there already: name another --output, or add --force")
        given = parse_properties(properties or [])
        proposal = proven(fitted(propose(take_sample(history, given), model_name, given)))
        text = job_toml(proposal, str(output))
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SourceError(f"{output} cannot be written: {error.strerror}") from error
        print_proposal(stdout(), proposal, output, text)
