"""Every reduction with every two-sample test that takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from detectors import (
    BinomialTest,
    ChiSquareTest,
    CramerVonMisesTest,
    EnergyTest,
    FourierMMDTest,
    JensenShannonTest,
    KSTest,
    MixedTest,
    MMDTest,
    PSITest,
    TwoSampleTest,
    WassersteinTest,
)
from detectors.base import FloatArray
from scripts.replicate.data import generator, load, split
from scripts.replicate.label_classifier import LabelClassifier
from scripts.replicate.methods import REDUCTIONS, Reducers

N_PERMUTATIONS = 99
"""Exact at level 0.05: five of the hundred labellings reach it."""

TESTS: Mapping[str, Callable[[], TwoSampleTest]] = MappingProxyType(
    {
        "ks": KSTest,
        "chi_square": ChiSquareTest,
        "mixed": lambda: MixedTest([0]),
        "binomial": BinomialTest,
        "mmd": lambda: MMDTest(N_PERMUTATIONS),
        "mmd_features": FourierMMDTest,
        "energy": lambda: EnergyTest(N_PERMUTATIONS),
        "cramer_von_mises": lambda: CramerVonMisesTest(N_PERMUTATIONS),
        "wasserstein": lambda: WassersteinTest(N_PERMUTATIONS),
        "psi": lambda: PSITest(N_PERMUTATIONS),
        "jensen_shannon": lambda: JensenShannonTest(N_PERMUTATIONS),
    }
)

HARD_AND_SOFT = "bbsdh+bbsds"
"""The predicted class next to the softmax outputs: a category and numbers, for the mixed test."""

TAKES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"chi_square": ("bbsdh",), "mixed": (HARD_AND_SOFT,)}
)
"""The tests on categories take predicted classes; the others take every reduction."""


@dataclass(frozen=True)
class Combination:
    """A test and a reduction, each by its key."""

    test: str
    reduction: str


def combinations() -> list[Combination]:
    """All of them, by test."""
    return [
        Combination(test, reduction)
        for test in TESTS
        for reduction in TAKES.get(test, tuple(REDUCTIONS))
    ]


def reduced_rows(seed: int, n_images: int | None = None) -> dict[str, FloatArray]:
    """Held-out images of MNIST under every reduction, which learn from the other images.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_rows, n_dimensions)
        Half of the images, in equal order.
    """
    rng = generator("type one", seed)
    images = load("mnist")
    images = images.take(rng.permutation(len(images))[:n_images])
    splits = split(images, rng)
    classifier = LabelClassifier(seed).fit(splits.train)
    reducers = Reducers(splits.train, classifier, seed, set(REDUCTIONS))
    rows = reducers.reduce(np.concatenate([splits.validation.x, splits.test.x]))
    rows[HARD_AND_SOFT] = np.hstack([rows["bbsdh"], rows["bbsds"]])
    return rows
