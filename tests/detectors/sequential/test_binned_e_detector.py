from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import BinnedEDetector, CountsEDetector, arrays_to_bytes, bytes_to_arrays
from detectors.errors import (
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NotFittedError,
    TooFewRowsError,
)


def reference(n=400, seed=0):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), rng.integers(0, 3, n), rng.normal(size=n)])
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def fitted(x=None, **keys):
    keys = {"run_time": 1_000.0, "categorical_columns": [1]} | keys
    return BinnedEDetector(**keys).fit(reference() if x is None else x)


def cells_by_hand(cutting, column, n_cells):
    """The cell of a value of a column, by its place among quantiles of the rows that cut."""
    values = cutting[:, column]
    there = np.sort(values[~np.isnan(values)])
    if column == 1:
        edges = np.unique(there)
        return lambda v: edges.size + 1 if np.isnan(v) else list(edges).index(v)
    shares = np.arange(1, n_cells) / n_cells
    edges = {there[np.argmax(np.arange(1, there.size + 1) / there.size >= s)] for s in shares}
    return lambda v: len(edges) + 1 if np.isnan(v) else sum(edge < v for edge in edges)


@settings(max_examples=10)
@given(seed=st.integers(0, 999), n_cells=st.sampled_from([3, 4, 5]))
def test_every_other_row_cuts_the_cells_and_the_rest_is_counted(seed, n_cells):
    x = reference(seed=seed)
    cells = [cells_by_hand(x[::2], column, n_cells) for column in range(3)]
    sizes = [n_cells + 1, 3 + 2, n_cells + 1]

    def counts(rows):
        tables = [np.zeros(size, dtype=int) for size in sizes]
        for row in rows:
            for table, cell, value in zip(tables, cells, row, strict=True):
                table[cell(value)] += 1
        return np.concatenate(tables)

    starts = np.cumsum([0, *sizes[:-1]])
    expected = CountsEDetector(1_000.0).fit(counts(x[1::2]), starts)
    detector = fitted(x, n_cells=n_cells)

    for rows in np.array_split(reference(200, seed + 1), 8):
        assert detector.update(rows, 25.0) == pytest.approx(expected.update(counts(rows), 25.0))


def test_a_value_that_decides_an_edge_is_never_counted_in_its_own_cell():
    # Were all rows counted, the counts of quantile cells would be as even as they can be.
    x = np.random.default_rng(0).normal(size=(1_000, 1))

    detector = BinnedEDetector(100.0, n_cells=10).fit(x)

    counts = detector.to_arrays()["counts/counts_ref"]
    assert counts.sum() == 500
    assert np.ptp(counts[:10]) > 5


def test_the_order_of_rows_within_an_update_changes_nothing():
    one, other = fitted(), fitted()
    rows = reference(60, seed=5)

    assert one.update(rows, 60.0) == other.update(rows[::-1], 60.0)
    assert one.update(rows, 60.0) == other.update(rows[::-1], 60.0)


def test_half_of_the_streams_at_most_alarm_within_half_of_the_run_time():
    # By Markov's inequality, where the reference keeps the promise, as nine of ten do.
    rng, n_kept = np.random.default_rng(3), 0

    for _ in range(20):
        detector = BinnedEDetector(run_time=400.0, n_cells=4).fit(rng.normal(size=(400, 2)))
        n_alarms = 0
        for _ in range(20):
            detector.reset()
            n_alarms += any(
                detector.update(rng.normal(size=(20, 2)), 20.0) >= 400.0 for _ in range(10)
            )
        n_kept += n_alarms / 20 <= 0.5 + 3 * np.sqrt(0.25 / 20)

    assert n_kept >= 0.9 * 20


