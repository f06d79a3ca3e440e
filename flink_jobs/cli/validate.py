"""``loudly validate job.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flink_jobs.cli.errors import told_plainly


def validate(
    config: Annotated[Path, typer.Argument(help="The job's configuration, a TOML file.")],
) -> None:
    """Check a configuration and the artefact it names; print what it means.

    Every problem is printed with its key, what is wrong and what is allowed; the exit status is 1.
    """
    with told_plainly():
        from rich.console import Console

        from flink_jobs.cli.summary import summarise
        from flink_jobs.config_file import load_config
        from flink_jobs.trained_reference import fit_training_set
        from flink_jobs.training_set import read_training_set

        loaded = load_config(config)
        x_ref = read_training_set(loaded)
        fit_training_set(loaded)
        summary = summarise(loaded, None if x_ref is None else len(x_ref))
        Console().print(f"[green]✔[/] {config} is right.", highlight=False)
        for name, text in summary:
            Console().print(f"  [bold]{name:<10}[/] {text}", highlight=False, soft_wrap=True)
