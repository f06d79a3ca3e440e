"""From configuration tables to detectors and calibrations."""

from __future__ import annotations

from detectors import (
    Calibration,
    DriftDetector,
    LevelPerWindow,
    MissingImputation,
    NoReduction,
    Reducer,
    reducer_of_kind,
)
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.detectors import kind_and_parameters
from flink_jobs.config.tables.watching import LevelPerWindowConfig
from flink_jobs.config.two_sample_tests import make_test
from flink_jobs.config.views import detectors_of, reads_outputs, views_of


def make_detector(config: DriftJobConfig) -> DriftDetector:
    """An unfitted detector."""
    return DriftDetector(_make_reducer(config), make_test(detectors_of(config)[0].test))


def make_calibration(table: LevelPerWindowConfig) -> Calibration:
    """What decides whether a result is a drift."""
    return LevelPerWindow(table.level)


def _make_reducer(config: DriftJobConfig) -> Reducer:
    kind, parameters = kind_and_parameters(views_of(config)[0].reducer)
    reducer = reducer_of_kind(kind)(**parameters)
    takes_missing = reads_outputs(config) or isinstance(reducer, NoReduction)
    if config.input.missing_features == "allow" and not takes_missing:
        return MissingImputation(reducer)
    return reducer
