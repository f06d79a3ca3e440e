from __future__ import annotations

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors import (
    ColumnShifts,
    InvalidParameterError,
    InvalidStateError,
    NonFiniteError,
    NotFittedError,
    ShapeError,
    arrays_to_bytes,
    bytes_to_arrays,
    ranking,
)
from detectors.column_shifts import MOST_ROWS

TIED = st.integers(-3, 3).map(float) | st.just(np.nan)
CODES = st.integers(0, 4).map(float) | st.just(np.nan)


def samples(elements):
    column = arrays(np.float64, st.tuples(st.integers(1, 30), st.just(1)), elements=elements)
    return st.tuples(column, column)


# SciPy's own p-value for samples of one row, which is not looked at.
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@settings(max_examples=100)
@given(samples(TIED))
def test_numbers_are_compared_as_scipy_does_with_missing_ones_above_all_others(pair):
    x_ref, x_test = pair
    (move,) = ColumnShifts().fit(x_ref).compare(x_test)

    above = [np.where(np.isnan(x), 1e6, x).ravel() for x in pair]
    expected = scipy.stats.ks_2samp(*above, method="asymp")

    assert move.statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert (move.missing_ref, move.missing_test) == pytest.approx(
        (np.isnan(x_ref).mean(), np.isnan(x_test).mean())
    )


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_the_p_value_of_numbers_is_exact(shift, rng):
    x_ref, x_test = rng.normal(size=(60, 1)), rng.normal(size=(40, 1)) + shift
    (move,) = ColumnShifts().fit(x_ref).compare(x_test)

    expected = scipy.stats.ks_2samp(x_ref.ravel(), x_test.ravel(), method="exact")

    assert move.p_value == pytest.approx(expected.pvalue, rel=1e-6)


@settings(max_examples=100)
@given(samples(TIED))
def test_the_direction_is_that_of_the_mean_rank_of_observed_numbers(pair):
    ref, test = (x[~np.isnan(x)] for x in pair)
    (move,) = ColumnShifts().fit(pair[0]).compare(pair[1])

    ranks = scipy.stats.rankdata(np.concatenate([ref, test])) if ref.size and test.size else []
    # Sums of ranks are exact; the difference of means is decided without a division.
    rise = 2 * sum(ranks[ref.size :]) - test.size * (ref.size + test.size + 1) if len(ranks) else 0

    assert move.direction == {0: "none", 1: "up", -1: "down"}[int(np.sign(rise))]


@settings(max_examples=100)
@given(samples(CODES))
def test_categories_are_compared_by_half_the_sum_of_the_differences_of_shares(pair):
    (move,) = ColumnShifts(categorical_columns=[0]).fit(pair[0]).compare(pair[1])

    shares = [
        {
            str(code): np.mean([str(v) == str(code) for v in x.ravel()])
            for code in [*range(5), "nan"]
        }
        for x in [np.array([["nan" if np.isnan(v) else int(v)] for v in x.ravel()]) for x in pair]
    ]
    distance = sum(abs(shares[0][code] - shares[1][code]) for code in shares[0]) / 2

    assert move.statistic == pytest.approx(distance)
    assert move.direction == "none"
    assert move.quantiles_ref is None
    for side, out in enumerate((move.shares_ref, move.shares_test)):
        assert out.tolist() == pytest.approx([shares[side][str(int(c))] for c in move.codes])
    assert (move.missing_ref, move.missing_test) == pytest.approx(
        (shares[0]["nan"], shares[1]["nan"])
    )


def test_the_p_value_of_frequent_categories_is_that_of_chi_square(rng):
    x_ref, x_test = rng.integers(0, 4, (600, 1)), rng.integers(0, 5, (300, 1)) % 4
    (move,) = ColumnShifts([0]).fit(x_ref).compare(x_test)

    table = [np.bincount(x.ravel(), minlength=4) for x in (x_ref, x_test)]

    assert move.p_value == pytest.approx(scipy.stats.chi2_contingency(table).pvalue)


def test_p_values_of_rare_categories_keep_their_level(rng):
    shares = 0.7 ** np.arange(30)
    p_values = []
    for _ in range(300):
        x = rng.choice(30, size=(260, 20), p=shares / shares.sum())
        moves = ColumnShifts(range(20)).fit(x[:200]).compare(x[200:])
        p_values += [move.p_value for move in moves]

    assert np.mean(np.array(p_values) <= 0.05) <= 0.06


def test_a_sentinel_turns_neither_direction_nor_quantiles(rng):
    x_ref, x_test = rng.normal(size=(500, 1)), rng.normal(size=(300, 1)) + 1.0
    x_test[7] = -1e9

    (move,) = ColumnShifts().fit(x_ref).compare(x_test)

    assert move.direction == "up"
    np.testing.assert_allclose(
        move.quantiles_test, np.quantile(x_test, [0.05, 0.5, 0.95]), atol=0.1
    )


