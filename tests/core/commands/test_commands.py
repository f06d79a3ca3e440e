"""What each command does to the windows, the reference and the incidents of a model."""

from __future__ import annotations

import pytest

from flink_jobs.records.alerts import AlertKind, Ending
from flink_jobs.records.control import Outcome
from flink_jobs.version import __version__
from tests.core.watched import Watched, commanded

STARTED, ONGOING, RECOVERED = AlertKind.STARTED, AlertKind.ONGOING, AlertKind.RECOVERED


def drifting() -> Watched:
    """A model whose drift has started with pane 2."""
    watched = Watched()
    watched.panes(0, 1)
    watched.panes(2, loc=3.0)
    assert [a.kind for a in watched.alerts] == [STARTED]
    return watched


def kinds_of(watched: Watched) -> list[tuple[AlertKind, Ending | None]]:
    return [(alert.kind, alert.ending) for alert in watched.alerts]


def test_an_answer_says_who_asked_for_what_and_from_when_on_it_holds() -> None:
    watched = Watched()
    watched.panes(0, 1)

    audit = watched.send("pause", command_id="c-7")

    assert (audit.outcome, audit.effective_ms) == (Outcome.APPLIED, 2_000)
    assert (audit.command_id, audit.kind, audit.model) == ("c-7", "pause", "model")
    assert (audit.issued_by, audit.partition, audit.offset) == ("on-call", 0, 0)
    assert (audit.job, audit.job_version, audit.state_bytes) == ("loudly", __version__, None)


def test_an_applied_command_is_answered_with_the_status_that_it_left() -> None:
    watched = Watched()
    watched.panes(0, 1)

    audits = [watched.send("pause"), watched.send("resume"), watched.send("resume")]

    statuses = [audit.status for audit in audits]
    assert [None if each is None else each.is_paused for each in statuses] == [True, False, None]


def test_rebaseline_collects_the_next_events_and_tests_nothing_until_they_are_there() -> None:
    watched = Watched()
    watched.panes(0, 1)

    audit = watched.send("rebaseline")
    watched.panes(2, n=20)
    watched.panes(3, n=10)
    watched.panes(4)

    assert audit.outcome is Outcome.APPLIED
    assert [s.window.start_ms for s in watched.scores] == [0, 1_000, 4_000]
    first, last = watched.scores[0].reference, watched.scores[-1].reference
    assert (last.start_ms, last.end_ms, last.n_events) == (2_000, 4_000, 30)
    assert last.fingerprint != first.fingerprint


def test_rebaseline_while_a_reference_is_collected_starts_over() -> None:
    watched = Watched()
    watched.panes(0, n=20)

    watched.send("rebaseline")
    watched.panes(1, n=20)

    assert watched.status.views[0].phase == "collecting"
    assert watched.status.views[0].n_collected == 20


def test_nothing_of_a_reference_is_left_while_the_next_one_is_collected() -> None:
    watched = Watched()
    watched.panes(0, 1)

    watched.send("rebaseline")

    assert list(watched.state.entries) == ["status"]
    assert watched.status.views[0].reference_bytes == 0


def test_rebaseline_while_paused_collects_after_resume() -> None:
    watched = Watched()
    watched.panes(0, 1)
    watched.send("pause")

    audit = watched.send("rebaseline")
    watched.panes(2)
    watched.send("resume")
    watched.panes(3)

    assert "after resume" in audit.reason
    assert watched.status.views[0].reference_start_ms == 3_000


@pytest.mark.parametrize("kind", ["rebaseline", "approve_current"])
def test_who_saw_an_incident_begin_sees_a_new_reference_end_it(kind: str) -> None:
    watched = drifting()

    watched.send(kind)

    assert kinds_of(watched) == [(STARTED, None), (RECOVERED, Ending.NEW_REFERENCE)]
    started, recovered = watched.alerts
    assert recovered.incident_id == started.incident_id
    assert recovered.alert_id != started.alert_id
    assert recovered.reference == started.reference
    assert (recovered.window.start_ms, recovered.window.n_events) == (3_000, 0)
    assert recovered.p_value is None


def test_nothing_is_written_of_the_end_of_an_incident_that_nobody_saw_begin() -> None:
    watched = Watched()
    watched.panes(0, 1)
    watched.send("snooze", until_ms=9_000)
    watched.panes(2, loc=3.0)
    assert watched.status.views[0].watches[0].incident.incident_id

    watched.send("rebaseline")

    assert watched.alerts == []
    assert watched.status.views[0].watches[0].incident.incident_id == ""


def test_snooze_holds_alerts_back_and_the_next_one_says_how_many() -> None:
    watched = Watched()
    watched.panes(0, 1)

    audit = watched.send("snooze", until_ms=5_000)
    watched.panes(2, 3, 4, loc=3.0)

    assert "until 1970-01-01 00:00:05 UTC" in audit.reason
    assert [(a.kind, a.window.start_ms) for a in watched.alerts] == [(STARTED, 4_000)]
    assert watched.alerts[0].n_suppressed == 2
    assert len(watched.scores) == 5


def test_a_snoozed_model_still_tells_the_end_of_an_incident_that_somebody_saw_begin() -> None:
    watched = drifting()

    watched.send("snooze", until_ms=100_000)
    watched.panes(3, loc=3.0)
    watched.panes(4)

    assert kinds_of(watched) == [(STARTED, None), (RECOVERED, Ending.NORMAL)]
    assert watched.alerts[-1].n_suppressed == 1


