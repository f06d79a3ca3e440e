"""Drift detectors: dimensionality reducers, two-sample tests and the judgement of their results.

Needs nothing beyond the standard library, NumPy and SciPy.
"""

from detectors.arrays_io import arrays_to_bytes, bytes_to_arrays
from detectors.base import FloatArray, Reducer, StateArrays, TwoSampleResult, TwoSampleTest
from detectors.calibration import Calibration, Judgement, LevelPerWindow, Threshold
from detectors.drift_detector import DriftDetector
from detectors.errors import (
    DetectorError,
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NonFiniteError,
    NotFittedError,
    ShapeError,
    TooFewRowsError,
)
from detectors.ks import KSTest
from detectors.mmd import MMDTest
from detectors.reducers import PCA, NoReduction, SoftmaxOutputs, is_distribution
from detectors.registry import REDUCERS, TWO_SAMPLE_TESTS
from detectors.shifts import gaussian_noise, image_shift, knock_out

__all__ = [
    "PCA",
    "REDUCERS",
    "TWO_SAMPLE_TESTS",
    "Calibration",
    "DetectorError",
    "DriftDetector",
    "FloatArray",
    "InvalidParameterError",
    "InvalidSampleError",
    "InvalidStateError",
    "Judgement",
    "KSTest",
    "LevelPerWindow",
    "MMDTest",
    "NoReduction",
    "NonFiniteError",
    "NotFittedError",
    "Reducer",
    "ShapeError",
    "SoftmaxOutputs",
    "StateArrays",
    "Threshold",
    "TooFewRowsError",
    "TwoSampleResult",
    "TwoSampleTest",
    "arrays_to_bytes",
    "bytes_to_arrays",
    "gaussian_noise",
    "image_shift",
    "is_distribution",
    "knock_out",
]
