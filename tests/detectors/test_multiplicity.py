from __future__ import annotations

import numpy as np

from detectors.multiplicity import bonferroni


def test_one_dimension_needs_no_correction():
    assert bonferroni(np.array([0.03])) == [0.03]


def test_adjusted_p_values_never_exceed_one():
    np.testing.assert_allclose(bonferroni(np.array([0.01, 0.5, 1.0])), [0.03, 1.0, 1.0])


def test_the_number_of_dimensions_can_exceed_the_p_values_at_hand():
    assert bonferroni(np.array([0.01]), n_dimensions=32) == [0.32]
