"""Pictures of the live page, drawn by the charts of the reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from plotly.graph_objects import Figure

from flink_jobs.dashboard.model import Model
from flink_jobs.dashboard.series import STATUSES, Series
from flink_jobs.records.alerts import AlertKind, Cause, ScoreStatus
from flink_jobs.reports.charts import calendar, figures, overview

MOST_MODELS = 1_000
"""In one picture; those beyond are the best."""
_TESTED = STATUSES.index(ScoreStatus.TESTED)


class Picture(NamedTuple):
    """A chart, in words, and its numbers as a table."""

    words: str
    drawn: Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def encoded(self) -> str:
        """Write it as JSON, the chart as plotly.js takes it."""
        return figures.encoded(self._asdict() | {"drawn": figures.for_page(self.drawn)})


def overview_rows(models: Sequence[Model]) -> list[overview.Row]:
    """Copy what the picture of all models shows, the worst first; the caller holds the lock."""
    ranked = sorted(models, key=lambda model: (model.rank, model.name))[:MOST_MODELS]
    return [
        overview.Row(
            model.name,
            str(model.number),
            [_windows(series) for series in model.series.values()],
            _times(model, AlertKind.STARTED),
            _times(model, AlertKind.RECOVERED),
        )
        for model in ranked
    ]


def of_all_models(rows: Sequence[overview.Row]) -> Picture:
    """Draw the windows of all models that are kept."""
    seen = overview.Overview(rows)
    columns = ("Model", "Of its time drift", "Incidents began (UTC)")
    return Picture(seen.sentence, seen.figure(), columns, seen.table())


def by_hour(series: Series) -> Picture | None:
    """Draw the windows of a detector by day and hour; None for fewer than three days."""
    kept = series.kept()
    ratio = kept["statistic"] / kept["threshold"]
    drawn = calendar.of(kept["end_ms"], ratio, np.nan_to_num(kept["is_drift"]))
    if drawn is None:
        return None
    columns = ("Day (UTC)", "Windows", "Drift", "Hours with drift")
    return Picture(calendar.sentence(drawn), calendar.chart(drawn), columns, calendar.table(drawn))


def _windows(series: Series) -> overview.Windows:
    kept = series.kept()
    order = np.argsort(kept["end_ms"], kind="stable")
    tested = np.where(kept["is_drift"] > 0, overview.DRIFTS, overview.QUIET)
    states = np.where(kept["status"] == _TESTED, tested, overview.UNTESTED).astype(np.uint8)
    return overview.Windows(kept["start_ms"][order], kept["end_ms"][order], states[order])


def _times(model: Model, kind: AlertKind) -> list[float]:
    return [m.end_ms for m in model.alerts if m.cause is Cause.DRIFT and m.kind is kind]
