"""Dimensionality reducers that need nothing but NumPy."""

from detectors.reducers.none import NoReduction
from detectors.reducers.pca import PCA
from detectors.reducers.preparation import Prepared, needs_preparation
from detectors.reducers.random_projection import SparseRandomProjection
from detectors.reducers.softmax import (
    HardPredictions,
    SoftmaxOutputs,
    are_normalised,
    is_distribution,
    normalised,
)

__all__ = [
    "PCA",
    "HardPredictions",
    "NoReduction",
    "Prepared",
    "SoftmaxOutputs",
    "SparseRandomProjection",
    "are_normalised",
    "is_distribution",
    "needs_preparation",
    "normalised",
]
