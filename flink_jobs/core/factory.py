"""From configuration tables to detectors and calibrations."""

from __future__ import annotations

from detectors import (
    Calibration,
    DriftDetector,
    LevelPerWindow,
    Prepared,
    Reducer,
    needs_preparation,
    reducer_of_kind,
)
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.detectors import kind_and_parameters, scales_columns
from flink_jobs.config.tables.watching import LevelPerWindowConfig
from flink_jobs.config.two_sample_tests import make_test
from flink_jobs.config.views import detectors_of, views_of


def make_detector(config: DriftJobConfig) -> DriftDetector:
    """An unfitted detector."""
    return DriftDetector(_make_reducer(config), make_test(detectors_of(config)[0].test))


def make_calibration(table: LevelPerWindowConfig) -> Calibration:
    """What decides whether a result is a drift."""
    return LevelPerWindow(table.level)


def _make_reducer(config: DriftJobConfig) -> Reducer:
    view = views_of(config)[0]
    test = detectors_of(config)[0].test
    kind, parameters = kind_and_parameters(view.reducer)
    reducer = reducer_of_kind(kind)(**parameters)
    if not needs_preparation(kind, kind_and_parameters(test)[0]):
        return reducer
    scale = scales_columns(view.reducer, test)
    return Prepared(reducer, categorical_columns=view.categorical, scale=scale)
