"""Drift detectors: dimensionality reducers, two-sample tests and the judgement of their results.

Needs nothing beyond the standard library, NumPy and SciPy. What needs torch is in the modules
``torch_autoencoders``, ``torch_models`` and ``torch_training``, imported on their own.
"""

from detectors.arrays_io import arrays_to_bytes, bytes_to_arrays
from detectors.base import (
    FloatArray,
    MissingShares,
    Reducer,
    StateArrays,
    TwoSampleResult,
    TwoSampleTest,
)
from detectors.binomial import BinomialTest
from detectors.calibration import Calibration, Judgement, LevelPerWindow, Threshold
from detectors.chi_square import ChiSquareTest
from detectors.cramer_von_mises import CramerVonMisesTest
from detectors.divergences import JensenShannonTest, PSITest
from detectors.domain_classifier import DomainClassifier, HeldOut
from detectors.drift_detector import DriftDetector
from detectors.energy import EnergyTest
from detectors.errors import (
    DetectorError,
    IllConditionedError,
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NonFiniteError,
    NotFittedError,
    ShapeError,
    TooFewRowsError,
)
from detectors.exemplars import Exemplars, choose_exemplars
from detectors.hard_predictions import HardPredictions
from detectors.imputation import MissingImputation
from detectors.kernels import KERNELS, Kernel
from detectors.ks import KSTest
from detectors.label_shift import BlackBoxShiftEstimator, LabelShift
from detectors.malignancy import Malignancy, Verdict, malignancy
from detectors.mixed import MixedTest
from detectors.mmd import MMDTest
from detectors.multiplicity import CORRECTIONS, benjamini_hochberg, bonferroni, holm
from detectors.online_ks import SlidingKS
from detectors.online_mmd import SlidingMMD
from detectors.random_features import SlidingRFFMMD, rff_mmd2
from detectors.random_projection import SparseRandomProjection
from detectors.reducers import PCA, NoReduction, SoftmaxOutputs, is_distribution
from detectors.registry import (
    REDUCERS,
    TORCH_REDUCERS,
    TWO_SAMPLE_TESTS,
    reducer_of_kind,
    two_sample_test_of_kind,
)
from detectors.shifts import gaussian_noise, image_shift, knock_out
from detectors.wasserstein import WassersteinTest

__all__ = [
    "CORRECTIONS",
    "KERNELS",
    "PCA",
    "REDUCERS",
    "TORCH_REDUCERS",
    "TWO_SAMPLE_TESTS",
    "BinomialTest",
    "BlackBoxShiftEstimator",
    "Calibration",
    "ChiSquareTest",
    "CramerVonMisesTest",
    "DetectorError",
    "DomainClassifier",
    "DriftDetector",
    "EnergyTest",
    "Exemplars",
    "FloatArray",
    "HardPredictions",
    "HeldOut",
    "IllConditionedError",
    "InvalidParameterError",
    "InvalidSampleError",
    "InvalidStateError",
    "JensenShannonTest",
    "Judgement",
    "KSTest",
    "Kernel",
    "LabelShift",
    "LevelPerWindow",
    "MMDTest",
    "Malignancy",
    "MissingImputation",
    "MissingShares",
    "MixedTest",
    "NoReduction",
    "NonFiniteError",
    "NotFittedError",
    "PSITest",
    "Reducer",
    "ShapeError",
    "SlidingKS",
    "SlidingMMD",
    "SlidingRFFMMD",
    "SoftmaxOutputs",
    "SparseRandomProjection",
    "StateArrays",
    "Threshold",
    "TooFewRowsError",
    "TwoSampleResult",
    "TwoSampleTest",
    "Verdict",
    "WassersteinTest",
    "arrays_to_bytes",
    "benjamini_hochberg",
    "bonferroni",
    "bytes_to_arrays",
    "choose_exemplars",
    "gaussian_noise",
    "holm",
    "image_shift",
    "is_distribution",
    "knock_out",
    "malignancy",
    "reducer_of_kind",
    "rff_mmd2",
    "two_sample_test_of_kind",
]
