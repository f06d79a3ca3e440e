"""``loudly version``."""

from __future__ import annotations

import typer

from flink_jobs.version import __version__


def version() -> None:
    """Print the version."""
    typer.echo(f"loudly {__version__}")
