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
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.job import ConfigError
from flink_jobs.config.loading import decode_config
from flink_jobs.config.policy_table import PolicyTable
from flink_jobs.core.incidents.incident import Incident
from flink_jobs.core.incidents.lifecycle import Outcome, Transition, advance
from flink_jobs.core.state.codec import decode_recent, encode_recent
from flink_jobs.core.state.state import RecentBlock, Status, Watch
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Alert, AlertKind, Severity
from tests.builders import BASE, make_config, make_pane, run_monitor

LEVEL = 0.01
# A drift, a critical one, a window between the two levels of the hysteresis, and a normal one.
WINDOWS = {"D": (0.001, 0.3), "C": (0.001, 0.9), "~": (0.03, 0.1), ".": (0.5, 0.0)}


def outcome(end_ms: int, p_value: float, effect_size: float) -> Outcome:
    return Outcome(end_ms, p_value <= LEVEL, p_value, effect_size)


def run(
    policy: PolicyTable, outcomes: Sequence[Outcome], incident: Incident | None = None
) -> list[Transition | None]:
    incident = incident or Incident()
    return [
        advance(incident, each, policy=policy, new_incident_id=f"of window {index}")
        for index, each in enumerate(outcomes)
    ]


def story(windows: str, **policy: Any) -> str:
    """One letter for each window, which ends at 1, 2, 3, ... ms: the alert it writes, or a dot."""
    transitions = run(PolicyTable(**policy), spelled(windows))
    return "".join("." if t is None else t.kind[0] for t in transitions)


def alerts(windows: str, **policy: Any) -> list[Transition]:
    return [t for t in run(PolicyTable(**policy), spelled(windows)) if t is not None]


def spelled(windows: str) -> list[Outcome]:
    return [outcome(i, *WINDOWS[letter]) for i, letter in enumerate(windows, start=1)]


def test_by_default_an_incident_needs_its_drifting_windows_in_a_row() -> None:
    assert story("DD.DDD..", windows_to_start=3) == ".....sr."


def test_k_drifting_windows_among_the_last_n_start_an_incident() -> None:
    assert story("D..D.D", windows_to_start=3, start_within_windows=6) == ".....s"
    assert story("D..D.D", windows_to_start=3, start_within_windows=5) == "......"


def test_windows_before_a_recovery_do_not_count_towards_the_next_incident() -> None:
    assert story("DD.D.D", windows_to_start=2, start_within_windows=4) == ".sr..s"


def test_ongoing_alerts_keep_their_distance_in_event_time() -> None:
    assert story("DDDDDDDD", ongoing_every_ms=3) == "s..o..o."


def test_ongoing_alerts_keep_both_distances() -> None:
    windows, policy = "D..DDDDDD", {"windows_to_recover": 9, "ongoing_every_windows": 2}

    assert story(windows, **policy) == "s...o.o.o"
    assert story(windows, **policy, ongoing_every_ms=5) == "s....o..."


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
    policy = {"max_alerts": 1, "max_alerts_per_ms": 5, "ongoing_every_windows": 1_000}

    written = alerts("D.DDDDD.", **policy)

    assert story("D.DDDDD.", **policy) == "sr...s.r"
    assert [a.n_suppressed for a in written] == [0, 0, 3, 0]
    assert written[2].incident_id == written[3].incident_id == "of window 2"


def test_many_starts_in_a_short_time_become_one_flapping_incident() -> None:
    policy = {"flapping_after": 3, "flapping_within_ms": 6, "ongoing_every_windows": 1_000}

    written = alerts("D.D.D.D.D......D", **policy)

    assert story("D.D.D.D.D......D", **policy) == "srsrs.........rs"
    assert [a.is_flapping for a in written] == [False] * 4 + [True, True, False]


def test_incidents_far_apart_do_not_flap() -> None:
    written = alerts("D..D..D.", flapping_after=3, flapping_within_ms=6)

    assert not any(a.is_flapping for a in written)


def test_a_flapping_incident_still_wants_its_normal_windows_in_a_row() -> None:
    policy = PolicyTable(flapping_after=2, flapping_within_ms=5, windows_to_recover=3)
    flaps = [outcome(end_ms, *WINDOWS[w]) for end_ms, w in enumerate("D...D", start=1)]
    quiet = [outcome(end_ms, *WINDOWS["."]) for end_ms in (20, 30, 40)]

    kinds = [t and t.kind.value for t in run(policy, [*flaps, *quiet])]

    assert kinds == ["started", None, None, "recovered", "started", None, None, "recovered"]


