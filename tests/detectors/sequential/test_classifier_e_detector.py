from __future__ import annotations

import numpy as np
from scipy.stats import binom

from detectors.sequential.classifier_e_detector import ClassifierEDetector, _logits, _pairs


def with_bets(rng, x_ref):
    """A detector that has bets, since its stream has moved."""
    detector = ClassifierEDetector(1e9, memories=[64.0, 256.0]).fit(x_ref)
    for _ in range(8):
        detector.update(rng.normal(size=(64, 2)) + 0.8)
    assert detector._bets.any(axis=1).all()
    return detector


def test_the_odds_that_a_row_of_the_reference_gets_are_at_most_their_bound_on_average(rng):
    n_above_bound = n_above_held_out = n_bets = 0

    for _ in range(40):
        detector = with_bets(rng, rng.normal(size=(300, 2)))
        fresh = detector._features(rng.normal(size=(20_000, 2)))
        odds = np.exp(_logits(fresh, detector._bets)).mean(axis=0)
        held_out = np.exp(_logits(detector._held_out, detector._bets)).mean(axis=0)
        n_above_bound += int((odds > np.exp(detector._log_bounds)).sum())
        n_above_held_out += int((odds > held_out).sum())
        n_bets += odds.size

    # The risk of each bound is below 0.01; without it half of the means would be too large.
    assert n_above_bound <= binom.ppf(0.9999, n_bets, 0.01)
    assert n_above_held_out > 0.2 * n_bets


def test_no_bet_costs_nothing(rng):
    detector = ClassifierEDetector(1_000, memories=[64.0]).fit(rng.normal(size=(200, 2)))

    for n_updates in range(1, 4):
        # Weights count as 0.9 of themselves, to make up for bounds that fail.
        assert np.isclose(detector.update(rng.normal(size=(20, 2))), 0.9 * n_updates)


def test_bets_follow_the_classifier_every_64_rows_and_the_past_alone(rng):
    detector = ClassifierEDetector(1_000).fit(rng.normal(size=(200, 2)))

    detector.update(rng.normal(size=(63, 2)) + 2.0)
    before = detector._bets.copy()
    detector.update(rng.normal(size=(1, 2)) + 2.0)

    assert not before.any()
    assert detector._bets.any()
    assert detector._n_refits == 1


def test_bounds_are_taken_more_carefully_each_time(rng):
    detector = with_bets(rng, rng.normal(size=(400, 2)))
    widths = []

    for n_refits in (10, 10_000):
        detector._n_refits = n_refits
        detector._refit()
        odds = np.exp(_logits(detector._held_out, detector._bets)).mean(axis=0)
        widths.append(
            (np.exp(detector._log_bounds) - odds) / np.linalg.norm(detector._bets, axis=1)
        )

    assert (widths[1] > widths[0]).all()


def test_pairs_are_all_or_a_draw_without_repetition():
    assert _pairs(3, 64, 0).tolist() == [[0, 0, 1], [1, 2, 2]]
    assert _pairs(1, 64, 0).shape == (2, 0)
    drawn = _pairs(40, 64, 1)
    assert len({tuple(pair) for pair in drawn.T.tolist()}) == 64
    assert (drawn[0] < drawn[1]).all()
    assert not np.array_equal(drawn, _pairs(40, 64, 2))
