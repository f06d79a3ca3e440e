"""What every reducer and every two-sample test promises, one check at a time for each of them.

A new kind joins by an entry in the registry and one in ``REDUCER_CASES`` or ``TEST_CASES``.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest

from detectors import (
    ONNX_REDUCERS,
    PCA,
    REDUCERS,
    TORCH_REDUCERS,
    TWO_SAMPLE_TESTS,
    BinomialTest,
    ChiSquareTest,
    CountsTest,
    CramerVonMisesTest,
    DriftDetector,
    EnergyTest,
    FourierMMDTest,
    HardPredictions,
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    JensenShannonTest,
    KSTest,
    LevelPerWindow,
    MixedTest,
    MMDTest,
    Needs,
    NonFiniteError,
    NoReduction,
    NotFittedError,
    Prepared,
    PSITest,
    Reducer,
    ShapeError,
    SoftmaxOutputs,
    SparseRandomProjection,
    SummaryTest,
    TooFewRowsError,
    TwoSampleTest,
    WassersteinTest,
    arrays_to_bytes,
    bytes_to_arrays,
    reducer_of_kind,
)
from detectors.reducers.neural.autoencoders import TrainedAutoencoder, UntrainedAutoencoder
from detectors.reducers.neural.training import Training
from detectors.reducers.onnx_models.model import OnnxModel
from detectors.reducers.onnx_models.reducers import (
    OnnxEmbedding,
    OnnxHardPredictions,
    OnnxSoftmax,
)
from tests.onnx_files import Layer, network_file


def classifier() -> OnnxModel:
    weights = np.sin(np.arange(12.0)).reshape(4, 3)
    return OnnxModel(network_file([Layer(weights, np.zeros(3))]))


REDUCER_CASES: dict[str, Callable[[], Reducer]] = {
    "none": NoReduction,
    "pca": lambda: PCA(2),
    "sparse_random_projection": lambda: SparseRandomProjection(2),
    "softmax_outputs": SoftmaxOutputs,
    "hard_predictions": HardPredictions,
    "prepared": lambda: Prepared(PCA(2), categorical_columns=[3]),
    "untrained_autoencoder": lambda: UntrainedAutoencoder(2),
    "trained_autoencoder": lambda: TrainedAutoencoder(2, training=Training(max_epochs=2)),
    "onnx_embedding": lambda: OnnxEmbedding(classifier()),
    "onnx_softmax": lambda: OnnxSoftmax(classifier(), gives="logits"),
    "onnx_hard_predictions": lambda: OnnxHardPredictions(classifier(), gives="logits"),
}
TEST_CASES: dict[str, Callable[[], TwoSampleTest]] = {
    "ks": KSTest,
    "mmd": lambda: MMDTest(n_permutations=39),
    "mmd_features": FourierMMDTest,
    "chi_square": ChiSquareTest,
    "binomial": lambda: BinomialTest(n_fourier_features=10),
    "mixed": lambda: MixedTest(categorical_columns=[1]),
    "cramer_von_mises": lambda: CramerVonMisesTest(n_permutations=39),
    "energy": lambda: EnergyTest(n_permutations=39),
    "wasserstein": lambda: WassersteinTest(n_permutations=39),
    "psi": lambda: PSITest(n_permutations=39),
    "jensen_shannon": lambda: JensenShannonTest(n_permutations=39),
}
ALLOW_MISSING = {"none", "prepared"}
"""Reducers that take missing values; every test does."""


def as_samples(kind: str, x: np.ndarray) -> np.ndarray:
    """Rows with categories where a test of this kind wants them: five shares instead of any."""
    columns = {"chi_square": slice(None), "mixed": slice(1, 2)}.get(kind, slice(0))
    x = x.copy()
    x[:, columns] = (5.0 * x[:, columns]).round()
    return x


def softmax_rows(n: int, seed: int, tilt: float = 0.0) -> np.ndarray:
    """Rows that every reducer accepts: softmax outputs of 4 classes."""
    logits = np.random.default_rng(seed).normal(loc=(tilt, 0.0, 0.0, 0.0), size=(n, 4))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


X_REF, X_TEST = softmax_rows(80, 1), softmax_rows(50, 2, tilt=1.0)


@pytest.fixture(params=sorted(REDUCER_CASES))
def reducer(request) -> Reducer:
    return REDUCER_CASES[request.param]()


@pytest.fixture(params=sorted(TEST_CASES))
def kind(request) -> str:
    return request.param


@pytest.fixture
def two_sample(kind) -> TwoSampleTest:
    return TEST_CASES[kind]()


@pytest.fixture
def x_ref(kind) -> np.ndarray:
    return as_samples(kind, X_REF)


@pytest.fixture
def x_test(kind) -> np.ndarray:
    return as_samples(kind, X_TEST)


def seeded() -> np.random.Generator:
    return np.random.default_rng(5)


def peak_bytes(run: Callable[[], object]) -> int:
    """The most memory that Python and NumPy hold while ``run`` does, above what they held."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_equal_results(first, second, *, tolerance=0.0):
    for name in vars(first):
        if name == "missing" and first.missing is not None:
            assert_equal_results(first.missing, second.missing)
            continue
        one, other = getattr(first, name), getattr(second, name)
        if one is None:
            assert other is None
        else:
            np.testing.assert_allclose(one, other, rtol=0.0, atol=tolerance, err_msg=name)


