"""At the end of a bounded input its windows close, and nothing else happens."""

from __future__ import annotations

from typing import Any

import pytest

from flink_jobs.records.alerts import Cause
from flink_jobs.records.control import Outcome
from tests.builders import WIDTH_MS, make_config, make_panes
from tests.core.watched import Watched, commanded

FAR_MS = 4_000_000_000_000
SLIDING = {"kind": "time", "size_ms": 3_000, "slide_ms": 1_000}
SESSION = {"kind": "session", "gap_ms": 2_000, "max_size_ms": 60_000}
FIRST_TIME = {"kind": "first_time", "duration_ms": 3_000, "min_events": 40}


def ended(watched: Watched) -> list[str]:
    """The kinds of alerts that came at the end, which the count agrees with."""
    actions = watched.end()
    assert actions.counts.alerts == len(actions.alerts)
    return [alert.kind.value for alert in actions.alerts]


@pytest.mark.parametrize("window", [SLIDING, SESSION])
def test_the_windows_that_are_open_close(window: dict[str, Any]) -> None:
    watched = Watched(commanded(window=window))
    watched.panes(0, 1, 2, 4)
    later = Watched(commanded(window=window))
    later.panes(0, 1, 2, 4)
    later.time(1_000 * WIDTH_MS)

    watched.end()

    assert watched.scores == later.scores != []


def test_a_drift_in_a_window_that_was_open_is_an_alert() -> None:
    watched = Watched(commanded(window=SLIDING))
    watched.panes(0, 1, 2)
    watched.panes(3, 4, loc=3.0)

    # Windows 3-5 and 4-6; those before closed with panes 3 and 4.
    assert ended(watched) == ["ongoing"] * 2


def test_no_model_has_fallen_silent_and_none_recovers_from_a_silence_that_nobody_saw() -> None:
    watched = Watched(commanded(silence={"after_ms": 5_000}))
    watched.panes(0, 1)

    assert ended(watched) == []
    watched.restart()
    watched.panes(4)

    assert watched.alerts == []


@pytest.mark.parametrize("kind", ["pause", "rebaseline", "snooze"])
def test_a_command_of_the_far_future_does_not_move_event_time_there(kind: str) -> None:
    watched = Watched(commanded(window=SLIDING, silence={"after_ms": 60_000}))
    watched.panes(0, 1, 2)
    keys = {"until_ms": FAR_MS} if kind == "snooze" else {}
    watched.send(kind, effective_ms=FAR_MS, **keys)
    watched.send("snooze", until_ms=FAR_MS)

    watched.end()
    watched.restart()
    actions = watched.panes(9)

    assert actions.dead_letters == []
    assert actions.counts.used == 40
    assert [audit.outcome for audit in watched.audits] == [Outcome.WAITING, Outcome.APPLIED]


def test_a_command_whose_time_lies_before_the_last_window_ends_takes_effect() -> None:
    watched = Watched(commanded(window=SLIDING))
    watched.panes(0, 1, 2)
    watched.send("pause", effective_ms=4_000)

    watched.end()

    # Windows 0-2 and 1-3, and no more.
    assert watched.windows() == [0, 1]
    assert watched.audits[-1].outcome is Outcome.APPLIED


def test_a_reference_that_is_collected_for_a_time_is_complete() -> None:
    watched = Watched(commanded(reference=FIRST_TIME))
    watched.panes(0, 1)

    watched.end()

    assert watched.status.views[0].phase == "monitoring"
    assert watched.status.now_ms == 3_000


def test_the_end_may_come_more_than_once() -> None:
    watched = Watched(commanded(window=SLIDING))
    watched.panes(0, 1, 2)
    watched.end()

    again = watched.end()

    assert (again.scores, again.alerts, again.wake_ms) == ([], [], None)


def test_a_model_asks_for_its_timers_again_after_the_end() -> None:
    watched = Watched(make_config(silence={"after_ms": 5_000}))
    for pane in make_panes([30, 30]):
        watched.pane(pane)
    watched.end()

    asked = watched.panes(9, n=30)
    silent = watched.time(9 * WIDTH_MS + 60_000)

    assert asked.wake_ms is not None
    assert [alert.cause for alert in silent.alerts] == [Cause.SILENCE]
