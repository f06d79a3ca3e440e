"""Alerts as the monitor raises them, in short."""

from __future__ import annotations

from collections.abc import Sequence

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.records.alerts import (
    Alert,
    AlertKind,
    Cause,
    ColumnShift,
    ReferenceSummary,
    SegmentMove,
    Severity,
    WindowSummary,
)
from tests.builders import WIDTH_MS, make_config

LAG_MS = 5 * WIDTH_MS


def storm_config(models: int = 3, within_ms: int = 10_000, **more: object) -> DriftJobConfig:
    """A job with a table ``storm``, and panes of a second."""
    table = {"models": models, "within_ms": within_ms, **more}
    return make_config(storm=table, policy={"top_columns": 5})


def raised(
    model: str,
    at_ms: int,
    columns: Sequence[str] = ("x",),
    kind: AlertKind = AlertKind.STARTED,
    *,
    incident: str = "",
    cause: Cause = Cause.DRIFT,
    view: str = "main",
    severity: Severity = Severity.WARNING,
    n_suppressed: int = 0,
    by_chance: Sequence[str] = (),
    p_value: float | None = None,
    segments: Sequence[str] = (),
) -> Alert:
    """An alert whose columns moved, and others that show what chance makes of them."""
    incident = incident or f"{model}/{view}"
    return Alert(
        alert_id=f"{incident}/{kind}/{at_ms}",
        incident_id=incident,
        kind=kind,
        cause=cause,
        severity=severity,
        n_suppressed=n_suppressed,
        model=model,
        view=view,
        window=WindowSummary(
            kind="time",
            start_ms=at_ms - 1_000,
            end_ms=at_ms,
            closed_ms=at_ms,
            first_event=0,
            n_events=50,
            n_tested=50,
        ),
        reference=ReferenceSummary(n_events=100, fingerprint="f"),
        reducer="none",
        test="ks",
        p_value=p_value,
        top_columns=[
            *(ColumnShift(column=c, type="number", statistic=0.9, p_value=1e-9) for c in columns),
            *(ColumnShift(column=c, type="number", statistic=0.1, p_value=0.2) for c in by_chance),
        ],
        segments=[
            SegmentMove(
                segment="region",
                category=each,
                column=columns[0],
                statistic=0.9,
                p_value=1e-9,
                elsewhere=0.1,
                n_ref=50,
                n_test=50,
            )
            for each in segments
        ],
        job="loudly",
        job_version="0",
        config_version="c",
    )


def later(start: Alert, at_ms: int, kind: AlertKind, columns: Sequence[str] = ("x",)) -> Alert:
    """A further alert of an incident."""
    return raised(
        start.model, at_ms, columns, kind, incident=start.incident_id, view=start.view,
        cause=start.cause,
    )  # fmt: skip
