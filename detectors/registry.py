"""Reducers and two-sample tests by kind: how stored detectors and configurations name them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from detectors.base import Reducer, SequentialDetector, TwoSampleTest
from detectors.reducers.kinds import (
    NUMPY_REDUCERS,
    ONNX_REDUCERS,
    TORCH_REDUCERS,
    complete_reducer_of_kind,
    unknown_kind,
)
from detectors.reducers.preparation import Prepared
from detectors.sequential.binned_e_detector import BinnedEDetector
from detectors.sequential.classifier_e_detector import ClassifierEDetector
from detectors.sequential.conformal_e_detector import ConformalEDetector
from detectors.sequential.kernel_e_detector import KernelEDetector
from detectors.two_sample.binned import JensenShannonTest, PSITest
from detectors.two_sample.chi_square.chi_square import ChiSquareTest
from detectors.two_sample.classifier.binomial import BinomialTest
from detectors.two_sample.cramer_von_mises import CramerVonMisesTest
from detectors.two_sample.energy import EnergyTest
from detectors.two_sample.fourier_mmd import FourierMMDTest
from detectors.two_sample.ks.ks import KSTest
from detectors.two_sample.mixed import MixedTest
from detectors.two_sample.mmd import MMDTest
from detectors.two_sample.wasserstein import WassersteinTest

REDUCERS: Mapping[str, type[Reducer]] = MappingProxyType(
    {**NUMPY_REDUCERS, Prepared.kind: Prepared}
)
"""The reducers that need nothing but NumPy and SciPy."""

TWO_SAMPLE_TESTS: Mapping[str, type[TwoSampleTest]] = MappingProxyType(
    {
        test.kind: test
        for test in (
            KSTest,
            MMDTest,
            FourierMMDTest,
            ChiSquareTest,
            BinomialTest,
            MixedTest,
            CramerVonMisesTest,
            EnergyTest,
            WassersteinTest,
            PSITest,
            JensenShannonTest,
        )
    }
)

SEQUENTIAL_DETECTORS: Mapping[str, type[SequentialDetector]] = MappingProxyType(
    {
        detector.kind: detector
        for detector in (BinnedEDetector, KernelEDetector, ConformalEDetector, ClassifierEDetector)
    }
)
"""Detectors that watch a whole stream of rows, with a promise about its false alarms."""


def reducer_of_kind(kind: str) -> type[Reducer]:
    """Find the reducer of this kind.

    Raises
    ------
    InvalidStateError
        If there is none.
    ImportError
        If it needs PyTorch or ONNX Runtime, which is not installed.

    Examples
    --------
    >>> reducer_of_kind("pca").__name__
    'PCA'
    """
    if kind in REDUCERS:
        return REDUCERS[kind]
    others = [*TORCH_REDUCERS, *ONNX_REDUCERS]
    if kind in others:
        return complete_reducer_of_kind(kind)
    raise unknown_kind(kind, [*REDUCERS, *others])


def two_sample_test_of_kind(kind: str) -> type[TwoSampleTest]:
    """Find the two-sample test of this kind.

    Raises
    ------
    InvalidStateError
        If there is none.

    Examples
    --------
    >>> two_sample_test_of_kind("ks").__name__
    'KSTest'
    """
    if kind not in TWO_SAMPLE_TESTS:
        raise unknown_kind(kind, list(TWO_SAMPLE_TESTS))
    return TWO_SAMPLE_TESTS[kind]


def sequential_detector_of_kind(kind: str) -> type[SequentialDetector]:
    """Find the sequential detector of this kind.

    Raises
    ------
    InvalidStateError
        If there is none.

    Examples
    --------
    >>> sequential_detector_of_kind("counts_e_detector").__name__
    'BinnedEDetector'
    """
    if kind not in SEQUENTIAL_DETECTORS:
        raise unknown_kind(kind, list(SEQUENTIAL_DETECTORS))
    return SEQUENTIAL_DETECTORS[kind]