@pytest.mark.parametrize("moved", ["mean", "missing", "category"])
def test_moves_of_every_kind_are_found_and_named(moved):
    x_ref, x = reference(2_000), reference(2_000, seed=1)
    column = {"mean": 0, "missing": 2, "category": 1}[moved]
    x[:, column] = {"mean": x[:, 0] + 1.0, "missing": np.nan, "category": 9.0}[moved]
    detector = fitted(x_ref, run_time=10_000.0)

    for rows in np.array_split(reference(2_000, seed=2), 50):
        detector.update(rows, len(rows))
    assert not detector.is_alarm
    for rows in np.array_split(x[:200], 10):
        detector.update(rows, len(rows))

    assert detector.is_alarm
    assert int(detector.dimension_statistics.argmax()) == column


def test_the_most_frequent_categories_have_cells_of_their_own():
    rng = np.random.default_rng(0)
    codes = rng.choice(8, p=[0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05], size=4_000)

    detector = BinnedEDetector(100.0, n_cells=3, categorical_columns=[0])
    arrays = detector.fit(codes[:, np.newaxis].astype(float)).to_arrays()

    assert arrays["edges"].tolist() == [0.0, 1.0, 2.0]
    assert arrays["counts/counts_ref"].size == 5


def test_a_memory_goes_on_from_where_it_was_whatever_else_the_detector_saw():
    shared, plain, memory = fitted(), fitted(), fitted().memory

    for rows in np.array_split(reference(300, seed=4), 10):
        stream = shared.resumed(memory)
        evidence = stream.update(rows, 30.0)
        memory = np.frombuffer(stream.memory.tobytes())
        assert evidence == plain.update(rows, 30.0)

    assert shared.statistic == 0.0
    assert memory.nbytes <= shared.cost(300, 3).memory_bytes


def test_a_restored_detector_goes_on_with_equal_values():
    detector = fitted()
    detector.update(reference(50, seed=1), 50.0)

    restored = BinnedEDetector.from_arrays(bytes_to_arrays(arrays_to_bytes(detector.to_arrays())))

    rows = reference(50, seed=2)
    assert restored.update(rows, 50.0) == detector.update(rows, 50.0)
    assert restored.run_time == 1_000.0
    stored = sum(array.nbytes for array in detector.to_arrays().values())
    assert stored <= detector.cost(300, 3).reference_bytes


def test_a_column_without_any_value_in_the_reference_is_watched():
    x = np.full((40, 1), np.nan)
    detector = BinnedEDetector(100.0).fit(x)

    restored = BinnedEDetector.from_arrays(bytes_to_arrays(arrays_to_bytes(detector.to_arrays())))
    for _ in range(5):
        restored.update(np.ones((20, 1)), 20.0)

    assert restored.is_alarm


@pytest.mark.parametrize(
    "keys", [{"n_cells": 1}, {"run_time": 0.0}, {"confidence": 1.0}, {"scheme": "x"},
             {"categorical_columns": [-1]}],
)  # fmt: skip
def test_parameters_outside_their_range_are_refused(keys):
    with pytest.raises(InvalidParameterError):
        fitted(**keys)


def test_rows_that_cannot_be_used_are_refused():
    detector = fitted()

    with pytest.raises(TooFewRowsError):
        fitted(reference(3))
    with pytest.raises(InvalidSampleError):
        detector.update(reference(5)[:, :2])
    with pytest.raises(InvalidSampleError):
        detector.update(np.full((1, 3), np.inf))
    with pytest.raises(NotFittedError):
        BinnedEDetector(10.0).update(reference(5))
    with pytest.raises(InvalidStateError):
        detector.resumed(np.zeros(3))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("rules", None),
        ("rules", np.array([9, 0, 1])),
        ("n_edges", np.array([1, 1])),
        ("n_edges", np.array([-1, 3, 5])),
        ("edges", np.array([1.0])),
        ("n_cells", np.array([1])),
        ("counts/counts_ref", np.array([20, 20])),
    ],
)
def test_stored_arrays_that_describe_no_detector_are_refused(name, array):
    arrays = fitted().to_arrays()
    if array is None:
        del arrays[name]
    else:
        arrays[name] = array

    with pytest.raises(InvalidStateError):
        BinnedEDetector.from_arrays(arrays)
