"""What operators can expect of alerts, one rule after the other, and what holds for all of them."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.config.loading import decode_config
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.core.incidents.lifecycle import Outcome, Transition, advance
from flink_jobs.core.state.entries import decode, encode
from flink_jobs.core.state.incident import Incident
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Alert, AlertKind, Severity
from tests.builders import BASE, make_config, make_pane, make_panes, run_monitor
from tests.core.incidents.policy_oracle import Look, Said, expected_alerts, off_or, policies

LEVEL = 0.01
# A drift, a critical one, a window between the two levels of the hysteresis, and a normal one.
WINDOWS = {"D": (0.001, 0.3), "C": (0.001, 0.9), "~": (0.03, 0.1), ".": (0.5, 0.0)}
# Every window decides by itself, so that a test shows the one rule that it adds.
PLAIN = {
    "windows_to_start": 1,
    "windows_to_recover": 1,
    "ongoing_every_ms": 0,
    "flapping_after": 0,
}
NEVER_MS = 1_000_000
NO_POLICY = BASE[: BASE.index("[policy]")]
HOUR_MS = 3_600_000


def plain(**policy: Any) -> PolicyTable:
    return PolicyTable(**PLAIN | policy)


def run(
    policy: PolicyTable, tests: Sequence[Look], incident: Incident | None = None
) -> list[Transition | None]:
    incident = incident or Incident()
    return [
        advance(incident, outcome(each), policy=policy, new_incident_id=str(index))
        for index, each in enumerate(tests)
    ]


def outcome(test: Look) -> Outcome:
    return Outcome(
        start_ms=test.window,
        closed_ms=test.at_ms,
        is_drift=test.p_value <= LEVEL,
        p_value=test.p_value,
        effect_size=test.effect_size,
        is_early=test.is_early,
        is_snoozed=test.is_snoozed,
    )


def story(windows: str, **policy: Any) -> str:
    """One letter for each window, tested at 1, 2, 3, ... ms: the alert it writes, or a dot."""
    return letters(run(plain(**policy), spelled(windows)))


def letters(transitions: Sequence[Transition | None]) -> str:
    return "".join("." if t is None else t.kind[0] for t in transitions)


def alerts(windows: str, **policy: Any) -> list[Transition]:
    return [t for t in run(plain(**policy), spelled(windows)) if t is not None]


def spelled(windows: str, every_ms: int = 1) -> list[Look]:
    return [Look(i, i * every_ms, *WINDOWS[letter]) for i, letter in enumerate(windows, start=1)]


def looks(text: str) -> list[Look]:
    """Tests such as ``1D 2.! 1.``: the window and what its test shows, a look in advance with !."""
    return [
        Look(int(word[0]), at_ms, *WINDOWS[word[1]], is_early=word.endswith("!"))
        for at_ms, word in enumerate(text.split(), start=1)
    ]


def test_an_incident_needs_its_drifting_windows_in_a_row_unless_told_otherwise() -> None:
    assert story("DD.DDD..", windows_to_start=3) == ".....sr."


def test_k_drifting_windows_among_the_last_n_start_an_incident() -> None:
    assert story("D..D.D", windows_to_start=3, start_within_windows=6) == ".....s"
    assert story("D..D.D", windows_to_start=3, start_within_windows=5) == "......"


def test_windows_before_a_recovery_do_not_count_towards_the_next_incident() -> None:
    assert story("DD.D.D", windows_to_start=2, start_within_windows=4) == ".sr..s"


def test_ongoing_alerts_keep_their_distance_in_event_time() -> None:
    assert story("DDDDDDDD", ongoing_every_ms=3) == "s..o..o."


def test_a_window_that_is_tested_twice_is_one_of_the_windows_that_start_an_incident() -> None:
    two = {"windows_to_start": 2}

    assert letters(run(plain(**two), looks("1D! 1D 2. 3D! 3D 4D! 4D"))) == ".....so"
    assert letters(run(plain(**two, start_within_windows=3), looks("1D! 1D 2. 3D!"))) == "...s"


def test_a_window_that_is_tested_twice_is_one_of_the_windows_that_end_an_incident() -> None:
    assert letters(run(plain(windows_to_recover=2), looks("1D 2.! 2. 3.! 3."))) == "s..r."


def test_the_last_verdict_on_a_window_is_its_vote() -> None:
    two = {"windows_to_start": 2}

    assert letters(run(plain(**two), looks("1D! 1. 2D! 3D!"))) == "...s"
    assert letters(run(plain(**two), looks("1.! 1D 2D"))) == "..s"


def test_a_verdict_takes_its_place_among_the_others_when_it_is_given() -> None:
    policy = {"windows_to_start": 2, "start_within_windows": 2}

    assert letters(run(plain(**policy), looks("1.! 2.! 3D! 1D"))) == "...s"


def test_a_window_that_drifted_in_advance_does_not_end_the_incident_with_windows_before_it() -> (
    None
):
    assert letters(run(plain(windows_to_recover=3), looks("1. 2. 3D! 3. 4. 5."))) == "..s..r"


def test_between_the_two_levels_an_incident_neither_ends_nor_starts_nor_is_reported() -> None:
    assert story("~~D~~~.~..", recover_level=0.05, windows_to_recover=2) == "..s......r"
    assert story("D~", windows_to_recover=1) == "sr"


def test_no_incident_starts_during_the_cooldown() -> None:
    assert story("D.D.DD", cooldown_ms=3) == "sr..so"


def test_drift_that_outlasts_the_cooldown_starts_an_incident_that_counts_what_was_held_back() -> (
    None
):
    written = alerts("D.DDDD", cooldown_ms=4)

    assert [(a.kind[0], a.n_suppressed) for a in written] == [("s", 0), ("r", 0), ("s", 3)]


def test_a_normal_window_starts_no_incident_when_the_cooldown_ends() -> None:
    policy = {"windows_to_start": 2, "start_within_windows": 4, "cooldown_ms": 3}

    assert story("DD.DD.D", **policy) == ".sr...s"
    assert story("DD.DD..", **policy) == ".sr...."


def test_alerts_beyond_the_maximum_rate_are_held_back_and_counted() -> None:
    written = alerts("DDDDDDDD", max_alerts=2, max_alerts_per_ms=4)

    assert story("DDDDDDDD", max_alerts=2, max_alerts_per_ms=4) == "so..oo.."
    assert [a.n_suppressed for a in written] == [0, 0, 2, 0]


def test_an_incident_that_was_seen_to_begin_is_seen_to_end_whatever_the_rate() -> None:
    assert story("D.D.", max_alerts=1, max_alerts_per_ms=100) == "sr.."
    assert story("DD.", max_alerts=1, max_alerts_per_ms=100) == "s.r"


def test_a_started_alert_that_was_held_back_goes_out_as_soon_as_the_rate_allows() -> None:
    policy = {"max_alerts": 1, "max_alerts_per_ms": 5, "ongoing_every_ms": NEVER_MS}

    written = alerts("D.DDDDD.", **policy)

    assert story("D.DDDDD.", **policy) == "sr...s.r"
    assert [a.n_suppressed for a in written] == [0, 0, 3, 0]
    assert written[2].incident_id == written[3].incident_id == "2"


def test_many_starts_in_a_short_time_become_one_flapping_incident() -> None:
    policy = {"flapping_after": 3, "flapping_within_ms": 6, "ongoing_every_ms": NEVER_MS}

    written = alerts("D.D.D.D.D......D", **policy)

    assert story("D.D.D.D.D......D", **policy) == "srsrs.........rs"
    assert [a.is_flapping for a in written] == [False] * 4 + [True, True, False]


def test_incidents_far_apart_do_not_flap() -> None:
    written = alerts("D..D..D.", flapping_after=3, flapping_within_ms=6)

    assert not any(a.is_flapping for a in written)


def test_a_flapping_incident_still_wants_its_normal_windows_in_a_row() -> None:
    policy = plain(flapping_after=2, flapping_within_ms=5, windows_to_recover=3)
    quiet = [Look(at_ms, at_ms, *WINDOWS["."]) for at_ms in (20, 30, 40)]

    assert letters(run(policy, [*spelled("D...D"), *quiet])) == "s..rs..r"


def test_a_rise_to_critical_is_told_at_once() -> None:
    policy = {"critical_effect_size": 0.9, "ongoing_every_ms": NEVER_MS}

    written = alerts("DDCDC.D", **policy)

    assert story("DDCDC.D", **policy) == "s.o..rs"
    assert [a.severity.value for a in written] == ["warning", "critical", "critical", "warning"]


def test_an_incident_may_start_critical_and_nothing_is_critical_without_a_threshold() -> None:
    assert alerts("C", critical_effect_size=0.9)[0].severity is Severity.CRITICAL
    assert alerts("C")[0].severity is Severity.WARNING


def test_a_rise_beyond_the_maximum_rate_is_told_as_soon_as_the_rate_allows() -> None:
    policy = {
        "critical_effect_size": 0.9,
        "ongoing_every_ms": 1_000,
        "max_alerts": 1,
        "max_alerts_per_ms": 5,
    }

    written = alerts("DCDDDDDD", **policy)

    assert story("DCDDDDDD", **policy) == "s....o.."
    assert (written[1].severity, written[1].n_suppressed) == (Severity.CRITICAL, 4)


def test_drift_below_the_least_effect_size_starts_nothing_and_keeps_nothing_open() -> None:
    assert story("DDDD", min_effect_size=0.4) == "...."
    assert story("DCCDD", min_effect_size=0.4, windows_to_recover=2) == ".so.r"


def test_drift_below_the_least_effect_size_is_normal_whatever_the_level_to_recover() -> None:
    assert story("CDC", min_effect_size=0.4, recover_level=0.1) == "srs"


def test_a_tiny_shift_among_many_events_drifts_by_its_score_and_raises_no_alert() -> None:
    panes = make_panes([20_000] * 7, seed=17)
    moved = [make_pane(i, panes[i].events.x + 0.05, first_offset=20_000 * i) for i in range(1, 7)]

    def drifts_and_alerts(least: float) -> tuple[int, int]:
        config = decode_config(
            BASE.replace("n_events = 30", "n_events = 20000")
            .replace("[policy]", f"[policy]\nmin_effect_size = {least}")
            .encode()
        )
        actions = run_monitor(config, [panes[0], *moved])
        drifts = [score for each in actions for score in each.scores if score.is_drift]
        return len(drifts), sum(len(each.alerts) for each in actions)

    assert drifts_and_alerts(0.0) == (4, 4)
    assert drifts_and_alerts(0.1) == (4, 0)


def test_a_p_value_that_is_not_a_number_counts_as_normal() -> None:
    tests = [Look(1, 1, 0.001, 0.3), Look(2, 2, float("nan"), float("nan"))]

    assert letters(run(plain(recover_level=0.5, critical_effect_size=0.5), tests)) == "sr"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("start_within_windows = 101", "start_within_windows: 101 is out of range; allowed: `int`"),
        ("windows_to_start = 101", "windows_to_start: 101 is out of range; allowed: `int` <= 100"),
        ("windows_to_recover = 101", "windows_to_recover: 101 is out of range; allowed: `int`"),
        (
            "windows_to_start = 3\nstart_within_windows = 2",
            "policy.start_within_windows: 2 windows never hold windows_to_start = 3 that drift; "
            "allowed: 3 to 100, or 0 for windows in a row",
        ),
        (
            "recover_level = 0.001",
            "policy.recover_level: 0.001 is below the level at which a window drifts, 0.01; "
            "allowed: 0.01 or more, below 1",
        ),
        ("max_alerts = 101", "policy.max_alerts: 101 is out of range; allowed: `int` <= 100"),
        ("max_alerts_per_ms = 0", "policy.max_alerts_per_ms: 0 is out of range; allowed: `int`"),
        ("flapping_within_ms = 0", "policy.flapping_within_ms: 0 is out of range; allowed: `int`"),
        (
            "flapping_after = 1",
            "policy.flapping_after: one incident does not flap; allowed: 2 to 100, or 0",
        ),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_work_is_refused(policy: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_config(f"{NO_POLICY}\n[policy]\n{policy}".encode())

    assert message in str(caught.value)


def test_a_policy_at_the_edge_of_what_is_allowed_is_taken() -> None:
    policy = "windows_to_start = 100\nstart_within_windows = 100\nrecover_level = 0.01"

    config = decode_config(f"{NO_POLICY}\n[policy]\n{policy}".encode())

    assert config.policy.start_within_windows == 100


def test_a_rule_is_switched_off_by_one_key() -> None:
    policy = "flapping_after = 0\nmax_alerts = 0\ncooldown_ms = 0"

    assert decode_config(f"{NO_POLICY}\n[policy]\n{policy}".encode()).policy.flapping_after == 0


P_VALUES = st.sampled_from([0.0, LEVEL, 0.02, 0.3, 0.9, 1.0]) | st.floats(0, 1)


@st.composite
def sliding_tests(draw: st.DrawFn) -> list[Look]:
    """Windows that may overlap: tested at their end, before it, or both, in the order of time."""
    slide_ms, snoozed_until_ms = draw(st.integers(0, 5)), draw(off_or(1, 60))
    size_ms = max(1, slide_ms * draw(st.integers(1, 4)))
    found, early_ms = [], 0
    for window in range(draw(st.integers(0, 30))):
        start_ms, end_ms = window * slide_ms, window * slide_ms + size_ms
        # A window that starts later holds enough events no sooner.
        early_ms = max(early_ms, start_ms + draw(st.integers(1, size_ms)))
        is_early = draw(st.booleans()) and early_ms < end_ms
        if is_early:
            found.append((early_ms, True, window))
        if not is_early or draw(st.booleans()):
            found.append((end_ms, False, window))
    return [
        Look(window, at_ms, draw(P_VALUES), draw(st.floats(0, 1)), early, at_ms < snoozed_until_ms)
        for at_ms, early, window in sorted(found)
    ]


STEPS = sliding_tests()
POLICIES = policies(LEVEL)


@given(POLICIES | st.just(PolicyTable(ongoing_every_ms=20)), STEPS)
@settings(max_examples=200)
def test_alerts_are_those_of_the_definition(policy: PolicyTable, tests: list[Look]) -> None:
    written = [
        None
        if t is None
        else Said(t.kind, int(t.incident_id), t.severity, t.is_flapping, t.n_suppressed)
        for t in run(policy, tests)
    ]

    assert written == expected_alerts(tests, policy, LEVEL)


@given(st.lists(st.tuples(P_VALUES, st.integers(1, 6 * HOUR_MS)), max_size=80))
def test_by_default_no_day_holds_more_than_twelve_alerts_of_a_detector(
    steps: list[tuple[float, int]],
) -> None:
    times_ms = list(accumulate(step_ms for _, step_ms in steps))
    tests = [
        Look(i, at_ms, p) for i, ((p, _), at_ms) in enumerate(zip(steps, times_ms, strict=True))
    ]

    alerts_ms = [at for at, t in zip(times_ms, run(PolicyTable(), tests), strict=True) if t]

    for start_ms in alerts_ms:
        assert sum(start_ms <= at < start_ms + 24 * HOUR_MS for at in alerts_ms) <= 12


def test_by_default_eight_hours_of_drift_begin_are_heard_of_again_and_end() -> None:
    every_ms = HOUR_MS // 6

    told = letters(run(PolicyTable(), spelled("." * 6 + "D" * 48 + "." * 6, every_ms)))

    assert told == "." * 7 + "s" + "." * 23 + "o" + "." * 24 + "r" + "." * 3


def test_by_default_drift_that_comes_and_goes_is_three_incidents_and_then_one_that_flaps() -> None:
    on_and_off = "DD..." * 40

    written = [t for t in run(PolicyTable(), spelled(on_and_off, HOUR_MS // 6)) if t is not None]

    assert [t.kind[0] for t in written][:5] == ["s", "r", "s", "r", "s"]
    assert {t.kind[0] for t in written[5:]} == {"o"}
    assert written[-1].is_flapping


@given(POLICIES, STEPS)
def test_the_alerts_of_an_incident_are_started_ongoing_and_one_recovered(
    policy: PolicyTable, tests: list[Look]
) -> None:
    incident = Incident()
    written = [t for t in run(policy, tests, incident) if t is not None]

    by_incident = defaultdict(list)
    for transition in written:
        by_incident[transition.incident_id].append(transition.kind)
    for incident_id, (first, *others) in by_incident.items():
        assert first is AlertKind.STARTED
        is_open = incident_id == incident.incident_id
        assert others[-1:].count(AlertKind.RECOVERED) == (not is_open)
        assert set(others if is_open else others[:-1]) <= {AlertKind.ONGOING}
    # One incident after the other: none is taken up again.
    changes = sum(a.incident_id != b.incident_id for a, b in pairwise(written))
    assert changes == max(len(by_incident) - 1, 0)


@given(POLICIES, STEPS)
def test_no_stretch_of_event_time_holds_more_alerts_than_allowed_but_for_recoveries(
    policy: PolicyTable, tests: list[Look]
) -> None:
    transitions = run(policy, tests)

    times_ms = [
        test.at_ms
        for test, t in zip(tests, transitions, strict=True)
        if t is not None and t.kind is not AlertKind.RECOVERED
    ]
    if policy.max_alerts:
        for start_ms in times_ms:
            inside = [t for t in times_ms if start_ms <= t < start_ms + policy.max_alerts_per_ms]
            assert len(inside) <= policy.max_alerts


@given(POLICIES, STEPS)
def test_every_alert_raised_is_written_or_counted_as_suppressed(
    policy: PolicyTable, tests: list[Look]
) -> None:
    unlimited = msgspec.structs.replace(policy, cooldown_ms=0, max_alerts=0, max_alerts_per_ms=0)
    incident = Incident()
    n_raised, written = 0, []
    for index, each in enumerate(map(outcome, tests)):
        twin = copy.deepcopy(incident)
        loud = each._replace(is_snoozed=False)
        n_raised += advance(twin, loud, policy=unlimited, new_incident_id=str(index)) is not None
        transition = advance(incident, each, policy=policy, new_incident_id=str(index))
        written += [transition] if transition is not None else []

    n_suppressed = sum(t.n_suppressed for t in written) + incident.n_suppressed

    assert len(written) + n_suppressed == n_raised


@given(POLICIES, STEPS)
def test_without_snooze_cooldown_and_maximum_rate_nothing_is_suppressed(
    policy: PolicyTable, tests: list[Look]
) -> None:
    unlimited = msgspec.structs.replace(policy, cooldown_ms=0, max_alerts=0, max_alerts_per_ms=0)
    incident = Incident()

    loud = [each._replace(is_snoozed=False) for each in tests]
    written = [t for t in run(unlimited, loud, incident) if t is not None]

    assert {t.n_suppressed for t in written} <= {0}
    assert incident.n_suppressed == 0


@given(POLICIES, STEPS, st.data())
def test_a_snapshot_and_restore_at_any_window_changes_no_later_alert(
    policy: PolicyTable, tests: list[Look], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(tests)))
    ids = [str(index) for index in range(len(tests))]
    undisturbed, incident = Incident(), Incident()

    for index, (each, new_id) in enumerate(zip(map(outcome, tests), ids, strict=True)):
        if index == cut:
            incident = restored(incident)
        expected = advance(undisturbed, each, policy=policy, new_incident_id=new_id)
        assert advance(incident, each, policy=policy, new_incident_id=new_id) == expected
    assert restored(incident) == undisturbed


@given(POLICIES, STEPS)
def test_what_is_remembered_stays_small(policy: PolicyTable, tests: list[Look]) -> None:
    incident = Incident()

    run(policy, tests + spelled("D" * 120), incident)

    assert len(incident.written_ms) <= policy.max_alerts
    assert len(incident.starts_ms) <= policy.flapping_after
    assert len(incident.votes) <= max(
        policy.windows_to_start, policy.start_within_windows, policy.windows_to_recover
    )


def restored(incident: Incident) -> Incident:
    return decode("incident", encode(incident), Incident)


SECOND = {"size_ms": 1_000, "slide_ms": 1_000}


def panes_at(means: Sequence[float]) -> list[Pane]:
    """One pane a second; the first is the reference."""
    rng = np.random.default_rng(1)
    return [
        make_pane(i, rng.normal(mean, size=(30, 3)), first_offset=30 * i)
        for i, mean in enumerate([0.0, *means])
    ]


def watched(means: Sequence[float], **policy: object) -> tuple[list[Alert], list[bool | None]]:
    """The alerts, and for each second after the reference whether its window drifted."""
    config = make_config(calibration={"level": 1e-6}, window=SECOND, policy=policy)
    actions = run_monitor(config, panes_at(means))
    return [a for each in actions for a in each.alerts], [
        s.is_drift for each in actions for s in each.scores
    ]


def test_the_monitor_scores_drift_during_a_cooldown_and_alerts_after_it() -> None:
    means = [0, 5, 0, 5, 0, 0, 5, 0]

    written, drifts = watched(means, cooldown_ms=3_000)

    assert drifts == [mean > 0 for mean in means]
    assert [(a.kind.value, a.window.end_ms, a.n_suppressed) for a in written] == [
        ("started", 3_000, 0),
        ("recovered", 4_000, 0),
        ("started", 8_000, 1),
        ("recovered", 9_000, 0),
    ]


def test_the_monitor_keeps_to_the_maximum_rate_of_alerts() -> None:
    written, _ = watched([5] * 7 + [0], max_alerts=2, max_alerts_per_ms=5_000)

    assert [(a.kind.value, a.window.end_ms, a.n_suppressed) for a in written] == [
        ("started", 2_000, 0),
        ("ongoing", 3_000, 0),
        ("ongoing", 7_000, 3),
        ("ongoing", 8_000, 0),
        ("recovered", 9_000, 0),
    ]


def test_an_alert_carries_the_severity_that_its_effect_size_gives() -> None:
    (warning, critical), _ = watched([1.8, 9], critical_effect_size=0.97)

    assert (warning.severity, critical.severity) == (Severity.WARNING, Severity.CRITICAL)
    assert warning.effect_size is not None
    assert critical.effect_size is not None
    assert warning.effect_size < 0.97 <= critical.effect_size
