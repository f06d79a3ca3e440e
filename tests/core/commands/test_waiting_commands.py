"""Commands that name a time take effect before the first pane that starts then or later."""

from __future__ import annotations

import msgspec
import pytest

from flink_jobs.records.alerts import AlertKind, Cause
from flink_jobs.records.control import Outcome
from tests.core.watched import Watched, commanded, place

STARTED, RECOVERED = AlertKind.STARTED, AlertKind.RECOVERED


@pytest.mark.parametrize(
    ("effective_ms", "at_ms"),
    [(3_000, 3_000), (3_001, 4_000), (3_999, 4_000), (4_000, 4_000), (4_001, 5_000)],
)
def test_a_command_takes_effect_before_the_first_pane_that_starts_then_or_later(
    effective_ms: int, at_ms: int
) -> None:
    watched = Watched()
    watched.panes(0, 1)

    waiting = watched.send("pause", effective_ms=effective_ms)
    watched.panes(2, 3, 4, 5)

    assert (waiting.outcome, waiting.effective_ms) == (Outcome.WAITING, at_ms)
    assert watched.windows() == list(range(at_ms // 1_000))
    applied = watched.audits[-1]
    assert (applied.outcome, applied.effective_ms) == (Outcome.APPLIED, at_ms)
    assert applied.audit_id != waiting.audit_id


def test_windows_that_end_before_a_command_takes_effect_are_tested_and_later_ones_are_not() -> None:
    watched = Watched(commanded(window={"size_ms": 3_000, "slide_ms": 1_000}))
    watched.panes(0, 1, 2, 3)

    watched.send("pause", effective_ms=5_000)
    watched.panes(9)

    # Windows [2, 5) and before; [3, 6) holds events, too, and ends after the pause.
    assert watched.windows() == [0, 1, 2]


def test_a_time_that_has_passed_is_now_and_the_answer_says_when_that_was() -> None:
    watched = Watched()
    watched.panes(0, 1, 2)

    audit = watched.send("pause", effective_ms=1_000)

    assert (audit.outcome, audit.effective_ms) == (Outcome.APPLIED, 3_000)


def test_times_within_one_pane_are_one_moment_and_the_order_of_the_topic_holds() -> None:
    watched = Watched()
    watched.panes(0, 1)

    watched.send("pause", effective_ms=2_900)
    watched.send("resume", effective_ms=2_100)
    watched.panes(2, 3)

    assert [a.outcome for a in watched.audits[2:]] == [Outcome.APPLIED] * 2
    assert watched.windows() == [0, 1, 2, 3]


def test_commands_take_effect_in_the_order_of_their_times() -> None:
    watched = Watched()
    watched.panes(0, 1)

    watched.send("resume", effective_ms=4_000)
    watched.send("pause", effective_ms=3_000)
    watched.panes(2, 3, 4)

    assert watched.windows() == [0, 1, 2, 4]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_commands_of_one_time_take_effect_in_the_order_of_the_topic(
    order: tuple[int, int, int],
) -> None:
    placed = [
        place(0, "snooze", until_ms=9_000, effective_ms=3_000),
        place(1, "pause", effective_ms=3_000),
        place(2, "resume", effective_ms=3_000),
    ]
    watched = Watched()
    watched.panes(0, 1)

    for at in order:
        watched.take(placed[at])
    audits = watched.panes(2).audits

    assert [(a.offset, a.outcome) for a in audits] == [(i, Outcome.APPLIED) for i in range(3)]


def test_each_command_of_one_moment_finds_what_the_one_before_it_led_to() -> None:
    """A model that has been silent while it was paused raises that when it resumes."""
    times_ms: list[int | None] = [None, 9_000]
    found = []
    for effective_ms in times_ms:
        watched = Watched(commanded(silence={"after_ms": 2_000}))
        watched.panes(0)
        watched.send("pause")
        if effective_ms is None:
            watched.time(9_000)
        watched.send("resume", effective_ms=effective_ms)
        watched.send("snooze", until_ms=50_000, effective_ms=effective_ms)
        watched.panes(20)
        found.append(msgspec.json.encode(watched.alerts))

    assert found[0] == found[1]
    assert [a.cause for a in watched.alerts] == [Cause.SILENCE] * 2


def test_a_timer_is_asked_for_at_the_time_of_a_command() -> None:
    watched = Watched()
    watched.panes(0)
    watched.send("pause", effective_ms=7_000)

    assert watched.actions[-1].wake_ms == 7_000
    assert watched.time(7_000).audits[-1].outcome is Outcome.APPLIED


def test_a_timer_within_a_pane_waits_for_the_pane() -> None:
    """Else the pane would come after the command, and without the timer before it."""
    watched = Watched()
    watched.panes(0)

    watched.send("pause", effective_ms=2_500)
    asked_for = watched.actions[-1].wake_ms
    too_early = watched.time(2_500)
    watched.panes(2)

    assert asked_for == 3_000
    assert too_early.audits == []
    assert watched.windows() == [0, 2]


def test_a_model_that_goes_silent_within_a_pane_is_not_called_silent_before_the_pane() -> None:
    watched = Watched(commanded(silence={"after_ms": 1_500}))

    asked_for = watched.panes(0).wake_ms
    watched.time(2_500)
    watched.panes(2)

    assert asked_for == 3_000
    assert watched.alerts == []


def test_a_command_for_a_model_never_seen_waits_for_its_first_pane() -> None:
    watched = Watched()

    waiting = watched.send("pause", effective_ms=500)
    watched.panes(4)

    assert waiting.outcome is Outcome.WAITING
    assert watched.audits[-1].outcome is Outcome.APPLIED
    assert watched.status.is_paused


def test_a_model_never_seen_takes_what_holds_from_the_beginning_in_the_order_of_the_topic() -> None:
    watched = Watched()

    watched.send("pause", effective_ms=0)
    watched.send("resume")
    watched.panes(0)

    assert [a.outcome for a in watched.audits] == [Outcome.APPLIED] * 2
    assert watched.windows() == [0]


def test_the_timer_of_a_command_for_a_model_never_seen_leaves_room_for_later_ones() -> None:
    watched = Watched(commanded(silence={"after_ms": 2_000}))

    watched.send("pause", effective_ms=1_000)
    watched.send("resume", effective_ms=1_000)
    applied = watched.time(1_000).audits
    wake_ms = watched.panes(4).wake_ms

    assert [a.outcome for a in applied] == [Outcome.APPLIED] * 2
    assert wake_ms == 7_000


@pytest.mark.parametrize(
    "kind", ["rebaseline", "approve_current", "acknowledge", "describe", "resume"]
)
@pytest.mark.parametrize("effective_ms", [None, 0, 3_000])
def test_what_only_a_model_with_a_past_can_do_is_refused_to_one_never_seen(
    kind: str, effective_ms: int | None
) -> None:
    watched = Watched()
    keys = {"incident_id": "i"} if kind == "acknowledge" else {}

    watched.send(kind, effective_ms=effective_ms, **keys)
    watched.panes(3)

    audit = watched.audits[-1]
    assert (audit.outcome, audit.effective_ms) == (Outcome.REFUSED, None)
    assert ("'model'" in audit.reason) == (kind != "resume")


def test_a_command_for_the_end_of_the_first_pane_finds_a_model_that_was_seen() -> None:
    outcomes = []
    for effective_ms in (None, 1_000):
        watched = Watched()
        if effective_ms:
            watched.send("rebaseline", effective_ms=effective_ms)
        watched.panes(0)
        if not effective_ms:
            watched.send("rebaseline")
        outcomes.append((watched.audits[-1].outcome, watched.audits[-1].effective_ms))

    assert outcomes == [(Outcome.APPLIED, 1_000)] * 2


def test_a_command_that_cannot_be_carried_out_when_its_time_comes_is_refused_then() -> None:
    watched = Watched()
    watched.panes(0)

    watched.send("resume", effective_ms=2_000)
    watched.panes(1)

    assert [a.outcome for a in watched.audits] == [Outcome.WAITING, Outcome.REFUSED]
    assert len({a.audit_id for a in watched.audits}) == 2


def test_more_waiting_commands_than_a_model_can_hold_are_refused() -> None:
    watched = Watched()
    watched.panes(0)

    outcomes = [watched.send("pause", effective_ms=9_000 + i).outcome for i in range(101)]
    at_once = watched.send("describe")

    assert outcomes == [Outcome.WAITING] * 100 + [Outcome.REFUSED]
    assert "100 commands wait already" in watched.audits[100].reason
    assert at_once.status is not None
    assert at_once.status.n_pending == 100


def test_waiting_commands_survive_a_restart() -> None:
    watched = Watched()
    watched.panes(0)
    watched.send("pause", effective_ms=3_000)
    watched.send("configure", effective_ms=3_000, change={"calibration": {"level": 0.5}})

    watched.restart()
    watched.panes(1, 2, 3)

    assert watched.windows() == [0, 1, 2]
    assert watched.status.change != ""


def test_a_snooze_that_waits_holds_back_windows_that_end_after_it() -> None:
    watched = Watched()
    watched.panes(0, 1)

    watched.send("snooze", until_ms=6_000, effective_ms=3_000)
    watched.panes(2, 3, 4, 5, loc=3.0)

    assert [(a.kind, a.window.start_ms) for a in watched.alerts] == [
        (STARTED, 2_000),
        (AlertKind.ONGOING, 5_000),
    ]


def test_a_reference_that_is_collected_for_a_time_is_complete_before_a_later_silence() -> None:
    """The alert about the silence names the reference, whether a timer came or not."""
    found = []
    for times_ms in ([], [4_000], [4_000, 6_000]):
        table = {"kind": "first_time", "duration_ms": 5_000, "min_events": 30}
        watched = Watched(commanded(reference=table, silence={"after_ms": 3_000}))
        watched.panes(0)
        for now_ms in times_ms:
            watched.time(now_ms)
        watched.panes(9)
        found.append(msgspec.json.encode(watched.alerts))

    assert [a.reference.n_events for a in watched.alerts] == [0, 40]
    assert found[0] == found[1] == found[2]


def test_windows_of_several_detectors_are_tested_in_the_order_of_time_with_timers_and_without() -> (
    None
):
    more = {"name": "more", "window": {"kind": "time", "size_ms": 2_000, "slide_ms": 1_000}}
    sliding = {"size_ms": 4_000, "slide_ms": 1_000}
    found = []
    for times_ms in ([], [4_000, 5_000, 6_000]):
        watched = Watched(commanded(window=sliding, detectors=[more]))
        watched.panes(0, 1, 2)
        for now_ms in times_ms:
            watched.time(now_ms)
        watched.panes(20)
        found.append(msgspec.json.encode(watched.scores))

    ends_ms = [s.window.end_ms for s in watched.scores]
    assert {s.detector for s in watched.scores} == {"main", "more"}
    assert ends_ms == sorted(ends_ms)
    assert found[0] == found[1]
