"""The events behind an alert: those of its window, and those of its reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import config_of_model
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.tables.detectors import (
    HardPredictionsConfig,
    NoReductionConfig,
    PCAConfig,
    SoftmaxOutputsConfig,
)
from flink_jobs.config.tables.references import FirstEvents, Seasonal, TrainingSet
from flink_jobs.config.training_set import read_training_set
from flink_jobs.config.views import views_of
from flink_jobs.core.factory import make_detector
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.records.alerts import Alert
from flink_jobs.reports.recorded_events import Rows, Span, window_rows

Floats = NDArray[np.float64]
Shape = tuple[int, int]

_NOTHING = np.empty((0, 0))
_ELSEWHERE = "the history given to the report does not hold the events of this alert"
_OTHER_SHIFT = (
    "the history given to the report shows another shift than the alert: it is another one, or "
    "shifts were simulated on it"
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Both sides of one alert.

    Attributes
    ----------
    config : DriftJobConfig
        Of the model.
    reference, window : Rows
        Events; the reference is empty where it comes from a training set.
    z_ref, z_test : ndarray of float64, shape (n, n_dimensions)
        What the test sees: reduced events; empty where they could not be had.
    note : str
        Why not, or what is different; empty otherwise.
    """

    config: DriftJobConfig
    reference: Rows
    window: Rows
    z_ref: Floats
    z_test: Floats
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


def dimension_name(config: DriftJobConfig, dimension: int, image_shape: Shape | None) -> str:
    """What a dimension of the reduced events stands for."""
    match views_of(config)[0].reducer:
        case SoftmaxOutputsConfig():
            return f"output for class {dimension}"
        case HardPredictionsConfig():
            return "predicted class"
        case PCAConfig():
            return f"component {dimension}"
        case NoReductionConfig():
            return _feature_name(config, dimension, image_shape)
        case _:
            return f"dimension {dimension}"


def _feature_name(config: DriftJobConfig, dimension: int, image_shape: Shape | None) -> str:
    if dimension >= config.input.n_features:
        return "share of missing features"
    if isinstance(config.columns.features, list):
        return config.columns.features[dimension]
    if image_shape is not None:
        row, column = divmod(dimension, image_shape[1])
        return f"pixel ({row}, {column})"
    return f"feature {dimension}"


def _window_span(alert: Alert) -> Span:
    window = alert.window
    # A count window runs from its first to its last event, both included.
    return Span(alert.model, window.start_ms, window.end_ms + (window.kind == "count"))


def _reference_span(alert: Alert) -> Span:
    reference = alert.reference
    return Span(alert.model, reference.start_ms or 0, reference.end_ms or 0)


def _compared(config: DriftJobConfig, alert: Alert, reference: Rows, window: Rows) -> Comparison:
    if isinstance(config.reference, FirstEvents):
        reference = reference.take(slice(config.reference.n_events))
    try:
        x_ref, note = _reference_matrix(config, reference)
        if not len(x_ref) or not len(window):
            return Comparison(config, reference, window, _NOTHING, _NOTHING, note or _ELSEWHERE)
        detector = make_detector(config).fit(x_ref)
        z_ref, z_test = detector.reduce(x_ref), detector.reduce(window.x)
    except (ValueError, np.linalg.LinAlgError) as error:
        return Comparison(config, reference, window, _NOTHING, _NOTHING, str(error))
    note = _OTHER_SHIFT if _shows_another_shift(alert, z_ref, z_test) else ""
    return Comparison(config, reference, window, z_ref, z_test, note)


def _reference_matrix(config: DriftJobConfig, reference: Rows) -> tuple[Floats, str]:
    match config.reference:
        case TrainingSet():
            try:
                x_ref = read_training_set(config)
            except ConfigError as error:
                return _NOTHING, str(error)
            return (_NOTHING if x_ref is None else x_ref), ""
        case Seasonal():
            return _NOTHING, "the events of a seasonal reference are not drawn"
        case _:
            return reference.x, ""


def _shows_another_shift(alert: Alert, z_ref: Floats, z_test: Floats) -> bool:
    """Whether the largest shift of the alert is not that of the events.

    Samples of a window differ by chance, by about ``1 / sqrt(n)`` standard deviations.
    """
    known = [each for each in alert.top_dimensions if each.shift is not None]
    known = [each for each in known if each.dimension < z_ref.shape[1]]
    if not known:
        return False
    most = max(known, key=lambda each: abs(each.shift or 0.0))
    before, now = z_ref[:, most.dimension], z_test[:, most.dimension]
    spread = float(np.nanstd(before))
    if not spread > 0.0 or most.shift is None:
        return False
    shift = float(np.nanmean(now) - np.nanmean(before)) / spread
    return abs(shift - most.shift) > 0.1 * abs(most.shift) + 5.0 / math.sqrt(len(z_test))
