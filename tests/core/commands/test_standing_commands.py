"""Commands to patterns of models: each model takes them once, when it is next looked at."""

from __future__ import annotations

from flink_jobs.records.control import Outcome, PlacedCommand, StandingCommand
from tests.core.watched import Watched, commanded, place, standing_of


def told(*placed: PlacedCommand, seen: bool = True, model: str = "fraud-eu") -> Watched:
    """A model to which commands to patterns are told after its first panes, or before them."""
    watched = Watched(model=model)
    if seen:
        watched.panes(0, 1)
    watched.standing = standing_of(*placed)
    return watched


def test_a_model_takes_a_command_to_a_pattern_once_with_its_next_pane() -> None:
    watched = told(place(3, "rebaseline", model="fraud-*"))

    watched.panes(2, 3, 4)

    (audit,) = watched.audits
    assert (audit.outcome, audit.effective_ms, audit.offset) == (Outcome.APPLIED, 2_000, 3)
    assert (audit.model, audit.command_id) == ("fraud-eu", "c-3")
    assert watched.scores[-1].reference.start_ms == 2_000


def test_a_timer_and_a_command_let_a_model_take_them_too() -> None:
    by_timer, by_command = (told(place(3, "pause", model="*")) for _ in range(2))

    assert [a.kind for a in by_timer.time(5_000).audits] == ["pause"]
    assert [a.kind for a in by_command.take(place(4, "describe")).audits] == ["pause", "describe"]


def test_the_answers_of_two_models_are_told_apart() -> None:
    first, second = (told(place(3, "pause", model="*"), model=name) for name in ("a", "b"))

    first.panes(2)
    second.panes(2)

    assert first.audits[0].audit_id != second.audits[0].audit_id


def test_a_pattern_that_does_not_match_leaves_the_model_alone_and_is_not_looked_at_again() -> None:
    watched = told(place(3, "pause", model="fraud"), place(4, "pause", model="*-us"))

    watched.panes(2)

    assert watched.audits == []
    assert watched.status.n_standing == 2


def test_which_commands_a_model_has_taken_survives_a_restart() -> None:
    watched = told(place(0, "pause", model="*"), place(1, "resume", model="*"))
    watched.panes(2)

    watched.restart()
    watched.standing = [*watched.standing, StandingCommand(2, place(2, "pause", model="*"))]
    watched.panes(3)

    assert [a.offset for a in watched.audits] == [0, 1, 2]
    assert watched.windows() == [0, 1, 2]


def test_a_model_goes_on_where_it_stopped_when_earlier_commands_are_no_longer_told() -> None:
    watched = told(place(0, "pause", model="*"), place(1, "resume", model="*"))
    watched.panes(2)

    watched.standing = [StandingCommand(2, place(2, "pause", model="*"))]
    watched.panes(3)

    assert [a.offset for a in watched.audits] == [0, 1, 2]


def test_a_command_to_a_pattern_waits_for_its_time_like_any_other() -> None:
    watched = told(place(3, "pause", model="*", effective_ms=4_000))

    watched.panes(2, 3, 4)

    assert [a.outcome for a in watched.audits] == [Outcome.WAITING, Outcome.APPLIED]
    assert watched.windows() == [0, 1, 2, 3]


def test_a_new_model_takes_what_concerns_its_future_and_is_silent_about_the_rest() -> None:
    level = {"calibration": {"level": 0.5}}
    watched = told(
        place(0, "rebaseline", model="*"),
        place(1, "approve_current", model="*"),
        place(2, "snooze", model="*", until_ms=60_000),
        place(3, "acknowledge", model="*", incident_id="i"),
        place(4, "describe", model="*"),
        place(5, "configure", model="*", change=level),
        place(6, "resume", model="*"),
        place(7, "rebaseline", model="*", effective_ms=4_000),
        seen=False,
    )

    watched.panes(5)

    status = watched.status
    assert [(a.kind, a.outcome) for a in watched.audits] == [
        ("snooze", Outcome.APPLIED),
        ("configure", Outcome.APPLIED),
    ]
    assert (status.snoozed_until_ms, status.n_standing) == (60_000, 8)
    assert watched.scores[0].threshold is not None
    assert watched.scores[0].threshold.p_value == 0.5


def test_a_new_model_is_not_paused_when_all_have_been_resumed() -> None:
    watched = told(
        place(0, "pause", model="*"),
        place(1, "resume", model="*"),
        place(2, "pause", model="*", effective_ms=2_000),
        place(3, "resume", model="*"),
        place(4, "pause", model="*", effective_ms=3_000),
        place(5, "resume", model="*", effective_ms=4_000),
        seen=False,
    )

    watched.panes(9)

    assert [a.outcome for a in watched.audits] == [Outcome.APPLIED] * 6
    assert {a.effective_ms for a in watched.audits} == {9_000}
    assert watched.windows() == [9]


def test_what_was_sent_before_a_new_model_and_is_due_after_its_first_pane_reaches_it() -> None:
    watched = told(
        place(0, "rebaseline", model="*", effective_ms=7_000),
        place(1, "pause", model="*", effective_ms=9_000),
        place(2, "resume", model="*", effective_ms=10_000),
        seen=False,
    )

    watched.panes(5, 6, 7, 8, 9, 10)

    applied = [(a.kind, a.effective_ms) for a in watched.audits if a.outcome is Outcome.APPLIED]
    assert applied == [("rebaseline", 7_000), ("pause", 9_000), ("resume", 10_000)]
    assert watched.scores[-1].reference.start_ms == 7_000
    assert watched.windows() == [5, 6, 7, 8, 10]


def test_a_command_to_a_new_model_finds_the_patterns_before_it_taken() -> None:
    watched = told(place(0, "pause", model="*"), seen=False)

    audits = watched.take(place(1, "resume")).audits
    watched.panes(0, 1)

    assert [(a.kind, a.outcome) for a in audits] == [
        ("pause", Outcome.APPLIED),
        ("resume", Outcome.APPLIED),
    ]
    assert watched.windows() == [0, 1]


def test_a_pane_that_is_too_late_takes_no_command() -> None:
    watched = told(place(0, "pause", model="*"))

    watched.panes(1)

    assert watched.audits == []
    assert watched.status.n_standing == 0


def test_the_order_of_patterns_is_that_of_their_numbers_and_each_sees_the_one_before() -> None:
    watched = Watched(commanded(silence={"after_ms": 2_000}))
    watched.panes(0)
    watched.send("pause")
    watched.time(9_000)
    watched.standing = standing_of(
        place(10, "resume", model="*"), place(11, "snooze", model="*", until_ms=99_000)
    )

    watched.time(10_000)

    assert [a.cause for a in watched.alerts] == ["silence"]
    assert [a.effective_ms for a in watched.audits[1:]] == [9_000, 9_000]