def test_a_snoozed_model_tells_neither_begin_nor_end_of_what_begins_meanwhile() -> None:
    watched = Watched()
    watched.panes(0, 1)

    watched.send("snooze", until_ms=100_000)
    watched.panes(2, loc=3.0)
    watched.panes(3)

    assert watched.alerts == []


def test_a_snooze_that_is_over_when_it_is_sent_ends_an_earlier_one() -> None:
    watched = Watched()
    watched.panes(0, 1)
    watched.send("snooze", until_ms=100_000)

    audit = watched.send("snooze", until_ms=0)
    watched.panes(2, loc=3.0)

    assert "no alert is held back" in audit.reason
    assert [a.kind for a in watched.alerts] == [STARTED]


def test_a_snoozed_model_tells_nothing_of_a_reference_that_drifts_while_it_is_collected() -> None:
    watched = Watched(commanded(reference={"n_events": 80}))
    watched.send("snooze", until_ms=3_000)

    watched.panes(0)
    watched.panes(1, loc=5.0)
    watched.panes(2, loc=20.0)

    assert [(a.cause, a.kind, a.n_suppressed) for a in watched.alerts] == [("drift", STARTED, 1)]


def test_acknowledge_stops_ongoing_alerts_but_not_the_recovered_one() -> None:
    watched = drifting()

    audit = watched.send("acknowledge", incident_id=watched.alerts[0].incident_id)
    watched.panes(3, 4, loc=3.0)
    watched.panes(5)

    assert audit.outcome is Outcome.APPLIED
    assert [a.kind for a in watched.alerts] == [STARTED, RECOVERED]


def test_an_acknowledged_incident_that_becomes_critical_is_told_again() -> None:
    watched = Watched(commanded(policy={"critical_effect_size": 0.95}))
    watched.panes(0, 1)
    watched.panes(2, loc=1.5)

    watched.send("acknowledge", incident_id=watched.alerts[0].incident_id)
    watched.panes(3, loc=1.5)
    watched.panes(4, loc=6.0)

    assert [(a.kind, a.severity) for a in watched.alerts] == [
        (STARTED, "warning"),
        (ONGOING, "critical"),
    ]


def test_acknowledging_what_is_not_open_is_refused_with_what_is() -> None:
    watched = drifting()

    audit = watched.send("acknowledge", incident_id="nonsense")
    watched.panes(3)
    over = watched.send("acknowledge", incident_id=watched.alerts[0].incident_id)

    assert audit.outcome is Outcome.REFUSED
    assert f"open: {watched.alerts[0].incident_id}" in audit.reason
    assert (over.outcome, over.reason[-10:]) == (Outcome.REFUSED, "open: none")


def test_pause_tests_nothing_and_resume_goes_on_with_the_same_reference() -> None:
    watched = Watched(commanded(window={"size_ms": 2_000, "slide_ms": 1_000}))
    watched.panes(0, 1, 2)

    watched.send("pause")
    paused = [watched.panes(index, loc=9.0).counts for index in (3, 4)]
    resumed = watched.send("resume")
    watched.panes(5, 6, 7)

    assert [(c.used, c.paused) for c in paused] == [(40, 40), (40, 40)]
    assert resumed.effective_ms == 5_000
    assert watched.windows() == [0, 1, 5, 6]
    assert len({s.reference.fingerprint for s in watched.scores}) == 1
    assert watched.alerts == []


def test_an_incident_outlasts_a_pause() -> None:
    watched = drifting()

    watched.send("pause")
    watched.panes(3)
    watched.send("resume")
    watched.panes(4, loc=3.0)
    watched.panes(5)

    assert [a.kind for a in watched.alerts] == [STARTED, ONGOING, RECOVERED]
    assert len({a.incident_id for a in watched.alerts}) == 1


def test_count_windows_after_resume_hold_no_event_of_before() -> None:
    watched = Watched(commanded(window={"kind": "count", "size": 30, "slide": 30}))
    watched.panes(0, 1)

    watched.send("pause")
    watched.panes(2, loc=9.0)
    watched.send("resume")
    watched.panes(3, 4)

    assert [s.is_drift for s in watched.scores] == [False] * len(watched.scores)
    assert [s.window.start_ms // 1_000 for s in watched.scores] == [0, 3, 3]


def test_resume_without_pause_is_refused() -> None:
    watched = Watched()
    watched.panes(0)

    audit = watched.send("resume")

    assert (audit.outcome, audit.effective_ms) == (Outcome.REFUSED, None)
    assert "not paused" in audit.reason


def test_a_reference_is_collected_on_after_a_pause() -> None:
    watched = Watched()
    watched.panes(0, n=20)

    watched.send("pause")
    watched.panes(1, n=20, loc=9.0)
    watched.send("resume")
    watched.panes(2, n=10)
    watched.panes(3)

    (score,) = watched.scores
    assert (score.reference.n_events, score.is_drift) == (30, False)


def test_the_time_of_a_pause_is_no_silence_and_that_after_it_is() -> None:
    watched = Watched(commanded(silence={"after_ms": 2_000}))
    watched.panes(0, 1)

    watched.send("pause")
    during = watched.time(10_000)
    watched.send("resume")

    assert during.alerts == []
    assert [(a.cause, a.kind) for a in watched.alerts] == [("silence", STARTED)]
