"""A model whose windows hold too few events is told of, once, until one is tested again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.actions import Actions
from flink_jobs.core.conditions.untested_windows import UNTESTED_WINDOWS
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.records.alerts import Alert, AlertKind, Cause, ScoreStatus
from tests.builders import WIDTH_MS, make_config, make_pane
from tests.core.watched import rows

N = UNTESTED_WINDOWS
# One pane holds 20 events or more, or it holds five.
WINDOWS = {"kind": "time", "size_ms": WIDTH_MS, "slide_ms": WIDTH_MS, "min_events": 10}


def watch(sizes: Sequence[int], config: DriftJobConfig | None = None) -> list[Actions]:
    """Return what the monitor makes of panes of these sizes; it is restored after each."""
    config, state = config or make_config(window=WINDOWS), InMemoryEntries()
    return [
        DriftMonitor(config).on_pane(
            make_pane(index, rows(index)[:size], first_offset=1_000 * index), state
        )
        for index, size in enumerate(sizes)
    ]


def told(actions: Sequence[Actions]) -> list[Alert]:
    return [a for each in actions for a in each.alerts if a.cause is Cause.UNTESTED]


FULL = len(rows(0))
REFERENCE = [FULL] * 4


def test_windows_in_a_row_with_too_few_events_raise_one_alert_that_ends_with_a_test() -> None:
    actions = watch([*REFERENCE, *[5] * (N + 7), FULL, FULL, FULL])

    started, recovered = told(actions)
    scores = [score for each in actions for score in each.scores]
    untested = [s.window for s in scores if s.status is ScoreStatus.TOO_FEW_EVENTS]
    assert (started.kind, recovered.kind) == (AlertKind.STARTED, AlertKind.RECOVERED)
    assert started.incident_id == recovered.incident_id
    assert started.reason == f"{N} windows in a row held fewer than 10 events"
    assert len(untested) == N + 7
    assert started.window.start_ms == untested[0].start_ms
    assert started.window.end_ms == untested[N - 1].end_ms


def test_one_window_that_is_tested_begins_the_count_anew() -> None:
    few = [5] * (N - 1)

    actions = watch([*REFERENCE, *few, FULL, *few, FULL, FULL])

    assert not told(actions)


@pytest.mark.parametrize("n_windows", [1, 4])
def test_windows_that_overlap_count_once(n_windows: int) -> None:
    sliding = WINDOWS | {"size_ms": n_windows * WIDTH_MS, "min_events": 5 * n_windows + 1}
    config = make_config(window=sliding)

    just = watch([*REFERENCE, *[5] * (N * n_windows + 2 * n_windows)], config)
    too_few = watch([*REFERENCE, *[5] * (N * n_windows - n_windows)], config)

    assert [alert.kind for alert in told(just)] == [AlertKind.STARTED]
    assert not told(too_few)
