"""Streams without a drift, and the detectors that watch them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from detectors import (
    PCA,
    ChiSquareTest,
    EnergyTest,
    FourierMMDTest,
    KSTest,
    MixedTest,
    MMDTest,
    PSITest,
    Reducer,
    TwoSampleTest,
)
from detectors.base import FloatArray

Rng = np.random.Generator
Draw = Callable[[Rng, int], FloatArray]
N_PERMUTATIONS = 499


@dataclass(frozen=True)
class Case:
    """A test, with a reducer before it or none, and the rows of a stream that never changes.

    Attributes
    ----------
    rows : str
        The stream in words.
    test : callable
        Makes the test, not fitted.
    draw : callable
        Gives rows in the order of the stream, shape (n, n_dimensions).
    reducer : callable or None
    is_covered : bool
        Whether the promise speaks of such rows.
    """

    rows: str
    test: Callable[[], TwoSampleTest]
    draw: Draw
    reducer: Callable[[], Reducer] | None = None
    is_covered: bool = True


def _normal(width: int, correlation: float = 0.0) -> Draw:
    def draw(rng: Rng, n: int) -> FloatArray:
        common = rng.normal(size=(n, 1))
        own = rng.normal(size=(n, width))
        mixed = np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * own
        return np.asarray(mixed)

    return draw


def _cauchy(rng: Rng, n: int) -> FloatArray:
    return rng.standard_cauchy(size=(n, 1))


def _rounded(rng: Rng, n: int) -> FloatArray:
    return np.round(rng.normal(size=(n, 1)), 0)


def _missing(rng: Rng, n: int) -> FloatArray:
    rows = rng.normal(size=(n, 3))
    rows[rng.uniform(size=rows.shape) < 0.1] = np.nan
    return rows


def _categories(rng: Rng, n: int) -> FloatArray:
    return rng.choice(5, size=(n, 1), p=[0.4, 0.3, 0.15, 0.1, 0.05]).astype(np.float64)


def _mixed(rng: Rng, n: int) -> FloatArray:
    return np.hstack([_categories(rng, n), rng.normal(size=(n, 3))])


def _autoregressive(rho: float) -> Draw:
    def draw(rng: Rng, n: int) -> FloatArray:
        from scipy.signal import lfilter

        steps = rng.normal(size=n) * np.sqrt(1.0 - rho * rho)
        start = rho * rng.normal()
        rows, _ = lfilter([1.0], [1.0, -rho], steps, zi=[start])
        return np.asarray(rows)[:, np.newaxis]

    return draw


CASES: Mapping[str, Case] = MappingProxyType(
    {
        "ks, 1": Case("1 normal", KSTest, _normal(1)),
        "ks, 10": Case("10 normal", KSTest, _normal(10)),
        "ks, 10 correlated": Case("10 normal, correlation 0.5", KSTest, _normal(10, 0.5)),
        "ks, 32": Case("32 normal", KSTest, _normal(32)),
        "ks, heavy tails": Case("1 Cauchy", KSTest, _cauchy),
        "ks, rounded": Case("1 normal in whole numbers", KSTest, _rounded),
        "ks, missing": Case("3 normal, a tenth missing", KSTest, _missing),
        "pca, ks": Case("32 normal, correlation 0.5", KSTest, _normal(32, 0.5), lambda: PCA(10)),
        "chi_square": Case("1 of 5 categories", ChiSquareTest, _categories),
        "mixed": Case("1 of 5 categories, 3 normal", lambda: MixedTest([0]), _mixed),
        "psi": Case("3 normal", lambda: PSITest(N_PERMUTATIONS), _normal(3)),
        "mmd_features": Case("10 normal", FourierMMDTest, _normal(10)),
        "mmd": Case("10 normal", lambda: MMDTest(N_PERMUTATIONS), _normal(10)),
        "energy": Case("10 normal", lambda: EnergyTest(N_PERMUTATIONS), _normal(10)),
        "ks, AR(1) 0.5": Case("1 AR(1), 0.5", KSTest, _autoregressive(0.5), is_covered=False),
        "ks, AR(1) 0.9": Case("1 AR(1), 0.9", KSTest, _autoregressive(0.9), is_covered=False),
    }
)
