"""Every reducer and test that a configuration can name is made and works in the monitor."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors import ONNX_REDUCERS, REDUCERS, TWO_SAMPLE_TESTS, BinomialTest, Prepared
from detectors.two_sample.kernels import KERNELS
from flink_jobs.config.loading import decode_config
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.tables.detectors import BinomialConfig, MMDConfig, ReducerConfig, TestConfig
from flink_jobs.config.views import views_of
from flink_jobs.core.factory import make_reducer, make_test
from flink_jobs.records.alerts import ScoreStatus
from tests.builders import BASE, fitted_to, make_config, make_pane, run_monitor

REDUCER_TABLES: dict[str, dict[str, Any]] = {
    "none": {},
    "pca": {"n_components": 2},
    "sparse_random_projection": {"n_components": 2, "seed": 3},
    "softmax_outputs": {},
    "hard_predictions": {},
}
TEST_TABLES: dict[str, dict[str, Any]] = {
    "ks": {},
    "chi_square": {"n_draws": 99},
    "mixed": {"categorical_columns": [0], "n_draws": 99},
    "binomial": {"n_fourier_features": 20},
    "mmd": {"n_permutations": 99, "kernel": "laplace"},
    "mmd_features": {},
    "energy": {"n_permutations": 99},
    "cramer_von_mises": {"n_permutations": 99},
    "wasserstein": {"n_permutations": 99},
    "psi": {"n_permutations": 99, "n_bins": 5},
    "jensen_shannon": {"n_permutations": 99},
}


def config_for(reducer: str, test: str, **tables: object) -> Any:
    width = {"n_features": 0, "n_outputs": 3} if "predictions" in reducer else {}
    width = {"n_features": 0, "n_outputs": 3} if reducer == "softmax_outputs" else width
    more = tables.pop("detector_test", {})
    detector = {
        "reducer": {"kind": reducer, **REDUCER_TABLES[reducer]},
        "test": {"kind": test, **TEST_TABLES[test], **more},  # type: ignore[dict-item]
    }
    window = {"min_events": 4}
    tables["input"] = width | dict(tables.get("input", {}))  # type: ignore[call-overload]
    return make_config(detector=detector, window=window, **tables)


def softmax_rows(n: int, rng: np.random.Generator, tilt: float) -> NDArray[np.float64]:
    logits = rng.normal([tilt, 0.0, 0.0], 1.0, size=(n, 3))
    return np.asarray(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))


def test_every_kind_of_the_library_can_be_configured_but_the_wrapper() -> None:
    reducers = {table.__struct_config__.tag for table in get_args(ReducerConfig)}
    tests = {table.__struct_config__.tag for table in get_args(TestConfig)}

    # Those of the user's own model need one: test_own_models.py.
    assert reducers - set(ONNX_REDUCERS) == set(REDUCER_TABLES) == set(REDUCERS) - {"prepared"}
    assert reducers >= set(ONNX_REDUCERS)
    assert tests == set(TEST_TABLES) == set(TWO_SAMPLE_TESTS)


def test_what_the_tables_repeat_of_the_library_is_the_same_there() -> None:
    assert BinomialConfig.min_events == BinomialTest.min_rows
    assert set(KERNELS) == set(get_args(get_type_hints(MMDConfig)["kernel"]))


@pytest.mark.parametrize("reducer", sorted(REDUCER_TABLES))
def test_a_detector_has_the_kinds_it_was_configured_with(reducer: str) -> None:
    (view,) = views_of(config_for(reducer, "ks"))
    table = view.detectors[0].test

    made = make_reducer(view, table)
    assert isinstance(made, Prepared) == (reducer in ("pca", "sparse_random_projection"))
    assert (made.reducer if isinstance(made, Prepared) else made).kind == reducer
    assert make_test(table, view).kind == "ks"


@pytest.mark.parametrize("test", ["mmd", "energy", "binomial"])
def test_a_distance_between_rows_sees_scaled_columns_unless_told_otherwise(test: str) -> None:
    config = config_for("none", test)
    told = config_for("none", test, detector_test={"scale_columns": False})
    x_ref = np.random.default_rng(0).normal(size=(100, 3)) * [1.0, 10.0, 1e6]

    scaled, unscaled = (fitted_to(c, x_ref).detectors[0].reduce(x_ref) for c in (config, told))

    assert np.abs(scaled).max() <= 5.0
    np.testing.assert_array_equal(unscaled[:, :3], x_ref)


@pytest.mark.parametrize("test", sorted(TEST_TABLES))
def test_every_test_finds_a_shift_in_a_stream(test: str) -> None:
    rng = np.random.default_rng(0)
    categories = test in ("chi_square", "mixed")
    config = config_for(
        "hard_predictions" if categories else "softmax_outputs",
        test,
        calibration={"level": 0.05},
        reference={"kind": "first_events", "n_events": 90},
    )
    tilts = [0.0] * 4 + [3.0] * 5
    panes = [
        make_pane(i, softmax_rows(30, rng, tilt), first_offset=30 * i)
        for i, tilt in enumerate(tilts)
    ]

    scores = [score for actions in run_monitor(config, panes) for score in actions.scores]

    assert scores[-1].status is ScoreStatus.TESTED
    assert scores[-1].test == test
    assert scores[-1].is_drift


@pytest.mark.parametrize(
    ("detector", "key"),
    [
        ('reducer = {kind = "pca", n_components = 2}\ntest = {kind = "chi_square"}', "test.kind"),
        ('reducer = {kind = "none"}\ntest = {kind = "mixed", categorical_columns = [3]}', "3 is"),
        ('reducer = {kind = "none"}\ntest = {kind = "binomial"}', "window.min_events: 2 events"),
        (
            'reducer = {kind = "none"}\ntest = {kind = "psi", n_permutations = 19}',
            "19 permutations never",
        ),
    ],
)
def test_what_cannot_work_together_is_refused_with_the_key(detector: str, key: str) -> None:
    text = BASE.replace('reducer = {kind = "none"}\ntest = {kind = "ks"}', detector)

    with pytest.raises(ConfigError) as caught:
        decode_config(text.encode())

    assert key in str(caught.value)


@pytest.mark.parametrize("reducer", ["none", "pca", "sparse_random_projection"])
def test_a_change_in_the_share_of_missing_features_is_a_drift(reducer: str) -> None:
    rng = np.random.default_rng(0)
    config = config_for(reducer, "ks", input={"missing_features": "allow"})
    panes = []
    for index, share in enumerate([0.1] * 6 + [0.7] * 4):
        x = rng.normal(size=(60, 3))
        x[rng.random(60) < share, 1] = np.nan
        panes.append(make_pane(index, x, first_offset=60 * index))

    scores = [score for actions in run_monitor(config, panes) for score in actions.scores]

    assert not scores[0].is_drift
    assert scores[-1].is_drift
    assert (scores[-1].missing_p_value is not None) == (reducer == "none")
