from __future__ import annotations

import numpy as np
import pytest

from detectors.checks import as_rows, check_level, share_of, state_array
from detectors.errors import (
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NonFiniteError,
    ShapeError,
    TooFewRowsError,
)


def test_rows_that_already_have_the_form_are_not_copied():
    x = np.ones((3, 2))

    assert as_rows(x) is x


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8, np.bool_])
def test_every_real_dtype_becomes_float64_in_c_order(dtype):
    x = np.asfortranarray(np.ones((3, 2), dtype=dtype))

    rows = as_rows(x)

    assert rows.dtype == np.float64
    assert rows.flags.c_contiguous
    np.testing.assert_array_equal(rows, np.ones((3, 2)))


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (1.0, ShapeError),
        ([1.0, 2.0], ShapeError),
        (np.ones((2, 2, 2)), ShapeError),
        (np.ones((2, 0)), ShapeError),
        ([[1.0], [1.0, 2.0]], ShapeError),
        (np.ones((0, 3)), TooFewRowsError),
        ([["a"]], InvalidSampleError),
        ([[1j]], InvalidSampleError),
        (np.array([[None]]), InvalidSampleError),
        ([[np.nan]], NonFiniteError),
        ([[-np.inf]], NonFiniteError),
    ],
)
def test_unusable_rows_raise_the_error_that_says_why(x, error):
    with pytest.raises(error):
        as_rows(x)


def test_the_first_row_that_is_not_finite_is_named():
    with pytest.raises(NonFiniteError, match=r"x_test .* row 2"):
        as_rows([[0.0, 0.0], [1.0, 1.0], [0.0, np.nan], [np.inf, 0.0]], "x_test")


def test_another_number_of_columns_is_refused():
    with pytest.raises(ShapeError, match="must have 3 columns, not 2"):
        as_rows(np.ones((4, 2)), n_columns=3)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 2.0, np.nan])
def test_a_level_outside_the_open_unit_interval_is_refused(level):
    with pytest.raises(InvalidParameterError):
        check_level(level)


@pytest.mark.parametrize(
    ("share", "n", "rows"),
    [(0.0, 10, 0), (1.0, 10, 10), (0.1, 30, 3), (0.07, 100, 7), (0.11, 30, 4), (0.7, 10, 7)],
)
def test_a_share_is_rounded_up_to_whole_rows(share, n, rows):
    assert share_of(share, n) == rows


@pytest.mark.parametrize("share", [-0.01, 1.01, np.nan])
def test_a_share_outside_the_unit_interval_is_refused(share):
    with pytest.raises(InvalidParameterError):
        share_of(share, 10)


@pytest.mark.parametrize(
    "array",
    [
        np.ones(3),
        np.ones((0, 2)),
        np.full((2, 2), np.nan),
        np.array([["a", "b"]]),
        np.ones((2, 2), dtype=np.int64),
    ],
)
def test_a_stored_array_of_another_form_is_refused(array):
    with pytest.raises(InvalidStateError, match="columns"):
        state_array({"columns": array}, "columns", ndim=2)


def test_a_stored_array_is_copied():
    stored = np.ones((2, 2))

    state_array({"columns": stored}, "columns", ndim=2)[0, 0] = 7.0

    assert stored[0, 0] == 1.0
