"""``loudly report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flink_jobs.cli.shared.console import stderr
from flink_jobs.cli.shared.errors import NOTHING_TESTED, told_plainly
from flink_jobs.cli.shared.options import TruthColumn
from flink_jobs.histories.packages import require_backtest_packages
from flink_jobs.records.shown import shown_lines


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="RESULT_FOLDER", help="The folder of a backtest's result.")
    ],
    truth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Labelled drifts: a TOML, CSV or JSON file."),
    ] = None,
    truth_column: TruthColumn = None,
    tolerance_ms: Annotated[
        int,
        typer.Option(
            "--tolerance-ms",
            min=0,
            help="An alarm within this time after a drift's end still counts as one of it.",
        ),
    ] = 0,
    output: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    history: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="HISTORY",
            help="What was replayed; --truth-column is one of its columns.",
        ),
    ] = None,
    image_shape: Annotated[
        str | None,
        typer.Option(
            metavar="ROWSxCOLUMNS", help="The features are images; draws those of the evidence."
        ),
    ] = None,
) -> None:
    """Show a backtest as one HTML file that needs no network.

    Exit code 3 says that the page was written, and that no window had been tested.
    """
    with told_plainly():
        require_backtest_packages()
        from dataclasses import replace

        from flink_jobs.cli.shared.known_drifts import labelled_drifts
        from flink_jobs.cli.summary import summarise
        from flink_jobs.histories.errors import BacktestError
        from flink_jobs.replay.result import BacktestResult
        from flink_jobs.reports.write import gather, training_sizes, write_html

        shape = _shape(image_shape)
        if truth_column is not None and history is None:
            raise typer.BadParameter("it needs --input", param_hint="--truth-column")
        result = BacktestResult.open(folder)
        contents = gather(
            result,
            truth=labelled_drifts(truth, truth_column, history or "", result.config),
            tolerance_ms=tolerance_ms,
            image_shape=shape,
        )
        lines = summarise(result.config, training_sizes(contents))
        contents = replace(contents, configuration=lines)
        try:
            write_html(contents, output)
        except OSError as error:
            raise BacktestError(f"{output} cannot be written: {error.strerror}") from error
        typer.echo(f"{shown_lines(str(output))}, {output.stat().st_size / 1e6:.1f} MB")
        if not result.summary.n_tested:
            stderr().print("No window was tested.")
            raise typer.Exit(NOTHING_TESTED)


def _shape(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    rows, _, columns = text.lower().partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise typer.BadParameter(f"{text!r} is not a shape such as 8x8", param_hint="--image-shape")
    return int(rows), int(columns)
