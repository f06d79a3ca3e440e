"""``loudly validate job.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flink_jobs.cli.shared.console import stdout
from flink_jobs.cli.shared.errors import told_plainly


def validate(
    config: Annotated[Path, typer.Argument(help="The job's configuration, a TOML file.")],
) -> None:
    """Check a configuration and the artefacts it names; print what it means.

    Every problem is printed with its key, what is wrong and what is allowed; the exit status is 1.
    """
    with told_plainly():
        from rich.text import Text

        from flink_jobs.cli.summary import summarise
        from flink_jobs.config.loading import load_config
        from flink_jobs.core.references.fitted import FittedView
        from flink_jobs.core.references.trained import fit_training_sets

        loaded = load_config(config)
        blocks = fit_training_sets(loaded)
        n_training = {key: FittedView.from_block(b).n_ref for key, b in blocks.items()}
        console = stdout()
        console.print(Text.assemble(("✔", "green"), f" {config} is right."), soft_wrap=True)
        for name, text in summarise(loaded, n_training):
            console.print(f"  {name:<12}", style="bold", end="")
            console.print(text, soft_wrap=True)
