"""From configuration tables to detectors and calibrations."""

from __future__ import annotations

from detectors import (
    PCA,
    Calibration,
    DriftDetector,
    KSTest,
    LevelPerWindow,
    MMDTest,
    NoReduction,
    Reducer,
    SoftmaxOutputs,
    TwoSampleTest,
)
from flink_jobs.config import (
    DetectorTable,
    KSConfig,
    LevelPerWindowConfig,
    MMDConfig,
    NoReductionConfig,
    PCAConfig,
    SoftmaxOutputsConfig,
)


def make_detector(table: DetectorTable) -> DriftDetector:
    """An unfitted detector."""
    return DriftDetector(_make_reducer(table.reducer), _make_test(table.test))


def make_calibration(table: LevelPerWindowConfig) -> Calibration:
    """What decides whether a result is a drift."""
    return LevelPerWindow(table.level)


def _make_reducer(
    table: NoReductionConfig | PCAConfig | SoftmaxOutputsConfig,
) -> Reducer:
    match table:
        case NoReductionConfig():
            return NoReduction()
        case PCAConfig():
            return PCA(n_components=table.n_components)
        case SoftmaxOutputsConfig():
            return SoftmaxOutputs()


def _make_test(table: KSConfig | MMDConfig) -> TwoSampleTest:
    match table:
        case KSConfig():
            return KSTest()
        case MMDConfig():
            return MMDTest(n_permutations=table.n_permutations, bandwidth=table.bandwidth)
