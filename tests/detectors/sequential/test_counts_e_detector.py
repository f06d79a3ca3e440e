from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import binomtest

from detectors.arrays_io import arrays_to_bytes, bytes_to_arrays
from detectors.errors import (
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NotFittedError,
    TooFewRowsError,
)
from detectors.sequential.counts_e_detector import CountsEDetector, _Box

COUNTS = st.lists(st.integers(0, 40), min_size=2, max_size=6).filter(lambda c: sum(c) >= 2)


def shares_within(box):
    """Shares of two cells at the corners of what the bounds allow, and between them."""
    lowest = max(box.lower[0, 0], 1.0 - box.upper[0, 1])
    highest = min(box.upper[0, 0], 1.0 - box.lower[0, 1])
    return np.linspace(lowest, highest, 5)


@pytest.mark.parametrize("scheme", ["shiryaev_roberts", "cusum"])
@pytest.mark.parametrize("counts_ref", [(30, 10), (3, 0), (1, 1), (200, 100)])
def test_the_mean_evidence_is_at_most_the_weight_whatever_the_shares(counts_ref, scheme):
    n_updates, detector = 7, CountsEDetector(run_time=100.0, scheme=scheme, memories=[1.0, 20.0])
    detector.fit(np.array(counts_ref))

    for first_share in shares_within(detector._box):
        mean = 0.0
        for cells in product((0, 1), repeat=n_updates):
            detector.reset()
            for cell in cells:
                evidence = detector.update(np.eye(2, dtype=int)[cell])
            chance = np.prod([first_share if cell == 0 else 1.0 - first_share for cell in cells])
            mean += chance * evidence
        assert 0.0 < mean <= n_updates * (1.0 + 1e-9)


def test_without_the_bounds_of_the_reference_the_mean_evidence_would_be_too_large():
    detector = CountsEDetector(run_time=100.0, memories=[1.0]).fit(np.array([6, 6]))
    box = detector._box
    share, means = float(shares_within(box)[-1]), []

    for is_bounded in (True, False):
        if not is_bounded:
            box.lower, box.upper = box.ref, box.ref
        mean = 0.0
        for cells in product((0, 1), repeat=8):
            detector.reset()
            for cell in cells:
                evidence = detector.update(np.eye(2, dtype=int)[cell])
            mean += evidence * np.prod([share if cell == 0 else 1.0 - share for cell in cells])
        means.append(mean)

    assert means[0] <= 8.0 + 1e-9 < means[1]


@settings(max_examples=200)
@given(counts=COUNTS, weights=st.lists(st.floats(0.01, 10.0), min_size=6, max_size=6))
def test_no_shares_within_the_bounds_give_a_row_a_larger_mean_than_1(counts, weights):
    counts = np.array(counts)
    box = _Box(counts, np.array([0]), int(counts.sum()), 0.9)
    w = np.array(weights[: counts.size]) / sum(weights[: counts.size])

    factors = np.exp(box.log_factors(w[np.newaxis, np.newaxis])[0, 0])

    bounds = list(zip(box.lower[0], box.upper[0], strict=True))
    worst = linprog(-factors, A_eq=np.ones((1, w.size)), b_eq=[1.0], bounds=bounds, method="highs")
    assert -worst.fun <= 1.0 + 1e-9
    nearest = w / factors
    assert nearest.sum() == pytest.approx(1.0)
    # The best that can be: no factors with a mean of at most 1 grow faster where w is true.
    assert (w * np.log(factors)).sum() >= -1e-12


@settings(max_examples=50)
@given(counts=COUNTS, confidence=st.floats(0.5, 0.999))
def test_the_bounds_are_those_of_clopper_and_pearson(counts, confidence):
    counts = np.array(counts)
    n_ref = int(counts.sum())

    box = _Box(counts, np.array([0]), n_ref, confidence)

    level = 1.0 - (1.0 - confidence) / counts.size
    for cell, count in enumerate(counts.tolist()):
        known = binomtest(count, n_ref).proportion_ci(level, method="exact")
        np.testing.assert_allclose(
            [box.lower[0, cell], box.upper[0, cell]], [known.low, known.high], atol=1e-9
        )