def test_a_rise_to_critical_is_told_at_once() -> None:
    policy = {"critical_effect_size": 0.9, "ongoing_every_windows": 1_000}

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


def test_a_p_value_that_is_no_number_counts_as_normal() -> None:
    outcomes = [outcome(1, 0.001, 0.3), outcome(2, float("nan"), float("nan"))]

    transitions = run(PolicyTable(recover_level=0.5, critical_effect_size=0.5), outcomes)

    assert [t and t.kind.value for t in transitions] == ["started", "recovered"]


def test_time_does_not_run_backwards_with_the_end_of_a_count_window() -> None:
    outcomes = [
        outcome(end_ms, *WINDOWS[w]) for end_ms, w in [(10, "D"), (4, "."), (11, "D"), (15, "D")]
    ]

    transitions = run(PolicyTable(cooldown_ms=5), outcomes)

    assert [t and t.kind.value for t in transitions] == ["started", "recovered", None, "started"]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("start_within_windows = 65", "start_within_windows: 65 is out of range; allowed: `int`"),
        (
            "windows_to_start = 3\nstart_within_windows = 2",
            "policy.start_within_windows: 2 windows never hold windows_to_start = 3 that drift; "
            "allowed: 3 to 64, or 0 for windows in a row",
        ),
        (
            "recover_level = 0.001",
            "policy.recover_level: 0.001 is below calibration.level = 0.01; "
            "allowed: 0.01 or more, below 1",
        ),
        (
            "max_alerts = 3",
            "policy.max_alerts_per_ms: 0 leaves max_alerts = 3 without effect; "
            "allowed: 1 or more, or max_alerts = 0",
        ),
        ("max_alerts_per_ms = 3", "policy.max_alerts: 0 leaves max_alerts_per_ms = 3 without"),
        ("max_alerts = 101", "policy.max_alerts: 101 is out of range; allowed: `int` <= 100"),
        ("flapping_after = 3", "policy.flapping_within_ms: 0 leaves flapping_after = 3 without"),
        ("flapping_within_ms = 3", "policy.flapping_after: 0 leaves flapping_within_ms = 3"),
        (
            "flapping_after = 1\nflapping_within_ms = 9",
            "policy.flapping_after: one incident is no flapping; allowed: 2 to 100, or 0",
        ),
        (
            "flapping_after = 3\nflapping_within_ms = 20\ncooldown_ms = 10",
            "policy.flapping_within_ms: with cooldown_ms = 10 it never holds 3 starts; "
            "allowed: more than 20, or a shorter cooldown_ms",
        ),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_work_is_refused(policy: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_config(f"{BASE}\n[policy]\n{policy}".encode())

    assert message in str(caught.value)


def test_a_policy_at_the_edge_of_what_is_allowed_is_taken() -> None:
    policy = "windows_to_start = 64\nstart_within_windows = 64\nrecover_level = 0.01"

    assert decode_config(f"{BASE}\n[policy]\n{policy}".encode()).policy.start_within_windows == 64


def off_or(least: int, most: int) -> st.SearchStrategy[int]:
    return st.just(0) | st.integers(least, most)


@st.composite
def policies(draw: st.DrawFn) -> PolicyTable:
    k = draw(st.integers(1, 3))
    max_alerts, flapping_after = draw(off_or(1, 4)), draw(off_or(2, 4))
    return PolicyTable(
        windows_to_start=k,
        start_within_windows=draw(off_or(k, 6)),
        windows_to_recover=draw(st.integers(1, 3)),
        recover_level=draw(st.sampled_from([None, LEVEL, 0.3])),
        ongoing_every_windows=draw(st.integers(1, 3)),
        ongoing_every_ms=draw(off_or(1, 20)),
        cooldown_ms=draw(off_or(1, 20)),
        max_alerts=max_alerts,
        max_alerts_per_ms=draw(st.integers(1, 60)) if max_alerts else 0,
        flapping_after=flapping_after,
        flapping_within_ms=draw(st.integers(1, 60)) if flapping_after else 0,
        critical_effect_size=draw(st.sampled_from([None, 0.5])),
    )


def from_steps(steps: list[tuple[float, float, int]]) -> list[Outcome]:
    """Windows whose ends mostly go on and sometimes step back, as those of count windows do."""
    ends_ms = accumulate(step_ms for *_, step_ms in steps)
    return [
        outcome(end_ms, p_value, effect)
        for (p_value, effect, _), end_ms in zip(steps, ends_ms, strict=True)
    ]


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, LEVEL, 0.02, 0.3, 0.9, 1.0]) | st.floats(0, 1),
        st.floats(0, 1),
        st.integers(-3, 12),
    ),
    max_size=60,
).map(from_steps)


