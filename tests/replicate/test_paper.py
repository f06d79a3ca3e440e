"""The paper's tables agree with each other to 0.02, once 0.07: a slip of the pen would show."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.replicate.methods import METHODS
from scripts.replicate.paper import INTENSITIES, TABLE_1A, TABLE_1B, TABLE_2
from scripts.replicate.scenarios import SHIFTS


def test_every_method_and_every_shift_of_the_paper_is_repeated():
    assert list(METHODS) == list(TABLE_1A)
    assert all(set(table) == set(SHIFTS) for table in TABLE_1B.values())
    assert sorted(shift for shifts in INTENSITIES.values() for shift in shifts) == sorted(SHIFTS)


@pytest.mark.parametrize(("method", "tolerance"), [("ks-bbsds", 0.025), ("mmd-uae", 0.075)])
def test_the_mean_over_shifts_is_the_rate_over_all(method: str, tolerance: float):
    means = np.mean(list(TABLE_1B[method].values()), axis=0)

    assert np.abs(means - TABLE_1A[method]).max() < tolerance


@pytest.mark.parametrize("method", TABLE_2)
@pytest.mark.parametrize("intensity", INTENSITIES)
def test_the_mean_over_shifts_is_the_rate_of_their_intensity(method: str, intensity: str):
    means = np.mean([TABLE_1B[method][shift] for shift in INTENSITIES[intensity]], axis=0)

    assert np.abs(means - TABLE_2[method][intensity]).max() < 0.04
