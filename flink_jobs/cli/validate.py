"""``loudly validate job.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flink_jobs.cli.shared.console import stdout
from flink_jobs.cli.shared.errors import told_plainly

if TYPE_CHECKING:
    from flink_jobs.config.job import DriftJobConfig


def validate(
    config: Annotated[Path, typer.Argument(help="The job's configuration, a TOML file.")],
    sample: Annotated[
        str | None,
        typer.Option(
            help="Events to read by it: a file or folder, or kafka://host:port/topic. Says what it "
            "makes of each column."
        ),
    ] = None,
) -> None:
    """Check a configuration and the artefacts it names; print what it means.

    Every problem is printed with its key, what is wrong and what is allowed; the exit status is 1.
    With --sample the exit status is 1, too, where not one event can be used.
    """
    with told_plainly():
        from rich.text import Text

        from flink_jobs.cli.summary import summarise
        from flink_jobs.config.loading import load_config
        from flink_jobs.core.artefacts import read_artefacts

        loaded = load_config(config)
        artefacts = read_artefacts(loaded)
        console = stdout()
        console.print(Text.assemble(("✔", "green"), f" {config} is right."), soft_wrap=True)
        for name, text in summarise(loaded, artefacts.n_training, artefacts.models):
            console.print(f"  {name:<12}", style="bold", end="")
            console.print(text, soft_wrap=True)
        if sample is not None:
            _describe(loaded, sample)


def _describe(config: DriftJobConfig, name: str) -> None:
    from flink_jobs.cli.sample_screen import print_report
    from flink_jobs.histories.packages import require_backtest_packages
    from flink_jobs.setup.description import describe_sample
    from flink_jobs.setup.opening import take_sample

    require_backtest_packages()
    taken = take_sample(name, config.kafka.properties, config.kafka.bootstrap_servers)
    report = describe_sample(config, taken)
    print_report(stdout(), report)
    if report.is_unusable:
        raise typer.Exit(1)