def test_nine_of_ten_references_keep_the_promise():
    # Of 40 references 30 streams each; the share of streams that alarm within half of the time
    # is at most a half where the mean is kept, as the evidence at any moment has a mean that small.
    rng, run_time, n_kept = np.random.default_rng(7), 60, 0

    for _ in range(40):
        p = rng.dirichlet(np.ones(5))
        detector = CountsEDetector(run_time).fit(rng.multinomial(200, p))
        n_alarms = 0
        for _ in range(30):
            detector.reset()
            for _ in range(run_time // 4):
                if detector.update(rng.multinomial(20, p)) >= run_time:
                    n_alarms += 1
                    break
        # By Markov's inequality at most a quarter alarm within a quarter of the time.
        n_kept += n_alarms / 30 <= 0.25 + 3 * np.sqrt(0.25 * 0.75 / 30)

    assert n_kept >= 0.9 * 40


def test_one_of_two_dimensions_that_moves_is_found_and_named():
    rng = np.random.default_rng(1)
    detector = CountsEDetector(run_time=1_000)
    detector.fit([*rng.multinomial(2_000, [0.25] * 4), *rng.multinomial(2_000, [0.5, 0.5])], (0, 4))

    n_updates = 0
    while not detector.is_alarm and n_updates < 50:
        still, moved = rng.multinomial(100, [0.25] * 4), rng.multinomial(100, [0.65, 0.35])
        detector.update([*still, *moved])
        n_updates += 1

    assert n_updates <= 10
    assert detector.dimension_statistics.argmax() == 1
    np.testing.assert_allclose(detector.dimension_statistics.mean(), detector.statistic)


def test_a_new_category_is_found():
    rng = np.random.default_rng(2)
    detector = CountsEDetector(run_time=1_000).fit([900, 1_100, 0])

    found = [detector.update(rng.multinomial(100, [0.45, 0.5, 0.05])) for _ in range(20)]

    assert detector.is_alarm
    assert found[-1] > 1_000


def test_weights_are_the_unit_of_the_promise():
    by_update, by_row = CountsEDetector(100), CountsEDetector(100 * 40)
    for detector, weight in ((by_update, 1.0), (by_row, 40.0)):
        detector.fit([50, 50])
        for counts in ([20, 20], [30, 10], [28, 12]):
            detector.update(counts, weight)

    assert by_row.statistic == pytest.approx(40 * by_update.statistic)


def test_an_update_without_rows_lets_only_weight_pass():
    detector = CountsEDetector(100).fit([50, 50])

    assert detector.update([0, 0]) == pytest.approx(1.0)
    assert detector.update([0, 0]) == pytest.approx(2.0)


def test_shiryaev_and_roberts_are_never_later_than_cusum():
    rng = np.random.default_rng(3)
    sum_of_all, largest = CountsEDetector(100), CountsEDetector(100, scheme="cusum")
    for detector in (sum_of_all, largest):
        detector.fit([300, 500, 200])

    for _ in range(200):
        counts = rng.multinomial(25, [0.35, 0.45, 0.2])
        assert sum_of_all.update(counts) >= largest.update(counts)


def test_the_evidence_stays_finite_over_a_long_change():
    detector = CountsEDetector(100).fit([500, 500])

    for _ in range(3_000):
        detector.update([100, 0])

    assert np.isfinite(detector._log_evidence).all()
    assert detector.is_alarm


def test_a_restored_detector_goes_on_with_equal_values():
    rng = np.random.default_rng(4)
    detector = CountsEDetector(50, 0.95, "cusum", [10.0, 100.0]).fit([60, 30, 10, 50, 50], (0, 3))
    stream = [
        [*rng.multinomial(20, [0.6, 0.3, 0.1]), *rng.multinomial(20, [0.4, 0.6])] for _ in range(30)
    ]
    for counts in stream[:15]:
        detector.update(counts)

    restored = CountsEDetector.from_arrays(bytes_to_arrays(arrays_to_bytes(detector.to_arrays())))

    for counts in stream[15:]:
        assert restored.update(counts) == detector.update(counts)


def test_a_new_detector_can_be_stored_before_its_first_update():
    detector = CountsEDetector(50).fit([60, 40])

    restored = CountsEDetector.from_arrays(detector.to_arrays())

    assert restored.statistic == detector.statistic == 0.0
    assert restored.update([5, 5]) == detector.update([5, 5])


@pytest.mark.parametrize("name", ["counts_ref", "starts", "parameters", "scheme", "memories",
                                  "recent", "evidence_begun", "log_evidence"])  # fmt: skip
def test_state_without_one_of_its_arrays_is_refused(name):
    arrays = CountsEDetector(50).fit([60, 40]).to_arrays()
    del arrays[name]

    with pytest.raises(InvalidStateError, match=name):
        CountsEDetector.from_arrays(arrays)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scheme", np.array([7])),
        ("parameters", np.array([1.0])),
        ("parameters", np.array([-1.0, 0.9])),
        ("counts_ref", np.array([1, -1])),
        ("recent", np.zeros((1, 1, 9))),
        ("log_evidence", np.zeros((1, 9))),
    ],
)
def test_state_that_is_not_one_of_a_detector_is_refused(name, value):
    arrays = CountsEDetector(50).fit([60, 40]).to_arrays() | {name: value}

    with pytest.raises(InvalidStateError):
        CountsEDetector.from_arrays(arrays)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"run_time": 0.0}, "run_time"),
        ({"run_time": np.inf}, "run_time"),
        ({"run_time": 10.0, "confidence": 1.0}, "confidence"),
        ({"run_time": 10.0, "scheme": "shewhart"}, "shiryaev_roberts, cusum"),
        ({"run_time": 10.0, "memories": []}, "memories"),
        ({"run_time": 10.0, "memories": [np.nan]}, "memories"),
    ],
)
def test_parameters_outside_their_range_are_refused(parameters, message):
    with pytest.raises(InvalidParameterError, match=message):
        CountsEDetector(**parameters)


@pytest.mark.parametrize(
    ("counts", "starts"),
    [
        ([1.5, 2.0], (0,)),
        ([5, -1], (0,)),
        ([5], (0,)),
        ([5, 5, 5], (0, 1)),
        ([5, 5, 5, 4], (0, 2)),
        ([5, 5], (1,)),
        ([[5, 5]], (0,)),
    ],
)
def test_counts_that_are_not_counts_of_a_reference_are_refused(counts, starts):
    with pytest.raises(InvalidSampleError):
        CountsEDetector(10).fit(counts, starts)


def test_one_row_is_too_few_for_a_reference():
    with pytest.raises(TooFewRowsError):
        CountsEDetector(10).fit([1, 0])


def test_updates_that_do_not_fit_are_refused_and_change_nothing():
    detector = CountsEDetector(10).fit([50, 50])
    before = detector.update([3, 4])

    with pytest.raises(InvalidSampleError, match="2 cells"):
        detector.update([1, 2, 3])
    with pytest.raises(InvalidParameterError, match="weight"):
        detector.update([1, 2], weight=0.0)

    assert detector.statistic == before


def test_nothing_is_known_before_fit():
    with pytest.raises(NotFittedError):
        CountsEDetector(10).update([1, 2])
    with pytest.raises(NotFittedError):
        _ = CountsEDetector(10).statistic
