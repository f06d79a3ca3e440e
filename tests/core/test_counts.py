"""What a pane is counted as, and that the one wall clock in it stays out of everything else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flink_jobs.core.actions import Actions, Counts
from flink_jobs.core.state.entries import decode
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.records.alerts import ScoreStatus
from tests.builders import make_config, make_pane, make_panes, run_monitor

TUMBLING = {"size_ms": 1_000, "slide_ms": 1_000, "min_events": 5}


def total(actions: list[Actions], name: str) -> int:
    return sum(getattr(a.counts, name) for a in actions)


def test_every_score_is_a_window_tested_or_a_window_with_too_few_events() -> None:
    actions = run_monitor(make_config(window=TUMBLING), make_panes([30, 4, 30, 5, 1, 30]))

    statuses = [score.status for each in actions for score in each.scores]
    assert total(actions, "windows_tested") == statuses.count(ScoreStatus.TESTED) == 3
    assert total(actions, "windows_too_few") == statuses.count(ScoreStatus.TOO_FEW_EVENTS) == 2


def test_alerts_are_counted_as_they_are_written() -> None:
    actions = run_monitor(make_config(window=TUMBLING), make_panes([30] * 8, shift_from=4))

    assert [a.counts.alerts for a in actions] == [len(a.alerts) for a in actions]
    assert total(actions, "alerts") > 0


def test_bytes_are_those_of_the_blocks_in_the_state() -> None:
    state = InMemoryEntries()

    collecting, complete, later = run_monitor(make_config(), make_panes([20, 25, 30]), state)

    reference = decode("reference/main", state.entries["reference/main"], bytes)
    assert later.counts.state_bytes >= len(state.entries["status"])
    bytes_of_reference = [a.counts.reference_bytes for a in (collecting, complete, later)]
    assert bytes_of_reference == [0, len(reference), 0]


def test_a_pane_that_changes_no_state_writes_no_bytes() -> None:
    panes, state = make_panes([30, 30]), InMemoryEntries()
    run_monitor(make_config(), panes, state)

    (again,) = run_monitor(make_config(), panes[:1], state)

    assert (again.counts.state_bytes, again.counts.dead_letters) == (0, 30)


def test_the_age_of_a_reference_is_the_number_of_events_after_it() -> None:
    actions = run_monitor(make_config(), make_panes([20, 25, 30, 7]))

    assert [a.reference_age_events for a in actions] == [None, 15, 45, 52]


def test_the_age_of_a_reference_survives_a_restore() -> None:
    panes, state = make_panes([30, 30, 30]), InMemoryEntries()
    run_monitor(make_config(), panes[:2], state)

    (restored,) = run_monitor(make_config(), panes[2:], state)

    assert restored.reference_age_events == 60


def test_the_age_is_unknown_while_a_reference_is_collected_anew() -> None:
    panes, state = make_panes([30, 30, 20]), InMemoryEntries()
    run_monitor(make_config(), panes[:2], state)
    other = {"reducer": {"kind": "pca", "n_components": 2}, "test": {"kind": "ks"}}

    (changed,) = run_monitor(make_config(detector=other), panes[2:], state)

    assert changed.reference_age_events is None


def test_only_panes_with_a_test_take_time_for_tests() -> None:
    collecting, tested = run_monitor(make_config(window=TUMBLING), make_panes([30, 30]))

    assert collecting.counts.test_duration_ns == 0
    assert tested.counts.test_duration_ns > 0


@pytest.mark.parametrize("sizes", [[30] * 8, [7, 40, 0, 3, 30]])
def test_a_replay_counts_the_same_although_its_tests_take_other_times(sizes: list[int]) -> None:
    panes = make_panes(sizes, shift_from=3)

    first, second = run_monitor(make_config(), panes), run_monitor(make_config(), panes)

    assert [a.counts for a in first] == [a.counts for a in second]
    slower = replace(first[-1].counts, test_duration_ns=10**9)
    assert slower == first[-1].counts


def test_events_that_make_no_reference_write_none() -> None:
    constant = make_pane(0, np.ones((30, 3)))
    pca = {"reducer": {"kind": "pca", "n_components": 2}, "test": {"kind": "ks"}}

    (actions,) = run_monitor(make_config(detector=pca), [constant])

    assert (actions.counts.reference_bytes, actions.reference_age_events) == (0, None)


def test_every_count_has_a_name_to_report_it_under() -> None:
    assert {name for name, _ in Counts(events=3).items()} == vars(Counts()).keys()
    assert ("events", 3) in Counts(events=3).items()
