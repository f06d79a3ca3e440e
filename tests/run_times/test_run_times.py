from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from flink_jobs.config.tables.policy import PolicyTable
from scripts.run_times.cases import CASES, PEER_CASES
from scripts.run_times.estimate import estimate, irregularity
from scripts.run_times.measure import Count, Task, Watched, case_of, watch
from scripts.run_times.streams import STREAMS, reference_and_rows
from scripts.run_times.tables import run_time_table

POLICY = PolicyTable(flapping_after=0)


def counted(drifts: list[int]) -> Watched:
    count = Count(POLICY)
    for drifts_now in drifts:
        count.take(is_drift=bool(drifts_now))
    return count.watched


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_incidents_are_those_of_a_job() -> None:
    # Two in a row start one, three normal windows end it; then one more.
    drifts = [0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0]

    assert counted(drifts) == Watched((4, 4), 17 - 3 - 4)


def test_a_stream_without_an_incident_counts_as_one_with_one() -> None:
    assert counted([0] * 50).run_time == 50


def test_the_same_detector_runs_as_long_every_time() -> None:
    task, other = (Task("ks, 1", 2_000, 300, number) for number in (3, 4))

    assert watch(task) == watch(task)
    assert reference_and_rows("normal 1", 9, 3, 9)[1].tolist() != (
        reference_and_rows("normal 1", 9, 4, 9)[1].tolist()
    )
    assert watch(other).n_windows <= 300


def truth_of(case: str, n_ref: int, n_detectors: int, length: int) -> tuple[float, float]:
    target = CASES[case].sizes.target
    tasks = [Task(case, n_ref, round(length * target), n) for n in range(n_detectors)]
    found = [watch(task) for task in tasks]
    truth = estimate([each.runs for each in found], [each.n_windows for each in found], target)
    return truth.lower_decile, truth.median


@pytest.mark.statistics
@pytest.mark.parametrize("n_ref", [2_000, 10_000])
def test_nine_of_ten_references_run_as_long_as_promised_and_few_much_longer(n_ref: int) -> None:
    # 800 run times give the mean an error of 4 %, and the lower decile one of 6 %.
    lower_decile, median = truth_of("ks, 1", n_ref, 40, 20)

    assert lower_decile >= 0.9
    assert median <= 1.5


@pytest.mark.statistics
@pytest.mark.parametrize(
    "case", ["counts_e_detector, 1", "ConformalEDetector, 10", "KernelEDetector, 10"]
)
def test_no_detector_with_a_proof_runs_shorter_than_promised(case: str) -> None:
    tasks = [Task(case, 2_000, 1_000, number) for number in range(2)]

    assert [watch(task).run_time >= 100.0 for task in tasks] == [True, True]


def drawn_runs(
    run_times: NDArray[np.float64], length: float, shape: float
) -> tuple[list[list[float]], list[float]]:
    """Runs of gamma's distribution with these means, as long as they fit into the length."""
    rng = np.random.default_rng(0)
    draws = [rng.gamma(shape, mean / shape, size=200) for mean in run_times]
    kept = [each[np.cumsum(each) <= length].tolist() for each in draws]
    return kept, [length] * len(kept)


@pytest.mark.parametrize("shape", [1.0, 3.0])
def test_equal_detectors_are_told_from_different_ones(shape: float) -> None:
    rates = np.random.default_rng(0).gamma(8.0, 1 / 8.0, size=400)
    true_deciles = np.quantile(1.0 / rates, [0.1, 0.5])

    equal = estimate(*drawn_runs(np.full(400, 100.0), 2_000.0, shape), 100.0)
    different = estimate(*drawn_runs(100.0 / rates, 2_000.0, shape), 100.0)

    # 8,000 runs give the mean an error of 1 %.
    assert (equal.lower_decile, equal.median) == pytest.approx((1.0, 1.0), abs=0.08)
    assert (different.lower_decile, different.median) == pytest.approx(true_deciles, rel=0.1)
    assert different.share == pytest.approx(np.mean(rates <= 1.0), abs=0.08)
    low, high = different.lower_decile_interval
    assert low <= different.lower_decile <= high


def test_runs_that_come_by_chance_have_an_irregularity_of_one() -> None:
    rng = np.random.default_rng(0)

    by_chance = irregularity(rng.exponential(50.0, size=(300, 10)).tolist())

    assert by_chance == pytest.approx(1.0, abs=0.1)
    assert irregularity([[3.0], []]) == 1.0


@pytest.mark.parametrize("runs", [[[], [], []], [[4.0], [], []], [[5.0] * 5] * 3])
def test_few_incidents_have_an_estimate_too(runs: list[list[float]]) -> None:
    found = estimate(runs, [1_000.0] * 3, 100.0)

    assert 0.0 <= found.share <= 1.0
    assert 0.0 < found.lower_decile <= found.median < np.inf


def test_the_table_counts_detectors_that_keep_the_promise() -> None:
    found = {
        Task("ks, 1", 2_000, 2_000, number): Watched((50,) * n, 2_000)
        for number, n in enumerate([40, 20, 10, 5])
    }

    cells = cells_of(run_time_table(found, list(CASES)).splitlines()[-1])

    assert cells[:6] == ["`ks, 1`", "1 normal", "20", "100", "4 × 20", "75%"]
    assert cells[7] == "1.50"


def test_a_table_has_the_longest_measurement_of_a_row() -> None:
    found = {
        Task("ks, 1", 200, n_windows, number): Watched((100,) * (n_windows // 100), n_windows)
        for n_windows, n_detectors in ((1_000, 3), (2_000, 2))
        for number in range(n_detectors)
    }

    (row,) = run_time_table(found, list(CASES)).splitlines()[2:]

    assert cells_of(row)[4] == "2 × 20"


def test_who_promises_nothing_keeps_no_promise() -> None:
    found = {Task("river: ADWIN, 1", 400, 2_000, 0): Watched((900,), 2_000)}

    cells = cells_of(run_time_table(found, list(PEER_CASES)).splitlines()[-1])

    assert (cells[3], cells[5], cells[9]) == ("nothing", "", "")


@pytest.mark.parametrize("name", [*CASES, *PEER_CASES])
def test_every_case_has_a_stream_of_its_width(name: str) -> None:
    case = case_of(name)

    x_ref, rows = reference_and_rows(case.stream, 40, 0, 30)

    assert case.stream in STREAMS
    assert (len(x_ref), len(rows), x_ref.shape[1]) == (40, 30, rows.shape[1])
