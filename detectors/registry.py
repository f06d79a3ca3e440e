"""Reducers and two-sample tests by kind: how stored detectors and configurations name them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from detectors.base import Reducer, TwoSampleTest
from detectors.errors import InvalidStateError
from detectors.reducers import PCA, NoReduction, SoftmaxOutputs
from detectors.reducers.hard_predictions import HardPredictions
from detectors.reducers.imputation import MissingImputation
from detectors.reducers.random_projection import SparseRandomProjection
from detectors.two_sample.binned import JensenShannonTest, PSITest
from detectors.two_sample.chi_square.chi_square import ChiSquareTest
from detectors.two_sample.classifier.binomial import BinomialTest
from detectors.two_sample.cramer_von_mises import CramerVonMisesTest
from detectors.two_sample.energy import EnergyTest
from detectors.two_sample.ks.ks import KSTest
from detectors.two_sample.mixed import MixedTest
from detectors.two_sample.mmd import MMDTest
from detectors.two_sample.wasserstein import WassersteinTest

REDUCERS: Mapping[str, type[Reducer]] = MappingProxyType(
    {
        reducer.kind: reducer
        for reducer in (
            NoReduction,
            PCA,
            SparseRandomProjection,
            SoftmaxOutputs,
            HardPredictions,
            MissingImputation,
        )
    }
)
"""The reducers that need nothing but NumPy and SciPy."""

TORCH_REDUCERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "untrained_autoencoder": ("detectors.reducers.neural.autoencoders", "UntrainedAutoencoder"),
        "trained_autoencoder": ("detectors.reducers.neural.autoencoders", "TrainedAutoencoder"),
        "torch_softmax": ("detectors.reducers.neural.classifiers", "TorchSoftmax"),
        "torch_hard_predictions": ("detectors.reducers.neural.classifiers", "TorchHardPredictions"),
    }
)
"""Module and class of the reducers that import torch, which happens where one is asked for."""

TWO_SAMPLE_TESTS: Mapping[str, type[TwoSampleTest]] = MappingProxyType(
    {
        test.kind: test
        for test in (
            KSTest,
            MMDTest,
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


def reducer_of_kind(kind: str) -> type[Reducer]:
    """The reducer of this kind.

    Raises
    ------
    InvalidStateError
        If there is none.
    ImportError
        If it needs torch, which is not installed.

    Examples
    --------
    >>> reducer_of_kind("pca").__name__
    'PCA'
    """
    if kind in TORCH_REDUCERS:
        module, name = TORCH_REDUCERS[kind]
        return cast(type[Reducer], getattr(importlib.import_module(module), name))
    if kind not in REDUCERS:
        raise _unknown(kind, [*REDUCERS, *TORCH_REDUCERS])
    return REDUCERS[kind]


def two_sample_test_of_kind(kind: str) -> type[TwoSampleTest]:
    """The two-sample test of this kind.

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
        raise _unknown(kind, list(TWO_SAMPLE_TESTS))
    return TWO_SAMPLE_TESTS[kind]


def _unknown(kind: str, known: list[str]) -> InvalidStateError:
    return InvalidStateError(f"unknown kind {kind!r}, known are {', '.join(sorted(known))}")
