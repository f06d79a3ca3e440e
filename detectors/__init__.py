"""Drift detectors: dimensionality reducers, two-sample tests and the judgement of their results.

Needs nothing beyond the standard library, NumPy and SciPy. What needs PyTorch is in
:mod:`detectors.reducers.neural`, what needs ONNX Runtime in :mod:`detectors.reducers.onnx_models`,
each imported on its own.
"""

from detectors.arrays_io import arrays_to_bytes, bytes_to_arrays
from detectors.base import (
    Cost,
    CountsTest,
    FloatArray,
    MissingShares,
    Needs,
    Reducer,
    SequentialDetector,
    StateArrays,
    StreamCost,
    StreamDetector,
    SummaryTest,
    TwoSampleResult,
    TwoSampleTest,
)
from detectors.calibration.closing_in import UNKNOWN_OFFSET, Offset
from detectors.calibration.dependence import INDEPENDENT, Dependence, StreamDependence
from detectors.calibration.level import Calibration, Judgement, LevelPerWindow, Sized, Threshold
from detectors.calibration.null_streams import IncidentRule
from detectors.calibration.run_time import ExpectedRunTime
from detectors.calibration.smallest_shift import SmallestShift, smallest_shift
from detectors.column_shifts import ColumnMove, ColumnShifts, ranking
from detectors.discovery.e_values import Discovery, ELond, e_benjamini_hochberg
from detectors.drift_detector import DriftDetector
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
from detectors.performance.exemplars import Exemplars, choose_exemplars
from detectors.performance.label_shift import BlackBoxShiftEstimator, LabelShift
from detectors.performance.malignancy import Malignancy, Verdict, malignancy
from detectors.reducers import (
    PCA,
    HardPredictions,
    NoReduction,
    Prepared,
    SoftmaxOutputs,
    SparseRandomProjection,
    are_normalised,
    is_distribution,
    needs_preparation,
    normalised,
)
from detectors.reducers.kinds import ONNX_REDUCERS, TORCH_REDUCERS
from detectors.registry import (
    REDUCERS,
    SEQUENTIAL_DETECTORS,
    TWO_SAMPLE_TESTS,
    reducer_of_kind,
    sequential_detector_of_kind,
    two_sample_test_of_kind,
)
from detectors.sequential.binned_e_detector import BinnedEDetector
from detectors.sequential.classifier_e_detector import ClassifierEDetector
from detectors.sequential.conformal_e_detector import ConformalEDetector
from detectors.sequential.counts_e_detector import CountsEDetector
from detectors.sequential.e_detector import LEARNING_ROWS
from detectors.sequential.kernel_e_detector import KernelEDetector
from detectors.sequential.ks import SlidingKS
from detectors.sequential.mmd import SlidingMMD
from detectors.sequential.rff_mmd import SlidingRFFMMD
from detectors.shifts import gaussian_noise, image_shift, knock_out
from detectors.two_sample.binned import JensenShannonTest, PSITest
from detectors.two_sample.chi_square.chi_square import ChiSquareTest
from detectors.two_sample.classifier.binomial import BinomialTest
from detectors.two_sample.classifier.domain_classifier import DomainClassifier, HeldOut
from detectors.two_sample.counts.frame import CountsReferenceTest
from detectors.two_sample.cramer_von_mises import CramerVonMisesTest
from detectors.two_sample.energy import EnergyTest
from detectors.two_sample.fourier_mmd import FourierMMDTest
from detectors.two_sample.kernels import KERNELS, Kernel
from detectors.two_sample.ks.ks import KSTest
from detectors.two_sample.mixed import MixedTest
from detectors.two_sample.mmd import MMDTest
from detectors.two_sample.multiplicity import CORRECTIONS, benjamini_hochberg, bonferroni, holm
from detectors.two_sample.random_features import rff_mmd2
from detectors.two_sample.wasserstein import WassersteinTest

__all__ = [
    "CORRECTIONS",
    "INDEPENDENT",
    "KERNELS",
    "LEARNING_ROWS",
    "ONNX_REDUCERS",
    "PCA",
    "REDUCERS",
    "SEQUENTIAL_DETECTORS",
    "TORCH_REDUCERS",
    "TWO_SAMPLE_TESTS",
    "UNKNOWN_OFFSET",
    "BinnedEDetector",
    "BinomialTest",
    "BlackBoxShiftEstimator",
    "Calibration",
    "ChiSquareTest",
    "ClassifierEDetector",
    "ColumnMove",
    "ColumnShifts",
    "ConformalEDetector",
    "Cost",
    "CountsEDetector",
    "CountsReferenceTest",
    "CountsTest",
    "CramerVonMisesTest",
    "Dependence",
    "DetectorError",
    "Discovery",
    "DomainClassifier",
    "DriftDetector",
    "ELond",
    "EnergyTest",
    "Exemplars",
    "ExpectedRunTime",
    "FloatArray",
    "FourierMMDTest",
    "HardPredictions",
    "HeldOut",
    "IllConditionedError",
    "IncidentRule",
    "InvalidParameterError",
    "InvalidSampleError",
    "InvalidStateError",
    "JensenShannonTest",
    "Judgement",
    "KSTest",
    "Kernel",
    "KernelEDetector",
    "LabelShift",
    "LevelPerWindow",
    "MMDTest",
    "Malignancy",
    "MissingShares",
    "MixedTest",
    "Needs",
    "NoReduction",
    "NonFiniteError",
    "NotFittedError",
    "Offset",
    "PSITest",
    "Prepared",
    "Reducer",
    "SequentialDetector",
    "ShapeError",
    "Sized",
    "SlidingKS",
    "SlidingMMD",
    "SlidingRFFMMD",
    "SmallestShift",
    "SoftmaxOutputs",
    "SparseRandomProjection",
    "StateArrays",
    "StreamCost",
    "StreamDependence",
    "StreamDetector",
    "SummaryTest",
    "Threshold",
    "TooFewRowsError",
    "TwoSampleResult",
    "TwoSampleTest",
    "Verdict",
    "WassersteinTest",
    "are_normalised",
    "arrays_to_bytes",
    "benjamini_hochberg",
    "bonferroni",
    "bytes_to_arrays",
    "choose_exemplars",
    "e_benjamini_hochberg",
    "gaussian_noise",
    "holm",
    "image_shift",
    "is_distribution",
    "knock_out",
    "malignancy",
    "needs_preparation",
    "normalised",
    "ranking",
    "reducer_of_kind",
    "rff_mmd2",
    "sequential_detector_of_kind",
    "smallest_shift",
    "two_sample_test_of_kind",
]
