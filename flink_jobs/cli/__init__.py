"""The command ``loudly``.

Each command imports what it needs when it runs, so that ``loudly --help`` answers at once.
"""

from __future__ import annotations

import typer

from flink_jobs.cli.alerts import alerts
from flink_jobs.cli.backtest import backtest
from flink_jobs.cli.compare import compare
from flink_jobs.cli.control import control
from flink_jobs.cli.dashboard import dashboard
from flink_jobs.cli.demo import demo
from flink_jobs.cli.init import init
from flink_jobs.cli.report import report
from flink_jobs.cli.run import run
from flink_jobs.cli.sandbox import sandbox
from flink_jobs.cli.status import status
from flink_jobs.cli.validate import validate
from flink_jobs.cli.version import version

app = typer.Typer(
    name="loudly",
    help="Streaming drift detection for machine-learning models on Flink and Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
for command in (
    *(
        demo,
        init,
        validate,
        backtest,
        report,
        compare,
        sandbox,
        run,
        status,
        alerts,
        dashboard,
        version,
    ),
):
    app.command()(command)
app.add_typer(control)

__all__ = ["app"]
