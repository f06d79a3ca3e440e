"""What every detector of a whole stream promises, one check at a time for each of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from detectors import (
    ClassifierEDetector,
    ConformalEDetector,
    CountsEDetector,
    KernelEDetector,
    SequentialDetector,
    StreamDetector,
)
from detectors.arrays_io import arrays_to_bytes, bytes_to_arrays
from detectors.errors import (
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NonFiniteError,
    NotFittedError,
    ShapeError,
    TooFewRowsError,
)


def kernel(run_time=100.0, **parameters):
    return KernelEDetector(run_time, **({"n_features": 64, "n_components": 16} | parameters))


def conformal(run_time=100.0, **parameters):
    return ConformalEDetector(run_time, **parameters)


def classifier(run_time=100.0, **parameters):
    return ClassifierEDetector(run_time, **parameters)


CASES = {"kernel": kernel, "conformal": conformal, "classifier": classifier}


def mixed(rng, n):
    """A skewed, a discrete, a constant and a normal column."""
    columns = [rng.exponential(size=n), rng.integers(0, 3, n), np.full(n, 7.0), rng.normal(size=n)]
    return np.column_stack(columns)


DISTRIBUTIONS = {
    "normal": lambda rng, n: rng.normal(size=(n, 3)),
    "heavy tails": lambda rng, n: rng.standard_cauchy((n, 2)),
    "ties": lambda rng, n: rng.integers(0, 3, (n, 2)).astype(float),
    "mixed": mixed,
    "constants": lambda rng, n: np.full((n, 2), 3.0),
}

SHIFTS = {
    "mean": lambda x: x + np.array([0.0, 1.0, 0.0]),
    "variance": lambda x: x * np.array([1.0, 2.0, 1.0]),
    "correlation": lambda x: np.column_stack([x[:, 0], 0.9 * x[:, 0] + 0.44 * x[:, 1], x[:, 2]]),
}


def updates_until_alarm(detector, draw, most):
    """The number of updates until the first alarm; ``most`` where none came before."""
    for n_updates in range(1, most):
        detector.update(draw())
        if detector.is_alarm:
            return n_updates
    return most


def mean_run_time(detector, draw, *, n_streams, most):
    """The mean number of updates until an alarm, at least: streams end after ``most``."""
    times = []
    for _ in range(n_streams):
        detector.reset()
        times.append(updates_until_alarm(detector, draw, most))
    return np.mean(times)


@pytest.fixture(params=sorted(CASES))
def case(request):
    return CASES[request.param]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_nine_of_ten_references_have_at_least_the_promised_run_time(case, name, rng):
    draw, run_time, n_references, n_below = DISTRIBUTIONS[name], 8, 16, 0

    for _ in range(n_references):
        detector = case(run_time).fit(draw(rng, 100))
        measured = mean_run_time(detector, lambda: draw(rng, 32), n_streams=6, most=3 * run_time)
        n_below += measured < run_time

    assert n_below <= binom.ppf(0.999, n_references, 0.1)


@pytest.mark.parametrize("name", ["kernel", "conformal"])
def test_without_the_bounds_most_small_references_break_the_promise(name, rng):
    run_time, n_below = 8, 0

    for _ in range(10):
        detector = CASES[name](run_time).fit(rng.normal(size=(40, 2)))
        detector._bounds[:] = 0.0
        detector.reset()
        measured = mean_run_time(
            detector, lambda: rng.normal(size=(64, 2)), n_streams=3, most=3 * run_time
        )
        n_below += measured < run_time

    assert n_below > 5


def test_without_its_bounds_the_classifier_breaks_the_promise(rng, monkeypatch):
    monkeypatch.setattr(
        "detectors.sequential.classifier_e_detector.upper_mean_bound",
        lambda values, *_: np.ones(values.shape[1]),
    )
    # Bets are made smaller by what the bounds would cost.
    shrunk = ClassifierEDetector._shrunk
    monkeypatch.setattr(ClassifierEDetector, "_shrunk", lambda self, _: shrunk(self, 0.0))
    run_time, n_below = 8, 0

    for _ in range(10):
        detector = classifier(run_time).fit(rng.normal(size=(24, 2)))
        measured = mean_run_time(
            detector, lambda: rng.normal(size=(128, 2)), n_streams=3, most=3 * run_time
        )
        n_below += measured < run_time

    assert n_below > 5


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_is_found(name, rng):
    for case in (kernel, classifier):
        detector = case(1_000.0, seed=1).fit(rng.normal(size=(2_000, 3)))

        n_updates = updates_until_alarm(
            detector, lambda: SHIFTS[name](rng.normal(size=(50, 3))), 60
        )

        assert n_updates < 40, case


@pytest.mark.parametrize("name", ["mean", "variance"])
def test_a_shift_of_a_column_is_found_by_p_values_and_named(name, rng):
    detector = conformal(1_000.0).fit(rng.normal(size=(2_000, 3)))

    n_updates = updates_until_alarm(detector, lambda: SHIFTS[name](rng.normal(size=(50, 3))), 60)

    assert n_updates < 20
    # The last score is the distance, which sees a spread in any column.
    assert detector.dimension_statistics[:3].argmax() == 1
    np.testing.assert_allclose(detector.dimension_statistics.mean(), detector.statistic)


def test_correlation_that_is_lost_is_found_by_the_distances(rng):
    x_ref = SHIFTS["correlation"](rng.normal(size=(2_000, 3)))
    detector = conformal(1_000.0).fit(x_ref)

    n_updates = updates_until_alarm(detector, lambda: rng.normal(size=(50, 3)), 60)

    assert n_updates < 20
    assert detector.dimension_statistics.argmax() == 3


def test_a_constant_that_moves_is_found(case, rng):
    detector = case(100.0).fit(np.column_stack([rng.normal(size=400), np.full(400, 3.0)]))

    moved = updates_until_alarm(
        detector, lambda: np.column_stack([rng.normal(size=50), np.full(50, 3.1)]), 30
    )

    assert moved < 20


def test_a_shift_under_heavy_tails_is_found(case, rng):
    detector = case(100.0).fit(rng.standard_cauchy((2_000, 2)))

    assert updates_until_alarm(detector, lambda: rng.standard_cauchy((50, 2)) + 1.0, 40) < 30


def test_it_fulfils_the_protocol(case):
    # ``isinstance`` reads the properties, which need a fitted detector.
    assert isinstance(case().fit(np.arange(40.0).reshape(20, 2)), SequentialDetector)
    assert isinstance(CountsEDetector(10).fit([5, 5]), StreamDetector)


def test_a_restored_detector_goes_on_bit_for_bit(case, rng):
    detector = case(50.0, confidence=0.95, scheme="cusum", memories=[10.0, 300.0]).fit(
        mixed(rng, 200)
    )
    stream = [mixed(rng, n) + 0.2 for n in (1, 40, 70, 0, 33, 90, 5, 64, 64, 1)]
    for rows in stream[:5]:
        detector.update(rows)

    restored = type(detector).from_arrays(bytes_to_arrays(arrays_to_bytes(detector.to_arrays())))

    for rows in stream[5:]:
        assert restored.update(rows) == detector.update(rows)
    for name, array in detector.to_arrays().items():
        np.testing.assert_array_equal(array, restored.to_arrays()[name], name)


def test_a_new_detector_can_be_stored_before_its_first_update(case, rng):
    detector = case().fit(mixed(rng, 50))

    restored = type(detector).from_arrays(detector.to_arrays())

    assert restored.statistic == detector.statistic == 0.0
    assert restored.update(mixed(rng, 0)) > 0.0


def test_stored_arrays_are_copies(case, rng):
    detector = case().fit(mixed(rng, 60))
    detector.update(mixed(rng, 200))
    before = {name: array.copy() for name, array in detector.to_arrays().items()}

    for array in detector.to_arrays().values():
        array[...] = 0

    for name, array in detector.to_arrays().items():
        np.testing.assert_array_equal(array, before[name], name)


def test_its_size_does_not_change_over_ten_thousand_rows(case, rng):
    detector = case().fit(rng.normal(size=(100, 2)))
    before = len(arrays_to_bytes(detector.to_arrays()))

    for _ in range(50):
        detector.update(rng.normal(size=(200, 2)))

    assert len(arrays_to_bytes(detector.to_arrays())) == before


def test_streams_share_a_detector_and_each_goes_on_from_its_own_memory(case, rng):
    x_ref = mixed(rng, 120)
    shared, plain = case().fit(x_ref), [case().fit(x_ref) for _ in range(2)]
    memories = [shared.memory] * 2

    for n in (1, 40, 70, 0, 90, 64, 5):
        for stream, own in enumerate(plain):
            rows = mixed(rng, n) + 0.3 * stream
            resumed = shared.resumed(memories[stream])
            assert resumed.update(rows, 2.0) == own.update(rows, 2.0)
            # As a store hands it on: bytes, which cannot be written to.
            memories[stream] = np.frombuffer(resumed.memory.tobytes())

    assert shared.statistic == 0.0
    assert memories[0].nbytes <= shared.cost(120, 4).memory_bytes
    with pytest.raises(InvalidStateError, match="memory"):
        shared.resumed(memories[0][1:])


@pytest.mark.parametrize(("n_ref", "n_columns"), [(60, 1), (400, 3), (3_000, 12)])
def test_a_fitted_detector_is_no_larger_than_was_said(case, rng, n_ref, n_columns):
    said = case().cost(n_ref, n_columns)

    detector = case().fit(rng.normal(size=(n_ref, n_columns)))

    stored = sum(array.nbytes for array in detector.to_arrays().values())
    # Few rows have fewer components than there may be.
    assert (0.7 if n_ref > 1_000 else 0.2) * said.reference_bytes < stored <= said.reference_bytes
    assert detector.memory.nbytes <= said.memory_bytes


@pytest.mark.parametrize("name", ["conformal", "classifier"])
def test_what_is_kept_of_a_reference_is_bounded(name, rng):
    x_ref = rng.normal(size=(500, 3))
    bounded, small = CASES[name](max_rows=100).fit(x_ref), CASES[name]().fit(x_ref[:100])
    rows = rng.normal(size=(70, 3))

    assert bounded.update(rows) == small.update(rows)
    assert bounded.cost(10**9, 3) == bounded.cost(100, 3)


def test_what_was_fitted_and_what_is_restored_lie_alike_in_memory(case, rng):
    # Linear algebra may round another way where an array lies another way.
    detector = case().fit(np.asfortranarray(mixed(rng, 300)))

    for name, array in detector.to_arrays().items():
        assert array.flags.c_contiguous, name


def test_it_forgets_by_reset_all_that_came_before(case, rng):
    x_ref, stream = mixed(rng, 80), [mixed(rng, 70) for _ in range(4)]
    used, new = case().fit(x_ref), case().fit(x_ref)
    for rows in stream:
        used.update(rows + 1.0)

    used.reset()

    assert used.statistic == 0.0
    assert [used.update(rows) for rows in stream] == [new.update(rows) for rows in stream]


def test_equal_seeds_give_equal_evidence(case, rng):
    x_ref, stream = mixed(rng, 80), [mixed(rng, 70) + 0.3 for _ in range(4)]
    one, other = case().fit(x_ref), case().fit(x_ref)

    assert [one.update(rows) for rows in stream] == [other.update(rows) for rows in stream]


def test_weights_are_the_unit_of_the_promise(case, rng):
    x_ref, stream = mixed(rng, 80), [mixed(rng, 40) for _ in range(4)]
    by_update, by_row = case(100.0).fit(x_ref), case(4_000.0).fit(x_ref)

    for rows in stream:
        by_update.update(rows)
        by_row.update(rows, 40.0)

    assert by_row.statistic == pytest.approx(40.0 * by_update.statistic)


def test_shiryaev_and_roberts_are_never_later_than_cusum(case, rng):
    x_ref, stream = mixed(rng, 80), [mixed(rng, 40) + 0.2 for _ in range(20)]
    sum_of_all, largest = case().fit(x_ref), case(scheme="cusum").fit(x_ref)

    for rows in stream:
        assert sum_of_all.update(rows) >= largest.update(rows)


def test_the_evidence_stays_finite_over_a_long_change(case, rng):
    detector = case().fit(rng.normal(size=(500, 2)))

    for _ in range(60):
        detector.update(np.full((100, 2), 1e300))

    assert np.isfinite(detector.statistic)
    assert detector.is_alarm


def test_units_and_origins_of_columns_do_not_matter(case, rng):
    x_ref, stream = rng.normal(size=(200, 2)), [rng.normal(size=(60, 2)) + 0.4 for _ in range(6)]
    scale, origin = np.array([1_024.0, 0.125]), np.array([512.0, -3.0])
    plain, other = case().fit(x_ref), case().fit(x_ref * scale + origin)

    for rows in stream:
        assert other.update(rows * scale + origin) == pytest.approx(plain.update(rows), rel=1e-6)


def test_single_precision_and_lists_are_accepted(case, rng):
    x_ref = rng.normal(size=(80, 2)).astype(np.float32)
    rows = rng.normal(size=(70, 2)).astype(np.float32)
    one, other = case().fit(x_ref), case().fit(x_ref.tolist())

    assert one.update(rows) == other.update(rows.tolist())


def test_inputs_are_not_modified_and_may_be_read_only(case, rng):
    x_ref, rows = mixed(rng, 80), mixed(rng, 70)
    copies = x_ref.copy(), rows.copy()
    for array in (x_ref, rows):
        array.flags.writeable = False

    case().fit(x_ref).update(rows)

    assert np.array_equal(x_ref, copies[0])
    assert np.array_equal(rows, copies[1])


def test_changing_the_reference_after_fit_changes_nothing(case, rng):
    x_ref, rows = mixed(rng, 80), mixed(rng, 70)
    detector, untouched = case().fit(x_ref), case().fit(x_ref.copy())

    x_ref[:] = 0.0
    detector.update(rows), untouched.update(rows)

    assert detector.update(rows) == untouched.update(rows)


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([1.0, 2.0], ShapeError),
        ([[1.0, 2.0, 3.0]], ShapeError),
        ([[1.0, np.nan]], NonFiniteError),
        ([[np.inf, 1.0]], NonFiniteError),
        ([["a", "b"]], InvalidSampleError),
    ],
)
def test_bad_rows_are_refused_and_change_nothing(case, rng, rows, error):
    detector = case().fit(rng.normal(size=(40, 2)))
    before = detector.update(rng.normal(size=(70, 2)))

    with pytest.raises(error):
        detector.update(rows)
    with pytest.raises(InvalidParameterError, match="weight"):
        detector.update([[1.0, 2.0]], weight=0.0)

    assert detector.statistic == before


@pytest.mark.parametrize(
    ("x_ref", "error"),
    [
        (np.zeros((7, 2)), TooFewRowsError),
        (np.zeros(20), ShapeError),
        (np.full((20, 2), np.nan), NonFiniteError),
    ],
)
def test_bad_references_are_refused(case, x_ref, error):
    with pytest.raises(error):
        case().fit(x_ref)


def test_the_fewest_rows_are_enough(case, rng):
    detector = case().fit(rng.normal(size=(8, 2)))

    assert np.isfinite(detector.update(rng.normal(size=(100, 2))))


def test_nothing_is_known_before_fit(case):
    for ask in (
        lambda detector: detector.update([[1.0]]),
        lambda detector: detector.statistic,
        lambda detector: detector.reset(),
        lambda detector: detector.to_arrays(),
    ):
        with pytest.raises(NotFittedError):
            ask(case())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"run_time": 0.0}, "run_time"),
        ({"confidence": 1.0}, "confidence"),
        ({"scheme": "shewhart"}, "shiryaev_roberts, cusum"),
        ({"memories": []}, "memories"),
    ],
)
def test_parameters_outside_their_range_are_refused(case, parameters, message):
    with pytest.raises(InvalidParameterError, match=message):
        case(**parameters)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: kernel(n_features=3), "n_features"),
        (lambda: kernel(n_components=0), "n_components"),
        (lambda: kernel(bandwidth=-1.0), "bandwidth"),
        (lambda: kernel(seed=-1), "seed"),
        (lambda: classifier(n_products=-1), "n_products"),
        (lambda: classifier(seed=2**32), "seed"),
    ],
)
def test_parameters_of_one_detector_are_checked(make, message):
    with pytest.raises(InvalidParameterError, match=message):
        make()


def test_state_without_one_of_its_arrays_is_refused(case, rng):
    arrays = case().fit(rng.normal(size=(40, 2))).to_arrays()

    for name in arrays:
        rest = {other: array for other, array in arrays.items() if other != name}
        with pytest.raises(InvalidStateError, match=name):
            type(case()).from_arrays(rest)


def test_state_with_an_array_of_another_size_is_refused(case, rng):
    arrays = case().fit(rng.normal(size=(40, 2))).to_arrays()

    for name, array in arrays.items():
        if name == "memories":
            continue  # Their number is told by the others, which then do not fit.
        wrong = arrays | {name: np.concatenate([array, array], axis=array.ndim - 1)}
        with pytest.raises(InvalidStateError):
            type(case()).from_arrays(wrong)


def test_state_that_is_not_one_of_a_detector_is_refused(case, rng):
    arrays = case().fit(rng.normal(size=(40, 2))).to_arrays()

    for name, value in (
        ("scheme", np.array([7])),
        ("parameters", np.array([-1.0, 0.9])),
        ("memories", np.array([1.0])),
    ):
        with pytest.raises(InvalidStateError):
            type(case()).from_arrays(arrays | {name: value})
