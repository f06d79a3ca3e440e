"""Columns in different units: a drift in the small ones is found, with a sentinel as without."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import (
    PCA,
    DriftDetector,
    EnergyTest,
    KSTest,
    MMDTest,
    NoReduction,
    Prepared,
    SparseRandomProjection,
)

DETECTORS = {
    "none with mmd": (NoReduction, lambda: MMDTest(199)),
    "none with energy": (NoReduction, lambda: EnergyTest(199)),
    "pca 0.9 with ks": (lambda: PCA(0.9), KSTest),
    "pca 0.9 with mmd": (lambda: PCA(0.9), lambda: MMDTest(199)),
    "pca 0.9 with energy": (lambda: PCA(0.9), lambda: EnergyTest(199)),
    "pca 0.8 with mmd": (lambda: PCA(0.8), lambda: MMDTest(199)),
    "sparse_random_projection with ks": (lambda: SparseRandomProjection(8), KSTest),
}
LEVEL = 0.01
N_WINDOWS = 6


def revenue_beside_ratios(rng: np.random.Generator, n: int, *, late: bool) -> np.ndarray:
    """Revenue in cents, which stays, beside a temperature, a ratio and a flag, which drift."""
    return np.column_stack(
        [
            rng.lognormal(16.0, 1.2, n).round(),
            rng.normal(20.0, 6.0, n) + 9.0 * late,
            rng.beta(2.0, 5.0, n) * (0.6 if late else 1.0),
            rng.random(n) < (0.95 if late else 0.4),
        ]
    )


@pytest.mark.parametrize("sentinels", [{}, {0: 1e9}, {2: 1e9}], ids=["none", "revenue", "ratio"])
@pytest.mark.parametrize("name", DETECTORS)
def test_drifts_of_columns_in_small_units_are_found_and_hardly_anything_else(name, sentinels):
    rng = np.random.default_rng(12)
    reducer, test = DETECTORS[name]
    x_ref = revenue_beside_ratios(rng, 500, late=False)
    for column, value in sentinels.items():
        x_ref[77, column] = value
    detector = DriftDetector(Prepared(reducer()), test()).fit(x_ref)

    found, quiet = (
        [
            detector.test(revenue_beside_ratios(rng, 150, late=late), rng=rng).p_value <= LEVEL
            for _ in range(N_WINDOWS)
        ]
        for late in (True, False)
    )

    assert found == [True] * N_WINDOWS
    # At this level two of six happen in 1.5 of 1,000 tries.
    assert sum(quiet) <= 1


def test_without_preparation_the_same_drift_is_not_seen():
    rng = np.random.default_rng(12)
    detector = DriftDetector(NoReduction(), MMDTest(199))
    detector.fit(revenue_beside_ratios(rng, 500, late=False))

    p_values = [
        detector.test(revenue_beside_ratios(rng, 150, late=True), rng=rng).p_value
        for _ in range(N_WINDOWS)
    ]

    assert min(p_values) > LEVEL
