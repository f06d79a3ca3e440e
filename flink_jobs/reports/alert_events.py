"""The events behind an alert: those of its window, and those of its reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import config_of_model
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.tables.references import FirstEvents, Seasonal, TrainingSet
from flink_jobs.config.training_set import read_training_set
from flink_jobs.config.views import View, views_of
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.records.alerts import Alert, ColumnShift
from flink_jobs.reports.column_moves import moves_of
from flink_jobs.reports.evidence import Evidence, Side
from flink_jobs.reports.recorded_events import Rows, Span, window_rows

Shape = tuple[int, int]

_NOTHING = Side(np.empty((0, 0)))
_ELSEWHERE = "the history given to the report does not hold the events of this alert"
_OTHER_SHIFT = (
    "the history given to the report shows another shift than the alert: it is another one, or "
    "shifts were simulated on it"
)
# Two samples of the same events differ by about the root of 1 / n_ref + 1 / n_test.
_MOST_ERRORS, _MOST_OFF = 2.0, 0.1


@dataclass(frozen=True, eq=False)
class Comparison:
    """Both sides of one alert.

    Attributes
    ----------
    config : DriftJobConfig
        Of the model.
    reference, window : Rows
        Events; the reference is empty where it comes from a training set.
    evidence : Evidence
        The columns of the alert's view, on both sides; empty where they could not be had.
    moves : list of ColumnShift
        How every column of the view moved in these events, what moved most first.
    note : str
        Why not, or what is different; empty otherwise.
    """

    config: DriftJobConfig
    reference: Rows
    window: Rows
    evidence: Evidence
    moves: list[ColumnShift] = field(default_factory=list)
    note: str = ""


def compare(
    history: str | InputFiles,
    config: DriftJobConfig,
    alerts: Sequence[Alert],
    *,
    with_features: bool,
) -> list[Comparison]:
    """Read the events behind each alert."""
    spans = [span for alert in alerts for span in (_reference_span(alert), _window_span(alert))]
    rows = window_rows(history, config, spans, with_features=with_features)
    return [
        _compared(config_of_model(config, alert.model), alert, *rows[2 * place : 2 * place + 2])
        for place, alert in enumerate(alerts)
    ]


def view_of(config: DriftJobConfig, name: str) -> View:
    """Find the view of an alert; the first one where the configuration has none of this name."""
    views = views_of(config)
    return next((view for view in views if view.name == name), views[0])


def _window_span(alert: Alert) -> Span:
    window = alert.window
    # A count window runs from its first to its last event, both included.
    return Span(alert.model, window.start_ms, window.end_ms + (window.kind == "count"))


def _reference_span(alert: Alert) -> Span:
    reference = alert.reference
    return Span(alert.model, reference.start_ms or 0, reference.end_ms or 0)


def _compared(config: DriftJobConfig, alert: Alert, reference: Rows, window: Rows) -> Comparison:
    view = view_of(config, alert.view)
    if isinstance(view.reference, FirstEvents):
        reference = reference.take(slice(view.reference.n_events))
    before, note = _reference_side(config, view, reference)
    evidence = Evidence(view.slots, before, _side(view, window))
    if not evidence:
        return Comparison(config, reference, window, evidence, note=note or _ELSEWHERE)
    moves = moves_of(view, before, evidence.window)
    note = _OTHER_SHIFT if _shows_another_shift(alert, moves) else ""
    return Comparison(config, reference, window, evidence, moves, note)


def _side(view: View, rows: Rows) -> Side:
    """Take the columns of a view out of those that a pane carries."""
    places = list(view.places)
    texts = {own: rows.texts[place] for own, place in enumerate(places) if place in rows.texts}
    return Side(rows.x[:, places], texts)


def _reference_side(config: DriftJobConfig, view: View, reference: Rows) -> tuple[Side, str]:
    match view.reference:
        case TrainingSet():
            try:
                rows = read_training_set(view)
            except ConfigError as error:
                return _NOTHING, str(error)
            return Side(rows.x, rows.texts), ""
        case Seasonal():
            return _NOTHING, "the events of a seasonal reference are not drawn"
        case _:
            return _side(view, reference), ""


def _shows_another_shift(alert: Alert, moves: Sequence[ColumnShift]) -> bool:
    """Tell whether the column that moved most did not move so in these events."""
    if alert.sample is None:
        return False
    found = {move.column: move.statistic for move in moves}
    for said in alert.top_columns:
        if said.column in found:
            n = alert.sample.n_ref, alert.sample.n_test
            error = math.sqrt(1 / max(1, n[0]) + 1 / max(1, n[1]))
            off = abs(found[said.column] - said.statistic)
            return off > _MOST_OFF * said.statistic + _MOST_ERRORS * error
    return False
