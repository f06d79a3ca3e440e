"""The status of a model's state that describe answers with."""

from __future__ import annotations

from tests.core.watched import Watched, commanded


def test_describe_tells_all_that_commands_have_changed() -> None:
    watched = Watched(commanded(silence={"after_ms": 5_000}))
    watched.panes(0, 1)
    watched.panes(2, loc=3.0)
    incident_id = watched.alerts[0].incident_id
    watched.send("acknowledge", incident_id=incident_id)
    watched.send("snooze", until_ms=50_000)
    watched.send("configure", change={"policy": {"exemplars": 0}})
    watched.send("pause", effective_ms=90_000)

    audit = watched.send("describe")

    status = audit.status
    assert status is not None
    (view,) = status.views
    assert (view.view, view.phase, view.reference.n_events) == ("main", "monitoring", 30)
    assert (view.n_monitored, status.at_ms, status.heard_ms) == (90, 3_000, 3_000)
    assert (status.is_paused, status.snoozed_until_ms, status.n_pending) == (False, 50_000, 1)
    assert status.change == '{"policy":{"exemplars":0}}'
    assert [(i.incident_id, i.is_acknowledged) for i in status.incidents] == [(incident_id, True)]
    assert status.config_version == watched.panes(3).scores[-1].config_version
    assert audit.state_bytes is not None
    assert audit.state_bytes > len(watched.reference_block or b"")


def test_describe_lists_the_incidents_of_every_cause() -> None:
    watched = Watched(commanded(reference={"n_events": 80}, silence={"after_ms": 2_000}))
    watched.panes(0)
    watched.panes(1, loc=5.0)
    watched.time(9_000)

    status = watched.send("describe").status

    assert status is not None
    assert {(i.cause, i.incident_id) for i in status.incidents} == {
        (a.cause, a.incident_id) for a in watched.alerts
    }
    assert len(status.incidents) == 2


def test_describe_changes_nothing() -> None:
    watched = Watched()
    watched.panes(0)
    before = watched.status

    watched.send("describe")

    assert watched.status == before
