"""Reducers and two-sample tests by kind: how stored detectors and configurations name them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from detectors.base import Reducer, TwoSampleTest
from detectors.ks import KSTest
from detectors.mmd import MMDTest
from detectors.reducers import PCA, NoReduction, SoftmaxOutputs

REDUCERS: Mapping[str, type[Reducer]] = MappingProxyType(
    {reducer.kind: reducer for reducer in (NoReduction, PCA, SoftmaxOutputs)}
)
TWO_SAMPLE_TESTS: Mapping[str, type[TwoSampleTest]] = MappingProxyType(
    {test.kind: test for test in (KSTest, MMDTest)}
)
