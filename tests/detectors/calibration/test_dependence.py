from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtr
from scipy.stats import rankdata

from detectors import Dependence, ExpectedRunTime, IncidentRule, KSTest, autocorrelation_time
from detectors.calibration import dependence
from tests.detectors.calibration.test_run_time import run_time_of


def autoregressive(rho: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """A stationary process of order 1 and variance 1, shape (n, 1)."""
    steps = rng.normal(size=n) * np.sqrt(1.0 - rho * rho)
    rows, _ = lfilter([1.0], [1.0, -rho], steps, zi=[rho * rng.normal()])
    return rows[:, np.newaxis]


@pytest.mark.parametrize(("rho", "time"), [(0.3, 1.86), (0.5, 3.0), (0.9, 19.0)])
def test_the_time_of_an_autoregressive_process_is_found(rho, time, rng):
    # Of ranks it is a few percent less; a single estimate has an error of 12 % at 0.9.
    found = [autocorrelation_time(autoregressive(rho, 20_000, rng)) for _ in range(5)]

    assert np.mean(found) == pytest.approx(time, rel=0.2)


def test_heavy_tails_hide_no_dependence(rng):
    normal = autoregressive(0.5, 5_000, rng)
    cauchy = np.tan(np.pi * (ndtr(normal) - 0.5))

    assert np.abs(cauchy).max() > 500.0
    assert autocorrelation_time(cauchy) == autocorrelation_time(normal) > 2.0


def test_independent_rows_are_taken_for_dependent_ones_almost_never(rng):
    found = [autocorrelation_time(rng.normal(size=(300, 20))) for _ in range(200)]

    # 1 in 1,000 for the worst of 20 columns; 6 of 200 have a probability of 1e-9 at that.
    assert sum(time > 1.0 for time in found) <= 5


def test_the_column_that_depends_most_decides(rng):
    rows = np.hstack([rng.normal(size=(4_000, 3)), autoregressive(0.8, 4_000, rng)])

    assert autocorrelation_time(rows) == autocorrelation_time(rows[:, 3:])
    assert autocorrelation_time(rows) > 4.0


def test_categories_that_come_in_runs_depend_on_each_other(rng):
    alone = rng.choice(3, size=(2_000, 1)).astype(float)
    runs = np.repeat(rng.choice(3, size=(200, 1)).astype(float), 10, axis=0)

    assert autocorrelation_time(alone, [0]) == 1.0
    assert autocorrelation_time(runs, [0]) == pytest.approx(10.0, rel=0.4)


@pytest.mark.parametrize(
    "rows", [np.ones((500, 2)), np.full((500, 1), np.nan), np.zeros((500, 0)), np.ones((1, 1))]
)
def test_what_holds_nothing_to_compare_is_independent(rows):
    assert autocorrelation_time(rows) == 1.0


def test_missing_values_do_not_hide_it(rng):
    rows = autoregressive(0.9, 5_000, rng)
    rows[rng.uniform(size=rows.shape) < 0.2] = np.nan

    assert autocorrelation_time(rows) > 5.0


def test_dependent_rows_have_a_lower_level():
    calibration = ExpectedRunTime(100)
    independent = calibration.level_for(2_000, 100, 1)

    assert calibration.level_for(2_000, 100, 1, Dependence(1.0, 1.0)) == independent
    assert calibration.level_for(2_000, 100, 1, Dependence(3.0, 3.0)) < independent / 5
    # A sample of the window, so thin that its rows are independent, against all of the reference.
    of_sample = calibration.level_for(2_000, 100, 1, Dependence(3.0, 1.0))
    assert independent / 5 < of_sample < independent


@pytest.mark.statistics
def test_an_autocorrelated_stream_runs_as_long_as_promised(rng):
    # 40 detectors over 30 run times each. Without the dependence none of them does: they alarm so
    # often that 6 run times show it as well.
    target, rule, n_ref, n_test = 20, IncidentRule(2, 2, 3), 4_000, 200
    calibration = ExpectedRunTime(target, rule=rule)

    def run_times(accounts: bool, n_run_times: int) -> list[float]:
        found = []
        for _ in range(40):
            x_ref = autoregressive(0.5, n_ref, rng)
            time = autocorrelation_time(x_ref) if accounts else 1.0
            level = calibration.level_for(n_ref, n_test, 1, Dependence(time, time))
            test = KSTest().fit(x_ref)
            stream = autoregressive(0.5, n_run_times * target * n_test, rng).reshape(-1, n_test, 1)
            p_values = np.array([test.test(window, rng=rng).p_value for window in stream])
            found.append(run_time_of(p_values <= level, rule))
        return found

    assert np.mean(np.array(run_times(True, 30)) >= 0.9 * target) >= 0.75
    assert np.mean(np.array(run_times(False, 6)) >= 0.9 * target) <= 0.1


def test_scores_are_the_mid_ranks_of_scipy(rng):
    column = np.append(rng.integers(0, 5, 50).astype(float), np.nan)

    scores = dependence._scored(column, is_category=False)

    expected = rankdata(column[:-1])
    assert np.allclose(scores[:-1], expected - expected.mean())
    assert scores[-1] == 0.0
