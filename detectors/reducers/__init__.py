"""Dimensionality reducers that need nothing but NumPy."""

from detectors.reducers.imputation import MissingImputation
from detectors.reducers.none import NoReduction
from detectors.reducers.pca import PCA
from detectors.reducers.random_projection import SparseRandomProjection
from detectors.reducers.softmax import (
    HardPredictions,
    SoftmaxOutputs,
    is_distribution,
    normalised,
)

__all__ = [
    "PCA",
    "HardPredictions",
    "MissingImputation",
    "NoReduction",
    "SoftmaxOutputs",
    "SparseRandomProjection",
    "is_distribution",
    "normalised",
]
