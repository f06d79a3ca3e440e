"""Reducers of complete rows by kind; what needs further packages is imported where asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from detectors.base import Reducer
from detectors.errors import InvalidStateError
from detectors.reducers.none import NoReduction
from detectors.reducers.pca import PCA
from detectors.reducers.random_projection import SparseRandomProjection
from detectors.reducers.softmax import HardPredictions, SoftmaxOutputs

NUMPY_REDUCERS: Mapping[str, type[Reducer]] = MappingProxyType(
    {
        reducer.kind: reducer
        for reducer in (NoReduction, PCA, SparseRandomProjection, SoftmaxOutputs, HardPredictions)
    }
)
"""The reducers of complete rows that need nothing but NumPy and SciPy."""

TORCH_REDUCERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "untrained_autoencoder": ("detectors.reducers.neural.autoencoders", "UntrainedAutoencoder"),
        "trained_autoencoder": ("detectors.reducers.neural.autoencoders", "TrainedAutoencoder"),
    }
)
"""Module and class of the reducers that import torch, which happens where one is asked for."""

_ONNX = "detectors.reducers.onnx_models.reducers"
ONNX_REDUCERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "onnx_embedding": (_ONNX, "OnnxEmbedding"),
        "onnx_softmax": (_ONNX, "OnnxSoftmax"),
        "onnx_hard_predictions": (_ONNX, "OnnxHardPredictions"),
    }
)
"""Module and class of the reducers that import ONNX Runtime, where one is asked for."""


def complete_reducer_of_kind(kind: str) -> type[Reducer]:
    """Find the reducer of this kind among those that :class:`Prepared` may wrap.

    Raises
    ------
    InvalidStateError
        If there is none.
    ImportError
        If it needs PyTorch or ONNX Runtime, which is not installed.

    Examples
    --------
    >>> complete_reducer_of_kind("pca").__name__
    'PCA'
    """
    others = {**TORCH_REDUCERS, **ONNX_REDUCERS}
    if kind in others:
        module, name = others[kind]
        return cast(type[Reducer], getattr(importlib.import_module(module), name))
    if kind not in NUMPY_REDUCERS:
        raise unknown_kind(kind, [*NUMPY_REDUCERS, *others])
    return NUMPY_REDUCERS[kind]


def unknown_kind(kind: str, known: list[str]) -> InvalidStateError:
    """Make the error for a kind that is not among the known ones."""
    return InvalidStateError(f"unknown kind {kind!r}, known are {', '.join(sorted(known))}")
