"""Samples that share rows are tested as each by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors import InvalidSampleError, KSTest, PlacedRows, join_placed
from detectors.two_sample.ks.cells import Cells
from detectors.two_sample.ks.distance import largest_gaps

# Few values: with many ties. Wide ones: a grid of equal buckets is of no use among them.
few = st.integers(-3, 12).map(float)
wide = st.floats(-1e140, 1e140)
values = few | wide


def samples(n_dimensions: int) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, 40), st.just(n_dimensions))
    return arrays(np.float64, shapes, elements=values)


def place(test: KSTest, x: np.ndarray) -> PlacedRows:
    rows = test.place(x)
    assert rows is not None
    return rows


two_samples = st.integers(1, 3).flatmap(lambda n: st.tuples(samples(n), samples(n)))


@settings(max_examples=500)
@given(two_samples)
def test_counting_in_cells_finds_the_gaps_that_sorting_finds(pair) -> None:
    ref, test = np.sort(pair[0].T, axis=1), pair[1]
    cells = Cells(ref)

    gaps = cells.largest_gaps(cells.place(test))

    assert gaps.tolist() == largest_gaps(ref, np.sort(test.T, axis=1)).tolist()


@settings(max_examples=100)
@given(two_samples, st.integers(0, 40), st.integers(0, 40))
def test_rows_may_be_placed_together_or_one_after_the_other(pair, cut, begin) -> None:
    test, x = KSTest().fit(pair[0]), pair[1]
    parts = [part for part in (x[:cut], x[cut:]) if len(part)]
    rows = slice(min(begin, len(x) - 1), None)

    placed = join_placed([place(test, part) for part in parts]).take(rows)
    result = test.test_placed(placed)

    plain = test.test(x[rows], rng=np.random.default_rng(0))
    assert (result.statistic, result.p_value) == (plain.statistic, plain.p_value)
    assert result.dimension_statistics.tolist() == plain.dimension_statistics.tolist()


@pytest.mark.parametrize("power", [1, 3, 12])
def test_large_samples_agree_however_their_values_lie(rng, power) -> None:
    ref, x = rng.normal(size=(2, 1_000, 4)) ** power
    test = KSTest().fit(ref)

    # Every tenth value is one of the reference, as with numbers of single precision.
    x[::10] = ref[::10]
    result = test.test_placed(place(test, x))

    plain = test.test(x, rng=rng)
    assert result.dimension_statistics.tolist() == plain.dimension_statistics.tolist()


def test_missing_values_have_no_place(rng) -> None:
    whole, missing = rng.normal(size=(50, 2)), np.full((50, 2), np.nan)

    assert KSTest().fit(whole).place(missing) is None
    assert KSTest().fit(missing).place(whole) is None
    with pytest.raises(InvalidSampleError, match="misses values"):
        KSTest().fit(missing).test_placed(place(KSTest().fit(whole), whole))


def test_a_test_that_is_fitted_again_places_among_the_new_reference(rng) -> None:
    test = KSTest().fit(rng.normal(size=(50, 1)))
    x = rng.normal(size=(30, 1))
    place(test, x)

    test.fit(x)

    assert test.test_placed(place(test, x)).statistic == 0.0