def with_a_bad_cell(value: float) -> np.ndarray:
    x = X_TEST.copy()
    x[3, 1] = value
    return x


BAD_ROWS = [
    pytest.param(X_TEST[0], ShapeError, id="one dimension"),
    pytest.param(X_TEST[np.newaxis], ShapeError, id="three dimensions"),
    pytest.param(X_TEST[:, :0], ShapeError, id="no columns"),
    pytest.param(X_TEST[:0], TooFewRowsError, id="no rows"),
    pytest.param(with_a_bad_cell(np.inf), NonFiniteError, id="inf"),
    pytest.param(with_a_bad_cell(-np.inf), NonFiniteError, id="-inf"),
    pytest.param(X_TEST.astype(str), InvalidSampleError, id="text"),
]


def test_every_registered_kind_has_a_case():
    assert {*REDUCERS, *TORCH_REDUCERS, *ONNX_REDUCERS} == set(REDUCER_CASES)
    assert set(TWO_SAMPLE_TESTS) == set(TEST_CASES)
    for kind, make in [*REDUCER_CASES.items(), *TEST_CASES.items()]:
        assert make().kind == kind
    for kind, make_reducer in REDUCER_CASES.items():
        assert reducer_of_kind(kind) is type(make_reducer())


class TestEveryReducer:
    def test_fulfils_the_protocol(self, reducer):
        assert isinstance(reducer, Reducer)

    def test_fit_returns_itself(self, reducer):
        assert reducer.fit(X_REF) is reducer

    def test_rows_stay_rows_and_are_float64(self, reducer):
        z = reducer.fit(X_REF).transform(X_TEST)

        assert z.ndim == 2
        assert len(z) == len(X_TEST)
        assert z.dtype == np.float64
        assert z.flags.c_contiguous

    def test_single_precision_is_accepted(self, reducer):
        single = X_TEST.astype(np.float32)

        reducer.fit(X_REF.astype(np.float32))

        np.testing.assert_array_equal(
            reducer.transform(single), reducer.transform(single.astype(np.float64))
        )

    def test_inputs_are_not_modified_and_may_be_read_only(self, reducer):
        ref, test = X_REF.copy(), X_TEST.copy()
        ref.flags.writeable = test.flags.writeable = False

        reducer.fit(ref).transform(test)

        np.testing.assert_array_equal(ref, X_REF)
        np.testing.assert_array_equal(test, X_TEST)

    def test_changing_the_reference_after_fit_changes_nothing(self, reducer):
        ref = X_REF.copy()
        before = reducer.fit(ref).transform(X_TEST).copy()

        ref[:] = 0.25

        np.testing.assert_array_equal(reducer.transform(X_TEST), before)

    def test_rows_are_reduced_one_by_one_as_together(self, reducer):
        together = reducer.fit(X_REF).transform(X_TEST)

        alone = [reducer.transform(X_TEST[i : i + 1]) for i in range(len(X_TEST))]

        np.testing.assert_array_equal(np.concatenate(alone), together)

    @pytest.mark.parametrize(("bad", "error"), BAD_ROWS)
    def test_bad_rows_raise_in_fit_and_in_transform(self, reducer, bad, error):
        with pytest.raises(error):
            reducer.fit(bad)
        with pytest.raises(error):
            reducer.fit(X_REF).transform(bad)

    def test_missing_values_pass_or_are_refused_by_name(self, reducer):
        missing = with_a_bad_cell(np.nan)

        if reducer.kind in ALLOW_MISSING:
            assert len(reducer.fit(missing).transform(missing)) == len(missing)
        else:
            with pytest.raises(NonFiniteError, match="row 3"):
                reducer.fit(missing)
            with pytest.raises(NonFiniteError, match="row 3"):
                reducer.fit(X_REF).transform(missing)

    def test_another_width_is_refused(self, reducer):
        with pytest.raises(ShapeError):
            reducer.fit(X_REF).transform(np.full((3, 2), 0.5))

    def test_needs_fit_first(self, reducer):
        with pytest.raises(NotFittedError):
            reducer.transform(X_TEST)
        with pytest.raises(NotFittedError):
            reducer.to_arrays()

    def test_restored_from_bytes_it_gives_equal_rows(self, reducer):
        expected = reducer.fit(X_REF).transform(X_TEST)

        stored = bytes_to_arrays(arrays_to_bytes(reducer.to_arrays()))
        restored = type(reducer).from_arrays(stored)

        np.testing.assert_array_equal(restored.transform(X_TEST), expected)

    def test_stored_arrays_are_copies_or_cannot_be_written(self, reducer):
        expected = reducer.fit(X_REF).transform(X_TEST).copy()

        for array in reducer.to_arrays().values():
            if array.flags.writeable:
                array[...] = 0

        np.testing.assert_array_equal(reducer.transform(X_TEST), expected)

    def test_nothing_is_restored_from_nothing(self, reducer):
        with pytest.raises(InvalidStateError):
            type(reducer).from_arrays({})


