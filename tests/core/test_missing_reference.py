"""A model that has no reference is told of once, at a moment of event time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.config.digests import config_version
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.records.alerts import Alert, Cause, Ending
from flink_jobs.records.control import Pause, Resume, Snooze
from tests.builders import (
    WIDTH_MS,
    Replay,
    fingerprint_of,
    make_config,
    make_pane,
    make_panes,
    pack_and_unpack,
)
from tests.core.watched import Watched, commanded

PCA = {"reducer": {"kind": "pca", "n_components": 2}, "test": {"kind": "ks"}}
OVERDUE_MS = 4_000
N_WANTED = 50
FIRST_EVENTS = {"kind": "first_events", "n_events": N_WANTED}
FIRST_TIME = {"kind": "first_time", "duration_ms": 3_000, "min_events": N_WANTED}
TRAILING = {"kind": "trailing", "size_ms": 2_000, "step_ms": 1_000, "min_events": N_WANTED}
SEASONAL = {"kind": "seasonal", "period": "day", "slot_ms": 86_400_000, "min_events": N_WANTED}
KINDS: dict[str, dict[str, Any]] = {
    "first_events": FIRST_EVENTS,
    "first_time": FIRST_TIME,
    "trailing": TRAILING,
    "seasonal": SEASONAL,
}


def watching(reference: dict[str, Any] = FIRST_EVENTS, **tables: Any) -> DriftJobConfig:
    """No drift is ever reported, and a reference is overdue after 4 s."""
    overdue = {"overdue_after_ms": OVERDUE_MS}
    return make_config(
        **{"calibration": {"level": 1e-9}, "reference": overdue | reference} | tables
    )


def told(alerts: Sequence[Alert]) -> list[tuple[str, int, int]]:
    return [
        (alert.kind.value, alert.window.start_ms, alert.window.end_ms)
        for alert in alerts
        if alert.cause is Cause.NO_REFERENCE
    ]


def constant(index: int, n: int = 30) -> Any:
    return make_pane(index, np.ones((n, 3)), first_offset=100 * index)


def test_a_reference_that_cannot_be_made_is_one_alert_until_one_can() -> None:
    watched = Watched(commanded(detector=PCA))

    for index in range(10):
        watched.pane(constant(index))
    alerts, scores = list(watched.alerts), list(watched.scores)
    watched.panes(10, 11)

    assert (told(alerts), scores) == ([("started", 0, 1_000)], [])
    assert alerts[0].reason is not None
    assert alerts[0].reason.startswith("30 events make no reference (")
    assert told(watched.alerts[1:]) == [("recovered", 0, 11_000)]
    assert len({alert.incident_id for alert in watched.alerts}) == 1
    assert watched.alerts[-1].ending is Ending.NORMAL
    assert sum(each.counts.references_unusable for each in watched.actions) == 10


def test_a_moving_reference_that_cannot_be_made_is_one_alert_until_one_can() -> None:
    watched = Watched(commanded(detector=PCA, reference=TRAILING | {"min_events": 20}))

    for index in range(5):
        watched.pane(constant(index))
    watched.panes(5, 6, 7, 8, n=40)

    assert told(watched.alerts) == [("started", 0, 2_000), ("recovered", 0, 6_000)]
    statuses = [score.status.value for score in watched.scores]
    # Windows begin with the first reference that can be made.
    assert statuses == ["tested"] * 3
    assert "events make no reference (" in str(watched.alerts[0].reason)


def test_a_model_that_sends_too_few_events_is_told_of_though_it_stops() -> None:
    it = Replay(watching()).run(make_panes([20, 0, 10]), end_ms=60_000)

    assert told(it.alerts) == [("started", 0, OVERDUE_MS)]
    assert it.alerts[0].reason == "the reference has 30 of 50 events"
    assert (it.alerts[0].window.n_events, it.alerts[0].reference.n_events) == (30, 0)


def test_it_ends_when_the_reference_is_complete() -> None:
    it = Replay(watching()).run(make_panes([20, 0, 10, 0, 0, 0, 0, 30, 30, 30]))

    assert told(it.alerts) == [("started", 0, OVERDUE_MS), ("recovered", 0, 8_000)]
    assert len({alert.incident_id for alert in it.alerts}) == 1
    assert it.alerts[-1].reference.n_events == N_WANTED


@pytest.mark.parametrize(
    ("kind", "expected_ms"),
    [("first_events", 0), ("first_time", 3_000), ("trailing", 2_000), ("seasonal", 86_400_000)],
)
def test_the_time_counts_from_when_the_reference_could_have_been_complete(
    kind: str, expected_ms: int
) -> None:
    it = Replay(watching(KINDS[kind])).run(make_panes([0, 0, 9]), end_ms=10**9)

    due_ms = 2 * WIDTH_MS + expected_ms + OVERDUE_MS
    assert told(it.alerts) == [("started", 2_000, due_ms)]


def test_a_model_of_which_no_event_can_be_used_is_told_of() -> None:
    config = watching()

    it = Replay(config).run([pack_and_unpack(config, [b"{"] * 9)], end_ms=60_000)

    assert told(it.alerts) == [("started", 0, OVERDUE_MS)]
    assert it.alerts[0].reason == "the reference has 0 of 50 events"


def test_a_moving_reference_that_was_lost_is_told_of_and_ends_with_a_tested_window() -> None:
    sizes = [60] * 6 + [0] * 4 + [9] * 12 + [60] * 6

    it = Replay(watching(TRAILING)).run(make_panes(sizes))

    kinds = [kind for kind, _, _ in told(it.alerts)]
    statuses = [(s.window.start_ms, s.window.end_ms, s.status.value) for s in it.scores]
    lost_ms = min(start for start, _, status in statuses if status == "no_reference" and start)
    started, recovered = told(it.alerts)
    assert kinds == ["started", "recovered"]
    assert started == ("started", lost_ms, lost_ms + 2_000 + OVERDUE_MS)
    assert recovered[2] == min(
        end for _, end, status in statuses if status == "tested" and end > started[2]
    )


def test_a_job_that_does_not_ask_is_told_of_what_cannot_be_made_alone() -> None:
    never = {"overdue_after_ms": 0}
    few = Replay(watching(FIRST_EVENTS | never)).run(make_panes([9]), end_ms=10**9)
    unusable = Replay(watching(FIRST_EVENTS | never, detector=PCA)).run([constant(0, 50)])

    assert told(few.alerts) == []
    assert told(unusable.alerts) == [("started", 0, 1_000)]


def test_a_day_is_what_a_reference_has_unless_the_job_says_otherwise() -> None:
    it = Replay(make_config()).run(make_panes([9]), end_ms=10**9)

    assert told(it.alerts) == [("started", 0, 86_400_000)]


def test_a_snooze_puts_it_off_and_a_pause_does_not_count() -> None:
    snoozed, paused = Replay(watching()), Replay(watching())
    for it in (snoozed, paused):
        it.run(make_panes([9, 9]))
    snoozed.command(Snooze(command_id="1", model="model", issued_by="me", until_ms=30_000))
    paused.command(Pause(command_id="1", model="model", issued_by="me"))
    paused.time(20_000)
    paused.command(Resume(command_id="2", model="model", issued_by="me"), 1)

    for it in (snoozed, paused):
        it.end(60_000)

    assert told(snoozed.alerts) == [("started", 0, 30_000)]
    assert told(paused.alerts) == [("started", 20_000, 24_000)]


def test_the_end_of_a_bounded_input_makes_no_reference_overdue() -> None:
    watched = Watched(watching())
    watched.panes(0, n=9)

    assert watched.end().alerts == []


def test_another_configuration_ends_it_and_waits_anew() -> None:
    watched = Watched(watching())
    watched.panes(0, n=9)
    watched.time(10_000)

    watched.restart(watching({"kind": "first_events", "n_events": 40}))
    watched.panes(20, n=9)
    watched.time(40_000)

    assert told(watched.alerts) == [
        ("started", 0, OVERDUE_MS),
        ("recovered", 0, 10_000),
        ("started", 20_000, 20_000 + OVERDUE_MS),
    ]
    assert watched.alerts[1].ending is Ending.NEW_CONFIGURATION


def test_its_status_names_the_open_incident() -> None:
    watched = Watched(watching())
    watched.panes(0, n=9)
    watched.time(10_000)

    status = watched.send("describe").status

    assert status is not None
    assert [each.cause for each in status.incidents] == [Cause.NO_REFERENCE]


def test_how_long_is_long_keeps_the_reference_that_there_is() -> None:
    one, other = make_config(), watching({"kind": "first_events", "n_events": 30})

    assert fingerprint_of(one) == fingerprint_of(other)
    assert config_version(one) != config_version(other)


pane_sizes = st.lists(st.integers(0, 24) | st.just(0), min_size=1, max_size=20)


@settings(max_examples=60)
@given(pane_sizes)
def test_it_is_told_exactly_when_too_few_events_came_in_time(sizes: list[int]) -> None:
    it = Replay(watching()).run(make_panes(sizes), end_ms=60_000)

    n_events = np.cumsum(sizes)
    first = int(np.argmax(n_events > 0))
    in_time = n_events[: first + OVERDUE_MS // WIDTH_MS].max()
    is_overdue = bool(n_events[-1] > 0 and in_time < N_WANTED)
    comes = is_overdue and bool(n_events[-1] >= N_WANTED)
    assert [kind for kind, _, _ in told(it.alerts)] == ["started"] * is_overdue + [
        "recovered"
    ] * comes


@settings(max_examples=40)
@given(
    pane_sizes,
    st.sampled_from(["first_events", "first_time", "trailing"]),
    st.sampled_from([1, 3]),
    st.data(),
)
def test_neither_timers_nor_a_restart_change_what_is_told(
    sizes: list[int], kind: str, size: int, data: st.DataObject
) -> None:
    config = watching(
        KINDS[kind],
        window={"kind": "time", "size_ms": size * 1_000, "slide_ms": 1_000, "min_events": 5},
    )
    panes = make_panes([30, *sizes])
    cut = data.draw(st.integers(0, len(panes)))

    lazy = Replay(config, fires_timers=False).run(panes, end_ms=200_000_000)
    eager = Replay(config).run(panes[:cut])
    eager.restart()
    eager.run(panes[cut:], end_ms=200_000_000)

    assert [a for a in eager.alerts if a.cause is Cause.NO_REFERENCE] == [
        a for a in lazy.alerts if a.cause is Cause.NO_REFERENCE
    ]
    assert eager.scores == lazy.scores
