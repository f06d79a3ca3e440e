from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.sequential.linear_bets import LinearBets

REACH = np.array([[1.0, 4.0, 2.0], [0.5, 3.0, 3.0]])


def bets_after_a_past(seed, shift, *, memories=(1.0, 50.0)):
    """Bets with bounds around 0, and with a past of rows of any mean."""
    rng = np.random.default_rng(seed)
    lower, upper = -0.2 * rng.random(REACH.shape), 0.2 * rng.random(REACH.shape)
    bets = LinearBets(lower, upper, REACH, 4.0, np.array(memories))
    for n in (5, 0, 200):
        bets.learn(np.clip(rng.normal(shift, 1.0, (n, *REACH.shape)), -REACH, REACH))
    return bets, rng


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-2.0, 2.0))
def test_no_means_between_the_bounds_win_on_average(seed, shift):
    bets, rng = bets_after_a_past(seed, shift)
    shares = rng.random((20, *REACH.shape)).round()
    corners = bets.lower + shares * (bets.upper - bets.lower)

    # A win is linear in the row: the mean of the factor is the factor of the mean.
    means = np.array([np.exp(bets.log_factors(corner[np.newaxis])) for corner in corners])

    assert (means <= 1.0 + 1e-12).all()
    chosen, costs = bets.bets()
    worst = np.where(chosen > 0.0, bets.upper, bets.lower)
    np.testing.assert_allclose((chosen * worst).sum(axis=2), costs, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-5.0, 5.0))
def test_no_row_loses_more_than_it_may(seed, shift):
    bets, rng = bets_after_a_past(seed, shift)
    rows = rng.choice([-1.0, 1.0], size=(50, *REACH.shape)) * REACH
    norms = np.sqrt((rows * rows).sum(axis=2, keepdims=True))
    rows = rows * np.minimum(1.0, 4.0 / norms)

    factors = [np.exp(bets.log_factors(row[np.newaxis])) for row in rows]

    assert np.min(factors) >= 0.2 - 1e-9


def test_bets_are_on_what_moved_and_on_nothing_else():
    bets, _ = bets_after_a_past(0, 0.0, memories=(1e9,))
    rows = np.zeros((400, *REACH.shape))
    rows[:, 0, 1] = 0.9

    bets.learn(rows)

    chosen, _ = bets.bets()
    assert (chosen != 0.0).sum() == 1
    assert chosen[0, 0, 1] > 0.0


def test_rows_are_worth_the_sum_of_what_each_is_worth():
    bets, rng = bets_after_a_past(3, 1.0)
    rows = np.clip(rng.normal(size=(30, *REACH.shape)), -0.5, 0.5)

    together = bets.log_factors(rows)

    each = sum(bets.log_factors(row[np.newaxis]) for row in rows)
    np.testing.assert_allclose(together, each, rtol=1e-12)
    assert (bets.log_factors(rows[:0]) == 0.0).all()