SIZES = [(80, 50), (1000, 20), (120, 120), (5, 4), (4, 4)]


class TestEveryTwoSampleTest:
    def test_says_what_it_needs_and_keeps_to_it(self, two_sample, x_ref):
        two_sample.fit(x_ref)

        assert isinstance(two_sample, CountsTest) == (two_sample.needs is Needs.COUNTS)
        assert isinstance(two_sample, SummaryTest) == (two_sample.needs is not Needs.ROWS)

    def test_says_what_it_costs_before_it_is_fitted(self, two_sample, x_ref):
        cost = two_sample.cost(80, 50, 4)

        two_sample.fit(x_ref)
        stored = sum(array.nbytes for array in two_sample.to_arrays().values())
        assert cost.reference_bytes <= stored <= cost.reference_bytes + 100
        if two_sample.needs is Needs.ROWS:
            assert cost.summary_bytes == 0
        else:
            summary = two_sample.summarise(x_ref[:5])
            assert summary.shape == (two_sample.summary_size,)
            assert summary.nbytes <= cost.summary_bytes

    @pytest.mark.parametrize(("n_ref", "n_test"), [(300, 200), (1_000, 1_500)])
    def test_takes_no_more_memory_than_it_says(self, kind, n_ref, n_test):
        rng = np.random.default_rng(1)
        two_sample = TEST_CASES[kind]().fit(as_samples(kind, rng.normal(size=(n_ref, 4))))
        x_test = as_samples(kind, rng.normal(size=(n_test, 4)))
        two_sample.test(x_test[:50], rng=rng)
        says = two_sample.cost(n_ref, n_test, 4).test_bytes

        if two_sample.needs is Needs.ROWS:
            took = peak_bytes(lambda: two_sample.test(x_test, rng=rng))
        else:
            summary = two_sample.summarise(x_test)
            took = peak_bytes(lambda: two_sample.test_summary(summary, n_test, rng=rng))

        assert took <= 1.5 * says
        if two_sample.needs is Needs.ROWS and n_ref == 1_000:
            assert says <= 1.5 * took

    @pytest.mark.parametrize(("n_ref", "n_test"), SIZES)
    @pytest.mark.parametrize("n_dimensions", [2, 12])
    def test_samples_without_anything_in_common_have_the_declared_p_value(
        self, two_sample, n_ref, n_test, n_dimensions
    ):
        apart = np.zeros((n_ref, n_dimensions)), np.ones((n_test, n_dimensions))
        declared = two_sample.lowest_p_value(n_ref, n_test, n_dimensions)

        p_value = two_sample.fit(apart[0]).test(apart[1], rng=seeded()).p_value

        assert p_value >= declared * (1 - 1e-9)
        # What features of constant rows can be told apart by is the limit of many rows.
        if n_ref > 5 and two_sample.kind != "mmd_features":
            assert p_value == pytest.approx(declared, rel=1e-9)

    @pytest.mark.parametrize("seed", range(5))
    def test_no_small_samples_have_a_lower_p_value_than_declared(self, two_sample, seed):
        rng = np.random.default_rng(seed)
        n_ref, n_test = rng.integers(4, 8, 2).tolist()
        x_ref, x_test = rng.integers(0, 2, (n_ref, 2)), rng.integers(0, 4, (n_test, 2))

        p_value = two_sample.fit(x_ref).test(x_test, rng=rng).p_value

        assert p_value >= two_sample.lowest_p_value(n_ref, n_test, 2) * (1 - 1e-9)

    def test_a_level_below_the_declared_p_value_has_no_critical_statistic(self, two_sample):
        apart = np.zeros((6, 2)), np.ones((4, 2))
        result = two_sample.fit(apart[0]).test(apart[1], rng=seeded())
        level = two_sample.lowest_p_value(6, 4, 2) * 0.99

        assert not LevelPerWindow(level).judge(two_sample, result).is_drift
        assert result.statistic < two_sample.critical_statistic(level, result)

    def test_fulfils_the_protocol(self, two_sample):
        assert isinstance(two_sample, TwoSampleTest)

    def test_fit_returns_itself(self, two_sample, x_ref):
        assert two_sample.fit(x_ref) is two_sample

    def test_the_result_has_the_promised_form(self, two_sample, x_ref, x_test):
        result = two_sample.fit(x_ref).test(x_test, rng=seeded())

        assert (result.n_ref, result.n_test) == (80, 50)
        assert 0.0 < result.p_value <= 1.0
        assert result.effect_size >= 0.0
        assert type(result.statistic) is type(result.p_value) is type(result.effect_size) is float
        for name in ("statistics", "p_values", "shifts"):
            per_dimension = getattr(result, f"dimension_{name}")
            assert per_dimension.shape == (4,)
            assert per_dimension.dtype == np.float64
        assert ((result.dimension_p_values > 0.0) & (result.dimension_p_values <= 1.0)).all()

    def test_equal_seeds_give_equal_results(self, two_sample, x_ref, x_test):
        two_sample.fit(x_ref)

        assert_equal_results(
            two_sample.test(x_test, rng=seeded()), two_sample.test(x_test, rng=seeded())
        )

    def test_row_order_changes_neither_statistic_nor_attribution(self, two_sample, x_ref, x_test):
        order = np.random.default_rng(3)
        straight = two_sample.fit(x_ref).test(x_test, rng=seeded())
        shuffled = two_sample.fit(order.permutation(x_ref)).test(
            order.permutation(x_test), rng=seeded()
        )

        assert shuffled.statistic == pytest.approx(straight.statistic, abs=1e-12)
        np.testing.assert_array_equal(shuffled.dimension_p_values, straight.dimension_p_values)
        np.testing.assert_array_equal(shuffled.dimension_shifts, straight.dimension_shifts)

    def test_inputs_are_not_modified_and_may_be_read_only(self, two_sample, x_ref, x_test):
        ref, test = x_ref.copy(), x_test.copy()
        ref.flags.writeable = test.flags.writeable = False

        two_sample.fit(ref).test(test, rng=seeded())
        two_sample.event_scores(test)

        np.testing.assert_array_equal(ref, x_ref)
        np.testing.assert_array_equal(test, x_test)

    def test_changing_the_reference_after_fit_changes_nothing(self, two_sample, x_ref, x_test):
        ref = x_ref.copy()
        before = two_sample.fit(ref).test(x_test, rng=seeded())

        ref[:] = 9.0

        assert_equal_results(before, two_sample.test(x_test, rng=seeded()))

    @pytest.mark.parametrize(("bad", "error"), BAD_ROWS)
    def test_bad_rows_raise_in_fit_test_and_scores(self, two_sample, bad, error, x_ref):
        with pytest.raises(error):
            two_sample.fit(bad)
        two_sample.fit(x_ref)
        with pytest.raises(error):
            two_sample.test(bad, rng=seeded())
        with pytest.raises(error):
            two_sample.event_scores(bad)

    def test_a_shift_behind_one_missing_value_is_still_found(self, two_sample, x_ref):
        x_test = as_samples(two_sample.kind, softmax_rows(50, 4, tilt=3.0))
        x_test[3, 1] = np.nan

        result = two_sample.fit(x_ref).test(x_test, rng=seeded())

        assert result.p_value <= 0.025
        assert np.isfinite(two_sample.event_scores(x_test)).all()

    def test_one_missing_value_is_no_shift(self, two_sample, x_ref):
        x_test = as_samples(two_sample.kind, softmax_rows(50, 9))
        x_test[3, 1] = np.nan

        result = two_sample.fit(x_ref).test(x_test, rng=seeded())

        assert result.p_value > 0.05
        assert result.missing.p_value > 0.05

    def test_a_change_in_the_share_of_missing_values_is_reported(self, two_sample, x_ref):
        x_test = as_samples(two_sample.kind, softmax_rows(50, 9))
        x_test[:40, 1] = np.nan

        result = two_sample.fit(x_ref).test(x_test, rng=seeded())

        assert result.p_value <= 0.025
        assert result.missing.p_value < 1e-6
        assert result.missing.test.tolist() == [0.0, 0.8, 0.0, 0.0]

    def test_complete_samples_have_no_report_of_missing_values(self, two_sample, x_ref, x_test):
        assert two_sample.fit(x_ref).test(x_test, rng=seeded()).missing is None

    def test_a_reference_with_missing_values_is_restored(self, two_sample, x_ref, x_test):
        x_ref = x_ref.copy()
        x_ref[::7, 1] = np.nan
        expected = two_sample.fit(x_ref).test(x_test, rng=seeded())

        restored = type(two_sample).from_arrays(two_sample.to_arrays())

        assert_equal_results(restored.test(x_test, rng=seeded()), expected)

    def test_another_width_is_refused(self, two_sample, x_ref, x_test):
        with pytest.raises(ShapeError):
            two_sample.fit(x_ref).test(x_test[:, :3], rng=seeded())

    def test_needs_fit_first(self, two_sample, x_test):
        with pytest.raises(NotFittedError):
            two_sample.test(x_test, rng=seeded())
        with pytest.raises(NotFittedError):
            two_sample.event_scores(x_test)
        with pytest.raises(NotFittedError):
            two_sample.to_arrays()

    def test_the_fewest_rows_are_enough_and_one_less_is_not(self, two_sample, x_ref, x_test):
        fewest = two_sample.min_rows
        two_sample.fit(x_ref[:fewest])

        assert 0.0 < two_sample.test(x_test[:fewest], rng=seeded()).p_value <= 1.0
        with pytest.raises(TooFewRowsError):
            two_sample.test(x_test[: fewest - 1], rng=seeded())

    def test_constant_columns_that_stay_never_alarm(self, two_sample):
        result = two_sample.fit(np.full((60, 3), 0.1)).test(np.full((30, 3), 0.1), rng=seeded())

        assert result.p_value == 1.0
        assert result.dimension_p_values.tolist() == [1.0, 1.0, 1.0]
        assert result.dimension_shifts.tolist() == [0.0, 0.0, 0.0]

    def test_a_constant_column_that_moved_alarms_and_is_attributed(self, two_sample):
        ref, test = np.full((60, 3), 0.1), np.full((30, 3), 0.1)
        test[:, 1] = 0.05

        result = two_sample.fit(ref).test(test, rng=seeded())

        assert result.p_value <= 0.025
        assert (result.dimension_statistics > 0.0).tolist() == [False, True, False]
        assert result.dimension_shifts.tolist() == [0.0, -np.inf, 0.0]

    def test_a_large_shift_is_found(self, two_sample, x_ref):
        shifted = as_samples(two_sample.kind, softmax_rows(50, 4, tilt=3.0))

        result = two_sample.fit(x_ref).test(shifted, rng=seeded())

        assert result.p_value <= 0.025
        assert result.dimension_shifts[0] > 1.0

    @pytest.mark.parametrize("level", [0.001, 0.025, 0.05, 0.5, 0.99])
    def test_the_critical_statistic_judges_as_the_p_value_does(self, two_sample, level, x_ref):
        two_sample.fit(x_ref)
        for tilt in (0.0, 0.3, 0.6, 1.0):
            x_test = as_samples(two_sample.kind, softmax_rows(50, 6, tilt))
            result = two_sample.test(x_test, rng=seeded())
            reached = result.statistic >= two_sample.critical_statistic(level, result)
            assert reached == (result.p_value <= level)

    @pytest.mark.parametrize("level", [0.0, 1.0, -0.5, np.nan])
    def test_a_level_outside_the_open_unit_interval_is_refused(
        self, two_sample, level, x_ref, x_test
    ):
        result = two_sample.fit(x_ref).test(x_test, rng=seeded())

        with pytest.raises(InvalidParameterError):
            two_sample.critical_statistic(level, result)

    def test_each_event_has_a_score_that_goes_with_its_row(self, two_sample, x_ref, x_test):
        order = np.random.default_rng(3).permutation(len(x_test))
        scores = two_sample.fit(x_ref).event_scores(x_test)

        assert scores.shape == (50,)
        assert np.isfinite(scores).all()
        np.testing.assert_allclose(
            two_sample.event_scores(x_test[order]), scores[order], atol=1e-12
        )

    def test_shifted_events_score_above_the_others(self, two_sample, x_ref):
        rows = np.concatenate([softmax_rows(30, 7), softmax_rows(15, 8, tilt=6.0)])
        x_test = as_samples(two_sample.kind, rows)

        scores = two_sample.fit(x_ref).event_scores(x_test)

        assert scores[30:].mean() > scores[:30].mean()

    def test_restored_from_bytes_it_gives_equal_results(self, two_sample, x_ref, x_test):
        expected = two_sample.fit(x_ref).test(x_test, rng=seeded())

        stored = bytes_to_arrays(arrays_to_bytes(two_sample.to_arrays()))
        restored = type(two_sample).from_arrays(stored)

        assert_equal_results(restored.test(x_test, rng=seeded()), expected)
        np.testing.assert_array_equal(
            restored.event_scores(x_test), two_sample.event_scores(x_test)
        )

    def test_nothing_is_restored_from_nothing(self, two_sample):
        with pytest.raises(InvalidStateError):
            type(two_sample).from_arrays({})

    @pytest.mark.statistics
    def test_false_alarms_under_the_null_stay_within_the_level(self, kind):
        rng = np.random.default_rng(31)
        n_repeats, level, n_alarms = 300, 0.1, 0
        for repeat in range(n_repeats):
            x = as_samples(kind, softmax_rows(70, 1_000 + repeat).round(2))
            two_sample = TEST_CASES[kind]().fit(x[:40])
            n_alarms += two_sample.test(x[40:], rng=rng).p_value <= level

        assert binomtest(n_alarms, n_repeats).proportion_ci(0.999).low <= level