def test_a_category_that_appears_has_a_share_of_zero_in_the_reference():
    (move,) = ColumnShifts([0]).fit([[0.0]] * 60).compare([[0.0]] * 36 + [[3.0]] * 24)

    assert move.codes.tolist() == [0.0, 3.0]
    assert move.shares_ref.tolist() == [1.0, 0.0]
    assert move.shares_test.tolist() == [0.6, 0.4]
    assert move.p_value < 1e-6


@pytest.mark.parametrize("categorical", [[], [0]])
def test_a_column_that_nobody_observed_did_not_move(categorical):
    missing = np.full((20, 1), np.nan)

    (move,) = ColumnShifts(categorical).fit(missing).compare(missing)

    assert (move.statistic, move.p_value, move.direction) == (0.0, 1.0, "none")
    assert (move.missing_ref, move.missing_test) == (1.0, 1.0)


@pytest.mark.parametrize("categorical", [[], [0]])
def test_a_column_that_goes_missing_has_moved(categorical):
    (move,) = ColumnShifts(categorical).fit(np.ones((50, 1))).compare(np.full((50, 1), np.nan))

    assert move.statistic == 1.0
    assert move.p_value < 1e-6
    assert move.missing_test == 1.0


def test_columns_keep_their_places_and_are_ranked_by_what_they_say(rng):
    x_ref = np.column_stack([rng.normal(size=(400, 2)), rng.integers(0, 3, size=400)])
    x_test = x_ref[:200] + np.array([0.0, 2.0, 0.0])
    x_test[:100, 2] = 2.0
    moves = ColumnShifts([2]).fit(x_ref).compare(x_test)

    assert [move.column for move in moves] == [0, 1, 2]
    assert [move.is_category for move in moves] == [False, False, True]
    assert ranking(moves) == [1, 2, 0]


def test_the_column_that_moved_most_comes_first_however_many_categories_others_have(rng):
    n, n_codes = 1_000, 1_000
    ref = np.column_stack([rng.integers(0, n_codes, size=n), rng.normal(size=n)])
    test = np.column_stack([rng.integers(0, n_codes, size=n), rng.normal(size=n)])
    test[:, 1] += 0.5
    test[:40, 0] = 0.0
    moves = ColumnShifts([0]).fit(ref).compare(test)

    assert moves[0].statistic > moves[1].statistic
    assert max(move.p_value for move in moves) < 0.01
    assert ranking(moves) == [1, 0]


@pytest.mark.parametrize(("n_ref", "n_test"), [(1_000, 1_000), (1_000, 80), (60, 300)])
@pytest.mark.parametrize("n_codes", [2, 40])
def test_what_chance_gives_is_what_samples_of_one_distribution_give(rng, n_ref, n_test, n_codes):
    def rows(n):
        return np.column_stack([rng.integers(0, n_codes, size=(n, 40)), rng.normal(size=(n, 40))])

    moves = ColumnShifts(range(40)).fit(rows(n_ref)).compare(rows(n_test))

    for some in (moves[:40], moves[40:]):
        found = np.mean([move.statistic for move in some])
        said = np.mean([move.by_chance for move in some])
        # Where there are two codes the mean of 40 columns has a standard error of an eighth.
        assert found == pytest.approx(said, rel=0.35)


def test_a_long_reference_is_thinned_out_evenly():
    shifts = ColumnShifts().fit(np.arange(10 * MOST_ROWS)[:, np.newaxis])

    kept = shifts.to_arrays()["sorted_ref"].ravel()

    assert kept.size == MOST_ROWS
    assert (kept[0], kept[-1]) == (0.0, 10 * MOST_ROWS - 1)
    assert set(np.diff(kept)) <= {10.0, 11.0}


def test_restored_it_compares_equally(rng):
    x = np.column_stack([rng.normal(size=90), rng.integers(0, 3, size=90)])
    x[::7] = np.nan
    shifts = ColumnShifts([1]).fit(x[:60])

    restored = ColumnShifts.from_arrays(bytes_to_arrays(arrays_to_bytes(shifts.to_arrays())))

    for one, other in zip(shifts.compare(x[60:]), restored.compare(x[60:]), strict=True):
        np.testing.assert_equal(vars(other), vars(one))


@pytest.mark.parametrize(
    "change",
    [
        {"sorted_ref": np.array([[2.0], [1.0]])},
        {"sorted_ref": np.array([[np.nan], [1.0]])},
        {"sorted_ref": np.zeros((MOST_ROWS + 1, 1))},
        {"is_category": np.array([True, False])},
        {"is_category": np.array([1])},
    ],
)
def test_stored_arrays_of_another_form_are_refused(change):
    stored = ColumnShifts().fit([[1.0], [2.0]]).to_arrays()

    with pytest.raises(InvalidStateError):
        ColumnShifts.from_arrays({**stored, **change})


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InvalidParameterError):
        ColumnShifts([0, 0])
    with pytest.raises(InvalidParameterError, match="categorical column 2"):
        ColumnShifts([2]).fit([[1.0, 2.0]])
    with pytest.raises(NotFittedError):
        ColumnShifts().compare([[1.0]])
    with pytest.raises(ShapeError):
        ColumnShifts().fit([[1.0]]).compare([[1.0, 2.0]])
    with pytest.raises(NonFiniteError):
        ColumnShifts().fit([[np.inf]])
