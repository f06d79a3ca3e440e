from __future__ import annotations

import numpy as np

from scripts.run_times.__main__ import report
from scripts.run_times.measure import Task, run_time, run_times


def task(number: int, n_ref: int = 2_000) -> Task:
    return Task("ks, 1", n_ref, 100, 5, (100.0,), 300, number)


def test_incidents_are_those_of_a_job() -> None:
    # Two in a row start one, three normal windows end it; then one more.
    drifts = [0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0]

    assert run_time(np.array(drifts, dtype=np.bool_)) == (17 - 3 - 4) / 2


def test_a_stream_without_an_incident_counts_as_one_with_one() -> None:
    assert run_time(np.zeros(50, dtype=np.bool_)) == 50


def test_the_same_detector_runs_as_long_every_time() -> None:
    assert run_times(task(3)) == run_times(task(3))
    assert run_times(task(3)) != run_times(task(4))


def test_the_table_counts_detectors_that_keep_the_promise() -> None:
    found = {task(number): (run_time_of,) for number, run_time_of in enumerate([50, 100, 200, 400])}

    row = report(found, [100.0], 4, 3).splitlines()[-1]

    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:5] == ["`ks, 1`", "1 normal", "20", "100", "75%"]
    assert cells[6] == "1.50"
