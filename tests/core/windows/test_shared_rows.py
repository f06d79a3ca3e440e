"""Windows that share rows are tested as each by itself, whatever is kept of the rows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors import DriftDetector, KSTest, NoReduction
from flink_jobs.core.state.segments import Segment, make_segment
from flink_jobs.core.windows import shared_rows
from flink_jobs.core.windows.closed_window import ClosedWindow
from flink_jobs.core.windows.shared_rows import SharedRows
from flink_jobs.intake.event_columns import EventColumns

N_EVENTS = 30


def make_pane(index: int, x: NDArray[np.float64]) -> Segment:
    n = len(x)
    times_ms = np.arange(n) + 1_000 * index
    ids = [f"{index}-{row}" for row in range(n)]
    zeros = np.zeros(n, dtype=np.int32)
    events = EventColumns(ids, zeros, np.arange(n), zeros, times_ms, x)
    return make_segment(1_000 * index, N_EVENTS * index, n, events)


def make_window(panes: list[Segment], rows: slice) -> ClosedWindow:
    return ClosedWindow("count", 0, 1, 1, 0, len(range(60)[rows]), panes, rows)


@pytest.mark.parametrize("most_values", [1, 100, 2_000_000])
def test_what_is_forgotten_or_replaced_changes_no_result(monkeypatch, most_values: int) -> None:
    monkeypatch.setattr(shared_rows, "_MOST_VALUES", most_values)
    rng = np.random.default_rng(0)
    detector = DriftDetector(NoReduction(), KSTest()).fit(rng.normal(size=(50, 2)))
    panes = [make_pane(index, rng.normal(size=(N_EVENTS, 2))) for index in range(6)]
    # Another pane of the same time, as after a model began anew.
    panes.append(make_pane(0, rng.normal(size=(N_EVENTS, 2))))
    shared = SharedRows()

    for pair in zip([*panes, *panes], [*panes[1:], *panes[:-1], panes[0]], strict=False):
        window = make_window(list(pair), slice(5, 45))
        result = shared.test("model", window, detector, "reference")

        plain = detector.test_reduced(window.z, rng=rng)
        assert result is not None
        assert (result.statistic, result.p_value) == (plain.statistic, plain.p_value)


def test_a_window_much_smaller_than_its_reference_is_tested_by_itself() -> None:
    rng = np.random.default_rng(0)
    detector = DriftDetector(NoReduction(), KSTest()).fit(rng.normal(size=(500, 2)))
    window = make_window([make_pane(0, rng.normal(size=(N_EVENTS, 2)))], slice(None, N_EVENTS))

    assert SharedRows().test("model", window, detector, "reference") is None
