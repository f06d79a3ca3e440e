"""Windows that are tested early meet the policy: its clocks read the time of the test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.records.alerts import Alert, Cause, Score, ScoreStatus
from tests.builders import WIDTH_MS
from tests.core.incidents.policy_oracle import Look, expected_alerts, off_or, policies
from tests.core.watched import Watched, commanded, place

LEVEL = 1e-4
DRIFT = 4.0
TWENTY_SECONDS = {"size_ms": 20_000, "slide_ms": 20_000, "early_events": 40}
TUMBLING = {"size_ms": 4_000, "slide_ms": 4_000, "early_events": 20, "min_events": 8}
SLIDING = {"size_ms": 4_000, "slide_ms": 1_000, "early_events": 25, "min_events": 8}
SESSIONS = {
    "kind": "session",
    "gap_ms": 2_000,
    "max_size_ms": 6_000,
    "early_events": 20,
    "min_events": 8,
}
COUNTED = {"kind": "count", "size": 15, "slide": 5}
REFERENCE = {"n_events": 120}


def kinds(alerts: Sequence[Alert]) -> list[tuple[str, int]]:
    return [(alert.kind.value, alert.window.closed_ms) for alert in alerts]


def test_a_window_tested_before_a_snooze_is_over_is_held_back_though_it_ends_after_it() -> None:
    watched = Watched(commanded(window=TWENTY_SECONDS, reference=REFERENCE))
    watched.take(place(0, "snooze", until_ms=30_000))
    watched.panes(*range(20))

    watched.panes(20, loc=DRIFT)

    (score,) = watched.scores[-1:]
    assert (score.window.end_ms, score.window.closed_ms, score.is_drift) == (40_000, 21_000, True)
    assert watched.alerts == []
    watched.panes(21, loc=DRIFT)
    watched.time(40_000)
    (alert,) = watched.alerts
    assert (alert.kind, alert.window.closed_ms, alert.n_suppressed) == ("started", 40_000, 1)


def test_a_session_tested_after_a_snooze_is_told_though_it_ended_before() -> None:
    session = {"kind": "session", "gap_ms": 5_000, "max_size_ms": 60_000}
    watched = Watched(commanded(window=session, reference=REFERENCE))
    watched.panes(0, 1, 2)
    watched.take(place(0, "snooze", until_ms=14_000))

    watched.panes(10, 11, loc=DRIFT)
    watched.time(30_000)

    assert [(a.window.end_ms, a.window.closed_ms) for a in watched.alerts] == [(12_000, 17_000)]


def test_the_cooldown_lasts_from_test_to_test() -> None:
    watched = Watched(
        commanded(window=TWENTY_SECONDS, reference=REFERENCE, policy={"cooldown_ms": 30_000})
    )
    watched.panes(*range(20))

    watched.panes(20, loc=DRIFT)
    watched.panes(40)
    watched.panes(60, 61, loc=DRIFT, n=15)
    watched.time(80_000)

    assert kinds(watched.alerts) == [
        ("started", 21_000),
        ("recovered", 41_000),
        ("started", 80_000),
    ]


def test_two_tests_of_one_window_are_one_of_two_windows_that_start_an_incident() -> None:
    watched = Watched(
        commanded(window=TWENTY_SECONDS, reference=REFERENCE, policy={"windows_to_start": 2})
    )
    watched.panes(*range(20))

    watched.panes(20, 21, loc=DRIFT)
    watched.time(40_000)

    assert [score.is_drift for score in watched.scores[-2:]] == [True, True]
    assert watched.alerts == []
    watched.panes(40, loc=DRIFT)
    assert kinds(watched.alerts) == [("started", 41_000)]


@pytest.mark.parametrize("window", [TUMBLING, SLIDING, SESSIONS, COUNTED])
@given(
    policies(LEVEL, WIDTH_MS),
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0.0, DRIFT])), max_size=20),
    off_or(1, 20),
)
@settings(max_examples=25)
def test_the_alerts_of_a_model_are_those_of_the_definition_for_its_scores(
    window: dict[str, Any],
    policy: PolicyTable,
    panes: list[tuple[int, float]],
    snoozed_until: int,
) -> None:
    config = commanded(
        window=window,
        reference=REFERENCE,
        calibration={"level": LEVEL},
        policy={name: value for name, value in _keys(policy).items() if value is not None},
    )
    watched = Watched(config)
    snoozed_until_ms = snoozed_until * WIDTH_MS
    watched.take(place(0, "snooze", until_ms=snoozed_until_ms))
    watched.panes(0, 1, 2)
    for index, (n, loc) in enumerate(panes, start=3):
        if n:
            watched.panes(index, n=n, loc=loc)
    watched.time(100 * WIDTH_MS)

    scores = [score for score in watched.scores if score.status is ScoreStatus.TESTED]
    tests = [_test(score, snoozed_until_ms) for score in scores]
    pairs = zip(scores, expected_alerts(tests, policy, LEVEL), strict=True)
    expected = [
        (said.kind, score.window, said.severity, said.is_flapping, said.n_suppressed)
        for score, said in pairs
        if said is not None
    ]
    written = [
        (a.kind.value, a.window, a.severity.value, a.is_flapping, a.n_suppressed)
        for a in watched.alerts
        if a.cause is Cause.DRIFT
    ]
    assert written == expected


def _test(score: Score, snoozed_until_ms: int) -> Look:
    window = score.window
    assert score.p_value is not None
    assert score.effect_size is not None
    return Look(
        window=window.first_event if window.kind == "count" else window.start_ms,
        at_ms=window.closed_ms,
        p_value=score.p_value,
        effect_size=score.effect_size,
        is_early=window.closed_early,
        is_snoozed=window.closed_ms < snoozed_until_ms,
    )


def _keys(policy: PolicyTable) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in policy.__struct_fields__}