@given(policies(), STEPS)
def test_the_alerts_of_an_incident_are_started_ongoing_and_one_recovered(
    policy: PolicyTable, outcomes: list[Outcome]
) -> None:
    incident = Incident()
    written = [t for t in run(policy, outcomes, incident) if t is not None]

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


@given(policies(), STEPS)
def test_no_stretch_of_event_time_holds_more_alerts_than_allowed_but_for_recoveries(
    policy: PolicyTable, outcomes: list[Outcome]
) -> None:
    transitions = run(policy, outcomes)

    reached_ms = accumulate((each.end_ms for each in outcomes), max)
    times_ms = [
        t_ms
        for t_ms, t in zip(reached_ms, transitions, strict=True)
        if t is not None and t.kind is not AlertKind.RECOVERED
    ]
    if policy.max_alerts:
        for start_ms in times_ms:
            inside = [t for t in times_ms if start_ms <= t < start_ms + policy.max_alerts_per_ms]
            assert len(inside) <= policy.max_alerts


@given(policies(), STEPS)
def test_every_alert_raised_is_written_or_counted_as_suppressed(
    policy: PolicyTable, outcomes: list[Outcome]
) -> None:
    unlimited = msgspec.structs.replace(policy, cooldown_ms=0, max_alerts=0, max_alerts_per_ms=0)
    incident = Incident()
    n_raised, written = 0, []
    for index, each in enumerate(outcomes):
        twin = copy.deepcopy(incident)
        n_raised += advance(twin, each, policy=unlimited, new_incident_id=str(index)) is not None
        transition = advance(incident, each, policy=policy, new_incident_id=str(index))
        written += [transition] if transition is not None else []

    n_suppressed = sum(t.n_suppressed for t in written) + incident.n_suppressed

    assert len(written) + n_suppressed == n_raised


@given(policies(), STEPS)
def test_without_cooldown_and_maximum_rate_nothing_is_suppressed(
    policy: PolicyTable, outcomes: list[Outcome]
) -> None:
    unlimited = msgspec.structs.replace(policy, cooldown_ms=0, max_alerts=0, max_alerts_per_ms=0)
    incident = Incident()

    written = [t for t in run(unlimited, outcomes, incident) if t is not None]

    assert {t.n_suppressed for t in written} <= {0}
    assert incident.n_suppressed == 0


@given(policies(), STEPS, st.data())
def test_a_snapshot_and_restore_at_any_window_changes_no_later_alert(
    policy: PolicyTable, outcomes: list[Outcome], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(outcomes)))
    ids = [str(index) for index in range(len(outcomes))]
    undisturbed, incident = Incident(), Incident()

    for index, (each, new_id) in enumerate(zip(outcomes, ids, strict=True)):
        if index == cut:
            incident = restored(incident)
        expected = advance(undisturbed, each, policy=policy, new_incident_id=new_id)
        assert advance(incident, each, policy=policy, new_incident_id=new_id) == expected
    assert restored(incident) == undisturbed


@given(policies(), STEPS)
def test_what_is_remembered_stays_small(policy: PolicyTable, outcomes: list[Outcome]) -> None:
    incident = Incident()

    run(policy, outcomes + spelled("D" * 70), incident)

    assert len(incident.written_ms) <= policy.max_alerts
    assert len(incident.starts_ms) <= policy.flapping_after
    assert incident.recent_drifts < 2**64


def restored(incident: Incident) -> Incident:
    watch = Watch(name="main", incident=incident)
    block = RecentBlock(Status(detector_fingerprint="f", watches=[watch]), segments=[])
    return decode_recent(encode_recent(block)).status.watches[0].incident


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
