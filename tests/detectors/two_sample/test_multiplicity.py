from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from detectors.two_sample.multiplicity import CORRECTIONS, benjamini_hochberg, bonferroni, holm

P_VALUES = st.lists(
    st.floats(1e-300, 1.0) | st.sampled_from([0.01, 0.05]),
    min_size=1,
    max_size=40,
).map(np.array)


@pytest.fixture(params=sorted(CORRECTIONS))
def correction(request):
    return CORRECTIONS[request.param]


def test_one_dimension_needs_no_correction(correction):
    assert correction(np.array([0.03])) == [0.03]


def test_adjusted_p_values_never_exceed_one(correction):
    assert correction(np.array([0.9, 0.5, 1.0])).max() == 1.0


def test_bonferroni_multiplies_by_the_number_of_dimensions():
    np.testing.assert_allclose(bonferroni(np.array([0.01, 0.5, 1.0])), [0.03, 1.0, 1.0])


def test_the_number_of_dimensions_can_exceed_the_p_values_at_hand(correction):
    assert correction(np.array([0.01]), n_dimensions=32) == [0.32]


def test_holm_counts_the_dimensions_that_are_left():
    # 5 * 0.01, 4 * 0.02, 3 * 0.03, and from there on the largest so far.
    np.testing.assert_allclose(holm(np.arange(1, 6) / 100), [0.05, 0.08, 0.09, 0.09, 0.09])


@given(P_VALUES)
def test_benjamini_hochberg_equals_that_of_scipy(p_values):
    # scipy.stats.false_discovery_control(p_values, method="bh")
    np.testing.assert_allclose(
        benjamini_hochberg(p_values), false_discovery_control(p_values, method="bh"), rtol=1e-12
    )


@given(P_VALUES)
def test_each_correction_is_at_least_as_strict_as_the_next(p_values):
    strict, less, least = bonferroni(p_values), holm(p_values), benjamini_hochberg(p_values)

    assert (strict >= less).all()
    assert (less >= least).all()
    assert (least >= p_values).all()


@given(P_VALUES)
def test_the_smallest_p_value_of_holm_is_that_of_bonferroni(p_values):
    assert holm(p_values).min() == bonferroni(p_values).min()


@pytest.mark.parametrize("name", sorted(CORRECTIONS))
@given(p_values=P_VALUES, seed=st.integers(0, 99))
def test_order_and_ties_of_p_values_are_kept(name, p_values, seed):
    adjusted = CORRECTIONS[name](p_values)
    order = np.argsort(p_values, kind="stable")
    shuffle = np.random.default_rng(seed).permutation(p_values.size)

    assert (np.diff(adjusted[order]) >= 0.0).all()
    np.testing.assert_array_equal(CORRECTIONS[name](p_values[shuffle]), adjusted[shuffle])
    for value in p_values:
        assert np.unique(adjusted[p_values == value]).size == 1


def test_p_values_are_not_modified_and_may_be_read_only(correction):
    p_values = np.array([0.5, 0.01, 0.02])
    p_values.flags.writeable = False

    correction(p_values)

    assert p_values.tolist() == [0.5, 0.01, 0.02]


def test_corrections_are_called_by_name_and_cannot_be_replaced():
    assert dict(CORRECTIONS) == {
        "bonferroni": bonferroni,
        "holm": holm,
        "benjamini_hochberg": benjamini_hochberg,
    }
    with pytest.raises(TypeError):
        CORRECTIONS["holm"] = bonferroni


@pytest.mark.statistics
def test_benjamini_hochberg_bounds_the_share_of_false_discoveries():
    rng = np.random.default_rng(11)
    n_repeats, shares = 2_000, []
    for _ in range(n_repeats):
        p_values = rng.random(20)
        p_values[:8] **= 12.0  # the eight dimensions that moved
        found = benjamini_hochberg(p_values) <= 0.1
        shares.append(found[8:].sum() / max(1, found.sum()))

    # The expected share is 0.1 * 12 / 20; four standard errors.
    assert abs(np.mean(shares) - 0.06) <= 4 * np.std(shares) / np.sqrt(n_repeats)
