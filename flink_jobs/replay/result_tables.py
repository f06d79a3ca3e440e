"""The records of a result as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa

from flink_jobs.records.alerts import Alert, Score

_ROWS_PER_CHUNK = 10_000

_Record = TypeVar("_Record")

SCORES_SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("view", pa.string()),
        ("detector", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("closed_ms", pa.int64()),
        ("n_events", pa.int64()),
        ("n_tested", pa.int64()),
        ("status", pa.string()),
        ("statistic", pa.float64()),
        ("p_value", pa.float64()),
        ("threshold", pa.float64()),
        ("level", pa.float64()),
        ("effect_size", pa.float64()),
        ("top_column", pa.string()),
        ("is_drift", pa.bool_()),
        ("closed_early", pa.bool_()),
    ]
)
"""``threshold`` is on the scale of the statistic, ``level`` on that of the p-value."""

ALERTS_SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("view", pa.string()),
        ("detector", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("closed_ms", pa.int64()),
        ("kind", pa.string()),
        ("cause", pa.string()),
        ("severity", pa.string()),
        ("incident_id", pa.string()),
        ("statistic", pa.float64()),
        ("p_value", pa.float64()),
        ("effect_size", pa.float64()),
        ("top_column", pa.string()),
        ("is_flapping", pa.bool_()),
        ("n_suppressed", pa.int64()),
    ]
)


def scores_table(scores: Iterable[Score]) -> pa.Table:
    """A row of :data:`SCORES_SCHEMA` for each score."""
    return _table(scores, _score_row, SCORES_SCHEMA)


def alerts_table(alerts: Iterable[Alert]) -> pa.Table:
    """A row of :data:`ALERTS_SCHEMA` for each alert."""
    return _table(alerts, _alert_row, ALERTS_SCHEMA)


def to_frame(table: pa.Table) -> Any:
    """A pandas data frame with ``start`` and ``end`` as times in UTC beside ``..._ms``.

    Truth values may be missing without becoming objects, so that they can select rows.
    """
    import pandas as pd

    frame = table.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    for name in ("start", "end"):
        times = pd.to_datetime(frame[f"{name}_ms"], unit="ms", utc=True)
        frame.insert(frame.columns.get_loc("start_ms"), name, times)
    return frame


def _table(
    records: Iterable[_Record], row: Callable[[_Record], tuple[Any, ...]], schema: pa.Schema
) -> pa.Table:
    """By chunks, so that only one of them is ever there as Python objects."""
    batches, rest = [], iter(records)
    while chunk := [row(record) for record in islice(rest, _ROWS_PER_CHUNK)]:
        columns = [
            pa.array(values, type=field.type)
            for values, field in zip(zip(*chunk, strict=True), schema, strict=True)
        ]
        batches.append(pa.record_batch(columns, schema=schema))
    return pa.Table.from_batches(batches, schema=schema)


def _score_row(score: Score) -> tuple[Any, ...]:
    window = score.window
    return (
        score.model,
        score.view,
        score.detector,
        window.start_ms,
        window.end_ms,
        window.closed_ms,
        window.n_events,
        window.n_tested,
        score.status.value,
        score.statistic,
        score.p_value,
        None if score.threshold is None else score.threshold.statistic,
        None if score.threshold is None else score.threshold.p_value,
        score.effect_size,
        score.top_column,
        score.is_drift,
        window.closed_early,
    )


def _alert_row(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.model,
        alert.view,
        alert.detector,
        alert.window.start_ms,
        alert.window.end_ms,
        alert.window.closed_ms,
        alert.kind.value,
        alert.cause.value,
        alert.severity.value,
        alert.incident_id,
        alert.statistic,
        alert.p_value,
        alert.effect_size,
        alert.top_columns[0].column if alert.top_columns else None,
        alert.is_flapping,
        alert.n_suppressed,
    )
