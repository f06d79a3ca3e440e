"""A model that sends nothing any more is reported once, at a moment that no timer decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Ending
from flink_jobs.records.control import Pause, Resume, Snooze
from tests.builders import Replay, make_config, make_panes

AFTER = {"after_ms": 3_000}
# Panes of 20 events; the seconds from 4 on hold none, until one does.
GAP = [20, 20, 20, 20, 0, 0, 0, 0, 0, 0, 20, 20]


def silences(it: Replay) -> list[Alert]:
    return [alert for alert in it.alerts if alert.cause is Cause.SILENCE]


def spans(it: Replay) -> list[tuple[str, int, int]]:
    return [(a.kind.value, a.window.start_ms, a.window.end_ms) for a in silences(it)]


def quiet(**tables: Any) -> DriftJobConfig:
    """No drift is ever reported."""
    return make_config(**{"silence": AFTER, "calibration": {"level": 1e-9}} | tables)


def ran(sizes: Sequence[int], config: DriftJobConfig | None = None) -> Replay:
    return Replay(config or quiet()).run(make_panes(sizes))


def test_a_silence_starts_so_long_after_the_last_pane_and_ends_with_the_next_one() -> None:
    assert spans(ran(GAP)) == [("started", 4_000, 7_000), ("recovered", 4_000, 10_000)]


def test_a_silence_is_one_incident_of_its_own() -> None:
    started, recovered = silences(ran(GAP))

    assert started.incident_id == recovered.incident_id
    assert started.alert_id != recovered.alert_id
    assert (started.window.kind, started.window.n_events) == ("silence", 0)
    assert (started.ending, recovered.ending) == (None, Ending.NORMAL)
    assert (started.p_value, started.statistic, started.threshold) == (None, None, None)


def test_each_silence_is_another_incident() -> None:
    alerts = silences(ran([20, 20, *[0] * 5, 20, *[0] * 5, 20]))

    assert [alert.kind for alert in alerts] == [AlertKind.STARTED, AlertKind.RECOVERED] * 2
    assert len({alert.incident_id for alert in alerts}) == 2


def test_a_silence_that_goes_on_is_reported_once() -> None:
    it = ran(GAP[:4])

    for now_ms in range(5_000, 60_000, 1_000):
        it.time(now_ms)

    assert spans(it) == [("started", 4_000, 7_000)]


@pytest.mark.parametrize(("n_empty", "n_alerts"), [(2, 0), (3, 2)])
def test_a_shorter_silence_is_none(n_empty: int, n_alerts: int) -> None:
    assert len(silences(ran([20, 20, *[0] * n_empty, 20]))) == n_alerts


def test_no_model_is_silent_where_that_is_not_asked_for() -> None:
    assert silences(ran(GAP, quiet(silence={"after_ms": 0})).end(10**9)) == []


def test_a_model_asks_for_the_timer_that_reports_its_silence() -> None:
    it = ran(GAP[:4])

    it.watermark(6_999)
    before = spans(it)
    it.watermark(7_000)

    assert before == []
    assert spans(it) == [("started", 4_000, 7_000)]


def test_a_silence_that_starts_within_a_pane_waits_for_that_pane() -> None:
    """Event time 6.5 s says nothing about the events of the pane [6 s, 7 s)."""
    config = quiet(silence={"after_ms": 2_500})
    it = ran(GAP[:4], config)

    it.time(6_500)
    (pane,) = make_panes([0] * 6 + [20])
    it.pane(pane)

    assert spans(it) == []


def test_the_timer_of_a_silence_waits_for_the_pane_that_could_end_it() -> None:
    actions = Replay(quiet(silence={"after_ms": 2_500})).pane(make_panes([20])[0])

    assert actions.wake_ms == 4_000


def test_a_pane_without_usable_events_does_not_end_a_silence() -> None:
    it = ran(GAP[:4])
    (pane,) = make_panes([0] * 8 + [20])

    it.pane(dataclasses.replace(pane, events=pane.events.take(slice(0))))

    assert spans(it) == [("started", 4_000, 7_000)]


@pytest.mark.parametrize(
    "tables",
    [
        {"reference": {"n_events": 500}},
        {"reference": {"kind": "first_time", "duration_ms": 9_000}},
        {"reference": {"kind": "trailing", "size_ms": 4_000, "step_ms": 1_000}},
    ],
    ids=["collecting", "first time", "trailing"],
)
def test_a_model_is_missed_whatever_its_reference(tables: dict[str, Any]) -> None:
    it = ran(GAP, quiet(**tables))

    assert spans(it) == [("started", 4_000, 7_000), ("recovered", 4_000, 10_000)]


def test_a_paused_model_is_not_missed() -> None:
    it = ran(GAP[:4])

    it.command(Pause(command_id="c", model="model"))
    it.time(60_000)

    assert spans(it) == []


def test_a_paused_model_is_missed_once_it_is_resumed() -> None:
    it = ran(GAP[:4])
    it.command(Pause(command_id="c", model="model", effective_ms=4_000))
    it.command(Resume(command_id="d", model="model", effective_ms=20_000), 1)

    it.watermark(19_999)
    before = spans(it)
    it.end(30_000)

    assert before == []
    assert [kind for kind, *_ in spans(it)] == ["started"]


def test_a_snoozed_model_is_missed_when_the_snooze_is_over() -> None:
    it = ran(GAP[:4])
    it.command(Snooze(command_id="c", model="model", until_ms=12_000))

    it.watermark(11_999)
    before = spans(it)
    it.watermark(12_000)

    assert before == []
    assert spans(it) == [("started", 4_000, 12_000)]


def test_a_model_that_is_back_before_its_snooze_is_over_is_not_missed() -> None:
    it = ran(GAP[:4])
    it.command(Snooze(command_id="c", model="model", until_ms=10_500))

    it.run(make_panes(GAP)[4:], end_ms=13_000)

    assert spans(it) == []


def test_what_a_silence_says_does_not_depend_on_windows_that_close_after_it() -> None:
    """Without a timer the pane after the gap closes the window that recovers, and the silence."""
    config = make_config(
        silence={"after_ms": 1_500},
        window={"size_ms": 6_000, "slide_ms": 6_000},
        reference={"n_events": 20, "rebaseline": "on_recovery"},
        calibration={"level": 1e-6},
    )
    panes = make_panes([20] + [0] * 5 + [40, 40] + [0] * 5 + [40] + [0] * 15 + [20, 20])
    panes[1:3] = [
        dataclasses.replace(pane, events=pane.events.with_x(pane.events.x + 4.0))
        for pane in panes[1:3]
    ]
    plain, timed = (
        Replay(config, fires_timers=fires).run(panes, 60_000) for fires in (False, True)
    )

    assert silences(plain) == silences(timed)
    assert AlertKind.RECOVERED in {a.kind for a in plain.alerts if a.cause is Cause.DRIFT}
    assert silences(plain)[-1].reference.fingerprint != ""


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=1, max_size=25), st.integers(1_000, 6_000))
def test_silences_are_the_gaps_that_last_long_enough(heard: list[bool], after_ms: int) -> None:
    config = quiet(silence={"after_ms": after_ms}, reference={"n_events": 1_000})
    end_ms = 40_000

    told = spans(ran([4 * is_heard for is_heard in heard], config).end(end_ms))

    starts_ms = [1_000 * index for index, is_heard in enumerate(heard) if is_heard]
    expected: list[tuple[str, int, int]] = []
    for start_ms, next_ms in zip(starts_ms, [*starts_ms, None][1:], strict=True):
        last_ms = start_ms + 1_000
        until_ms = end_ms if next_ms is None else next_ms
        if last_ms + after_ms <= until_ms:
            expected.append(("started", last_ms, last_ms + after_ms))
            if next_ms is not None:
                expected.append(("recovered", last_ms, next_ms))
    assert told == expected
