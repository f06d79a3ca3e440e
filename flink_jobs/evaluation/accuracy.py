"""Accuracy over time, where a history has true labels and outputs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from flink_jobs.config.columns import answer_of
from flink_jobs.histories.errors import BacktestError
from flink_jobs.replay.result import BacktestResult

ACCURACY_SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("n_labelled", pa.int64()),
        ("accuracy", pa.float64()),
    ]
)
_N_STRETCHES = 100


def accuracy_table(result: BacktestResult, every_ms: int | None = None) -> pa.Table:
    """For each model and stretch of time, the share of labelled events that were predicted right.

    The backtest counted them, pane by pane.

    Parameters
    ----------
    result : BacktestResult
    every_ms : int, optional
        The length of a stretch, in whole panes; a hundredth of the history if left out.

    Returns
    -------
    pyarrow.Table
        Of :data:`ACCURACY_SCHEMA`, by model and time; stretches without a labelled event are left
        out. Events that cannot be used, or came too late, count nowhere.

    Raises
    ------
    BacktestError
        When the backtest counted none, or ``every_ms`` is not a number of whole panes.
    """
    width_ms = result.config.panes.width_ms
    every_ms = _stretch_ms(result) if every_ms is None else every_ms
    if every_ms <= 0 or every_ms % width_ms:
        raise BacktestError(f"every_ms is {every_ms}: panes of {width_ms} ms make no such stretch")
    counts = result.accuracy()
    if counts is None:
        raise BacktestError(_why_none(result))
    starts = counts["start_ms"].to_numpy()
    table = counts.set_column(1, "start_ms", pa.array(starts - starts % every_ms))
    sums = [("n_labelled", "sum"), ("n_right", "sum")]
    table = table.group_by(["model", "start_ms"], use_threads=False).aggregate(sums)
    table = table.sort_by([("model", "ascending"), ("start_ms", "ascending")])
    starts, n, right = (
        table[name].to_numpy() for name in ("start_ms", "n_labelled_sum", "n_right_sum")
    )
    columns = [table["model"], starts, starts + every_ms, n, right / np.maximum(n, 1)]
    return pa.table([pa.chunked_array([c]) if isinstance(c, pa.Array) else c for c in columns],
                    schema=ACCURACY_SCHEMA)  # fmt: skip


def _stretch_ms(result: BacktestResult) -> int:
    width_ms, summary = result.config.panes.width_ms, result.summary
    n_panes = (summary.end_ms - summary.start_ms) // width_ms // _N_STRETCHES
    return (n_panes + 1) * width_ms


def _why_none(result: BacktestResult) -> str:
    if not result.config.columns.label or answer_of(result.config) is None:
        return (
            "accuracy takes true labels and outputs: name the labels in columns.label, and say in "
            "columns.outputs or input.n_outputs what the model answers"
        )
    return result.summary.no_accuracy or "the backtest counted no labelled event"