OWN_UNITS = {"softmax_outputs", "hard_predictions", *ONNX_REDUCERS}
"""Reducers whose rows are not scaled."""


@pytest.mark.parametrize("kind", sorted(set(REDUCER_CASES) - {"prepared"}))
def test_every_reducer_works_behind_a_preparation_that_is_restored(kind):
    scale = kind not in OWN_UNITS
    reducer = Prepared(REDUCER_CASES[kind](), scale=scale).fit(X_REF)
    expected = reducer.transform(X_TEST)

    restored = Prepared.from_arrays(bytes_to_arrays(arrays_to_bytes(reducer.to_arrays())))

    np.testing.assert_array_equal(restored.transform(X_TEST), expected)
    plain = REDUCER_CASES[kind]().fit(X_REF).transform(X_TEST)
    assert expected.shape == (len(X_TEST), plain.shape[1] + 1)
    if not scale:
        np.testing.assert_array_equal(expected[:, :-1], plain)
    for i in range(5):
        np.testing.assert_array_equal(reducer.transform(X_TEST[i : i + 1]), expected[i : i + 1])


@pytest.mark.parametrize("reducer_kind", sorted(REDUCER_CASES))
@pytest.mark.parametrize("test_kind", sorted(TEST_CASES))
def test_every_reducer_works_with_every_test(reducer_kind, test_kind):
    two_sample = MixedTest([0]) if test_kind == "mixed" else TEST_CASES[test_kind]()
    detector = DriftDetector(REDUCER_CASES[reducer_kind](), two_sample)
    expected = detector.fit(X_REF).test(X_TEST, rng=seeded())

    restored = DriftDetector.from_arrays(bytes_to_arrays(arrays_to_bytes(detector.to_arrays())))

    assert_equal_results(restored.test(X_TEST, rng=seeded()), expected)
    assert (restored.n_ref, expected.n_ref) == (80, 80)
    np.testing.assert_array_equal(restored.event_scores(X_TEST), detector.event_scores(X_TEST))
    assert len(detector.exemplars(X_TEST, 3).most_different) == 3
