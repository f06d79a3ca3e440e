"""What the page knows of models, from the records of a real monitor and from written ones."""

from __future__ import annotations

import base64
import json
import threading

import msgspec
import numpy as np
import pytest

from flink_jobs.dashboard.moved import moved_of
from flink_jobs.dashboard.state import ChartData, LiveState
from flink_jobs.dashboard.wire import AlertEntry, AuditEntry, ModelRow, Watcher
from flink_jobs.records.alerts import AlertKind, Cause, SampleSummary, Severity
from flink_jobs.records.control import Outcome
from flink_jobs.records.status import ModelState
from flink_jobs.reports.charts import figures
from flink_jobs.reports.charts.timeline import timeline
from flink_jobs.reports.streams import read_streams
from tests.core.watched import Watched, commanded
from tests.dashboard.records import BEGIN_MS, WINDOW_MS, alert, score, untested
from tests.records.examples import make_alert, make_audit, make_status

MAIN = ("main", "main")


def followed(**tables: object) -> Watched:
    """A real model whose job writes status records with every pane."""
    kafka, job = {"status_topic": "status"}, {"status_every_ms": 0}
    return Watched(commanded(kafka=kafka, job=job, **tables))


def drifting(watched: Watched | None = None) -> Watched:
    """A real model whose drift has started with pane 2."""
    watched = watched or Watched()
    watched.panes(0, 1)
    watched.panes(2, loc=3.0)
    return watched


def row_of(watched: Watched, *, is_replay: bool = False) -> ModelRow:
    """The model as the page shows it, from records in their order or topic by topic."""
    state = LiveState()
    if is_replay:
        state.take([*watched.alerts, *watched.audits, *watched.statuses, *watched.scores])
    for actions in () if is_replay else watched.actions:
        state.take([*actions.scores, *actions.alerts, *actions.audits, *actions.statuses])
    (row,) = state.everything().rows
    return row


def only_row(state: LiveState) -> ModelRow:
    (row,) = state.everything().rows
    return row


def chart_of(state: LiveState, watcher: Watcher = MAIN, moved_id: str = "") -> ChartData:
    chart = state.chart(0, watcher, moved_id)
    assert chart is not None
    return chart


def statistics_of(chart: ChartData) -> list[float]:
    """The statistics that a chart draws, as the page decodes them."""
    (line,) = [each for each in chart.picture["drawn"]["data"] if "lines+" in each["mode"]]
    packed = base64.b64decode(line["y"]["bdata"])
    return [round(value, 6) for value in np.frombuffer(packed, line["y"]["dtype"]).tolist()]


def test_drift_opens_an_incident_and_recovery_closes_it() -> None:
    watched = drifting()
    drifted = row_of(watched)
    watched.panes(3, 4)
    recovered = row_of(watched)

    assert (drifted.state, [each.cause for each in drifted.incidents]) == ("drift", [Cause.DRIFT])
    assert drifted.incidents[0].started_ms == 3_000
    assert (recovered.state, recovered.incidents) == ("quiet", [])
    assert recovered.last_ms == 5_000


@pytest.mark.parametrize("is_replay", [False, True])
def test_a_command_from_somewhere_else_acknowledges_the_only_incident(is_replay: bool) -> None:
    watched = drifting()

    watched.send("acknowledge", incident_id=watched.alerts[0].incident_id)

    assert row_of(watched, is_replay=is_replay).incidents[0].is_acknowledged


def test_an_alert_after_it_was_acknowledged_asks_anew() -> None:
    state = LiveState()
    state.take([alert("m", 3, incident_id="i")])
    (seen,) = make_status().incidents
    seen = msgspec.structs.replace(seen, incident_id="i")
    state.take([make_status(model="m", at_ms=at(4), heard_ms=at(4), incidents=[seen])])
    before = only_row(state).incidents[0].is_acknowledged

    critical = {"kind": AlertKind.ONGOING, "severity": Severity.CRITICAL}
    state.take([alert("m", 5, incident_id="i", **critical)])

    assert before
    assert not only_row(state).incidents[0].is_acknowledged
    assert only_row(state).state == "critical"


def test_a_window_tested_early_takes_the_page_no_further_than_to_its_test() -> None:
    state = LiveState()
    found = alert("m", 8, incident_id="i")
    early = msgspec.structs.replace(found.window, closed_ms=at(3), closed_early=True)

    state.take([msgspec.structs.replace(found, window=early)])

    assert only_row(state).incidents[0].started_ms == at(3)
    assert only_row(state).last_ms == at(3)


@pytest.mark.parametrize("is_replay", [False, True])
def test_pause_and_resume_are_known_from_their_answers(is_replay: bool) -> None:
    watched = Watched()
    watched.panes(0, 1)
    watched.send("pause")
    paused = row_of(watched, is_replay=is_replay)
    watched.send("resume")

    resumed = row_of(watched, is_replay=is_replay)
    assert paused.state == "paused"
    assert paused.status is not None
    assert paused.status.is_paused
    assert resumed.status is not None
    assert not resumed.status.is_paused


@pytest.mark.parametrize("is_replay", [False, True])
def test_a_snooze_is_known_from_its_answer_until_event_time_passes_it(is_replay: bool) -> None:
    watched = Watched()
    watched.panes(0, 1)
    watched.send("snooze", until_ms=4_000)
    snoozed = row_of(watched, is_replay=is_replay)
    watched.panes(2, 3, 4)

    assert snoozed.snoozed_until_ms == 4_000
    assert row_of(watched, is_replay=is_replay).snoozed_until_ms is None


def test_a_snooze_into_the_past_holds_nothing_back() -> None:
    watched = Watched()
    watched.panes(0, 1)

    watched.send("snooze", until_ms=1_000)

    assert row_of(watched).snoozed_until_ms is None


@pytest.mark.parametrize("is_replay", [False, True])
@pytest.mark.parametrize("has_topic", [False, True])
def test_a_rebaseline_is_shown_until_windows_are_tested_again(
    is_replay: bool, has_topic: bool
) -> None:
    watched = drifting(followed() if has_topic else None)
    watched.send("rebaseline")
    collecting = row_of(watched, is_replay=is_replay)
    watched.panes(3, 4, 5)

    assert collecting.state == "collecting"
    assert row_of(watched, is_replay=is_replay).state == "quiet"


@pytest.mark.parametrize("is_replay", [False, True])
def test_a_model_that_only_collects_is_shown_with_its_progress(is_replay: bool) -> None:
    watched = followed(reference={"n_events": 100})

    watched.panes(0, 1)

    row = row_of(watched, is_replay=is_replay)
    assert (row.state, row.watchers) == ("collecting", [])
    assert row.status is not None
    (view,) = row.status.views
    assert (view.n_collected, view.n_wanted) == (80, 100)


def test_a_model_that_drifts_while_it_is_snoozed_does_not_look_quiet() -> None:
    watched = followed()
    watched.panes(0, 1)
    watched.send("snooze", until_ms=90_000)
    watched.panes(2, 3, loc=3.0)

    row = row_of(watched)

    assert watched.alerts == []
    assert (row.state, row.snoozed_until_ms, row.incidents) == ("drift", 90_000, [])


def test_an_incident_that_alerts_did_not_tell_of_is_left_to_them_where_all_models_decide() -> None:
    state = LiveState()
    state.take([score("fraud", 0, 0.04)])

    state.take([make_status(may_hold_back=True)])

    assert only_row(state).incidents == []
    assert only_row(state).state == "quiet"


def test_an_old_answer_does_not_take_the_place_of_a_newer_status() -> None:
    state = LiveState()
    newer, older = make_status(), make_status(at_ms=5, is_paused=True, incidents=[])

    state.take([newer, make_audit("describe", status=older)])

    assert only_row(state).status == newer


def test_the_last_status_of_the_topic_holds_though_a_job_began_again_with_older_events() -> None:
    state = LiveState()
    older = make_status("collecting")

    state.take([make_status(), older])

    assert only_row(state).status == older


def test_a_status_says_that_a_model_is_gone() -> None:
    state = LiveState()
    state.take([make_status(), make_status("forgotten")])

    assert (only_row(state).state, only_row(state).incidents) == (ModelState.FORGOTTEN, [])


def test_a_refused_command_changes_nothing() -> None:
    state = LiveState()
    state.take([score("m", 0)])

    state.take([make_audit("refused", model="m", kind="pause")])

    assert only_row(state).status is None
    assert only_row(state).state == "quiet"


def test_describe_puts_right_what_alerts_did_not_say() -> None:
    watched = drifting()
    state = LiveState()
    state.take([alert("model", 0, incident_id="lost", job="loudly")])
    state.take(watched.scores)

    audit = watched.send("describe")
    assert audit.status is not None
    status = msgspec.structs.replace(audit.status, at_ms=at(2))
    state.take([msgspec.structs.replace(audit, status=status)])

    row = only_row(state)
    assert [each.incident_id for each in row.incidents] == [watched.alerts[0].incident_id]
    assert row.status is not None
    assert row.status.views[0].phase == "monitoring"


def test_a_new_incident_takes_the_place_of_one_whose_end_was_never_written() -> None:
    state = LiveState()

    state.take([alert("m", 1, incident_id="old"), alert("m", 9, incident_id="new")])

    assert [each.incident_id for each in only_row(state).incidents] == ["new"]


def test_incidents_of_different_causes_stand_side_by_side_and_the_worst_names_the_state() -> None:
    state = LiveState()

    state.take([alert("m", 1, "silence", incident_id="s"), alert("m", 2, incident_id="d")])

    assert {each.cause for each in only_row(state).incidents} == {Cause.DRIFT, Cause.SILENCE}
    assert only_row(state).state == "drift"


def test_windows_that_were_not_tested_are_no_sign_of_health() -> None:
    state = LiveState()

    state.take([untested("m", 0)])

    assert only_row(state).state == "untested"
    picture = chart_of(state).picture
    assert picture["words"].startswith("Timeline: 0 windows tested, 0 above the threshold")
    assert [row[1:4] for row in picture["rows"]] == [("× too few events", "–", "–")]


def test_what_changed_is_sent_once_and_numbers_alone_as_ticks() -> None:
    state = LiveState()
    state.take([score("a", 0), score("b", 0)])
    first = state.drain()

    state.take([score("a", 1, 0.06), score("a", 2, 0.02)])
    second = state.drain()

    assert {row.model for row in first.rows} == {"a", "b"}
    assert (second.rows, second.ticks) == ([], [(0, at(3), [0.75, 0.25])])
    assert msgspec.json.encode(state.drain()) == b"{}"


def test_the_chart_is_the_figure_of_the_report() -> None:
    scores = [score("m", place, 0.2 if place == 5 else 0.04) for place in range(8)]
    scores.insert(3, untested("m", 40))
    alerts = [alert("m", 5), alert("m", 7, kind=AlertKind.RECOVERED)]
    state = LiveState()
    state.take([*reversed(alerts), *scores])

    drawn = chart_of(state).picture["drawn"]

    (view,) = read_streams(scores, alerts)
    span_ms = float(at(0)), float(at(41))
    assert drawn == figures.for_page(timeline(view, [], span_ms, n_columns=600))
    assert {"triangle-up", "triangle-down", "square", "x"} <= {
        each.get("marker", {}).get("symbol") for each in drawn["data"]
    }


def test_a_chart_holds_the_last_windows() -> None:
    state = LiveState(n_windows=5)
    state.take(score("m", place, 0.01 * place) for place in range(8))

    chart = chart_of(state)

    assert chart.n_seen == 8
    assert statistics_of(chart) == [0.03, 0.04, 0.05, 0.06, 0.07]
    assert chart.picture["rows"][0][:4] == ("2026-01-01 00:08", "no drift", "0.07", "0.08")
    assert state.chart(0, ("main", "other")) is None
    assert state.chart(99, None) is None


def test_the_stretches_of_the_last_references_are_kept() -> None:
    state = LiveState()
    reference = score("m", 0).reference
    given = [
        msgspec.structs.replace(reference, fingerprint=f"r{n}", start_ms=at(n), end_ms=at(n + 1))
        for n in range(30)
    ]
    state.take(score("m", n, reference=each) for n, each in enumerate(given[:2]))
    fixed = chart_of(state).picture["drawn"]["layout"]["annotations"]
    state.take(score("m", n, reference=each) for n, each in enumerate(given))

    # One that moves is everywhere.
    assert [note["text"] for note in fixed] == ["reference"] * 2
    assert chart_of(state).picture["drawn"]["layout"]["annotations"] == []


def test_all_models_are_one_picture_with_the_worst_at_the_top() -> None:
    state = LiveState()
    state.take([score("calm", 0), score("moved", 0, 0.2), untested("few", 0), alert("moved", 0)])

    picture = state.overview()

    assert [name for name, *_ in picture.rows] == ["moved", "few", "calm"]
    assert picture.words.startswith("3 models from 2026-01-01 00:00 to 2026-01-01 00:01 UTC")
    drifting = next(t for t in picture.drawn.data if t.marker.pattern.shape == "/")
    assert drifting.y.tolist() == [0]
    assert json.loads(picture.encoded())["drawn"]["layout"]["yaxis"]["ticktext"] == [
        *("moved", "few", "calm")
    ]


def test_a_page_without_any_model_has_an_empty_picture() -> None:
    picture = LiveState().overview()

    assert (list(picture.rows), json.loads(picture.encoded())["rows"]) == ([], [])


def test_windows_of_several_days_become_a_calendar() -> None:
    state = LiveState()
    a_day = 24 * 60
    state.take([score("m", 0), score("m", a_day + 60, 0.2), score("m", 2 * a_day)])
    state.take([score("short", 0)])

    picture = state.calendar(0, MAIN)

    assert picture is not None
    assert list(picture.rows) == [
        ("2026-01-01", "1", "0", "–"),
        ("2026-01-02", "1", "1", "01"),
        ("2026-01-03", "1", "0", "–"),
    ]
    assert state.calendar(1, MAIN) is None
    assert state.calendar(99, None) is None


def test_what_moved_comes_with_a_picture_of_all_columns() -> None:
    state = LiveState()
    state.take([score("m", 0, 0.2), alert("m", 0)])

    moved = chart_of(state).moved

    assert moved is not None
    assert moved.words.startswith("Columns by how much they moved: plan")
    assert [len(trace["y"]) for trace in moved.drawn["data"]][-1] == len(moved.columns)


def test_memory_is_bounded_and_models_with_incidents_are_forgotten_last() -> None:
    state = LiveState(most_models=3)
    state.take([alert("open", 0)])
    state.take(score(f"m-{number}", 0) for number in range(5))

    changes = state.drain()

    assert {row.model for row in state.everything().rows} == {"open", "m-3", "m-4"}
    assert (state.n_forgotten, changes.gone) == (3, [1, 2, 3])
    assert {row.model for row in changes.rows} == {"open", "m-3", "m-4"}


def test_names_that_no_command_could_carry_are_skipped_and_counted() -> None:
    state = LiveState()

    state.take([score("", 0), score("m" * 1_025, 0), score("m" * 1_024, 0)])

    assert (len(state.everything().rows), state.n_skipped) == (1, 2)


def test_views_of_a_model_have_incidents_and_windows_of_their_own() -> None:
    state = LiveState()
    for place, view in enumerate(("inputs", "outputs")):
        state.take([score("m", 0, 0.1 * (place + 1), view=view)])
        state.take([alert("m", 0, view=view, incident_id=view)])
    state.take([alert("m", 1, view="inputs", incident_id="inputs", kind=AlertKind.RECOVERED)])

    row = only_row(state)
    charts = [chart_of(state, watcher) for watcher in row.watchers]

    assert row.watchers == [("inputs", "main"), ("outputs", "main")]
    assert [incident.view for incident in row.incidents] == ["outputs"]
    assert [statistics_of(chart) for chart in charts] == [[0.1], [0.2]]
    first = state.chart(0, None)
    assert first is not None
    assert (first.view, first.detector) == ("inputs", "main")


def test_a_forgotten_model_has_no_open_incident_and_is_back_with_its_next_window() -> None:
    state = LiveState()
    state.take([score("m", 0), alert("m", 1, "forgotten")])
    forgotten = only_row(state)

    state.take([score("m", 2)])

    assert (forgotten.state, forgotten.incidents) == ("forgotten", [])
    assert only_row(state).state == "quiet"


def test_detectors_of_one_model_are_bounded() -> None:
    state = LiveState()

    state.take(score("m", 0, detector=f"d-{number}") for number in range(100))

    assert len(only_row(state).watchers) == 32


def test_an_answer_makes_a_model_known_only_when_the_job_did_something() -> None:
    state = LiveState()

    state.take([make_audit("accepted", audit_id="1", model="all-*")])
    state.take([make_audit("refused", audit_id="2", model="typo")])
    status = make_status("collecting", model="quiet")
    state.take([make_audit(audit_id="3", model="quiet", outcome=Outcome.APPLIED, status=status)])

    changes = state.everything()
    assert [row.model for row in changes.rows] == ["quiet"]
    assert len(changes.entries) == 3


def test_the_timeline_is_told_as_the_terminal_tells_it_whatever_the_names_hold() -> None:
    state = LiveState()

    state.take([alert("two\nlines", 0, view="c\nd", detector="a\nb")])
    state.take([make_audit(model=None, kind=None, command_id=None, reason="r" * 5_000)])

    told, answered = state.everything().entries
    assert isinstance(told, AlertEntry)
    assert isinstance(answered, AuditEntry)
    assert told.model == "two\nlines"
    assert told.lines[0].startswith("mixed: statistic 0.412 ≥ 0.0779")
    assert len(answered.reason) == 600


def test_threads_that_write_and_read_lose_nothing() -> None:
    state = LiveState()
    writers = [
        threading.Thread(target=lambda name=name: state.take(score(name, p) for p in range(300)))
        for name in "abcd"
    ]
    names: dict[int, str] = {}

    for writer in writers:
        writer.start()
    is_over = False
    while not is_over:
        is_over = not any(writer.is_alive() for writer in writers)
        changes = state.drain()
        names |= {row.number: row.model for row in changes.rows}
        assert {number for number, _, _ in changes.ticks} <= set(names)

    charts = [state.chart(number, None) for number in names]
    assert sorted(chart.n_seen for chart in charts if chart) == [300] * 4
    assert set(names.values()) == set("abcd")


def at(place: int) -> int:
    """The moment at which window number ``place`` starts."""
    return BEGIN_MS + place * WINDOW_MS


def test_what_moved_is_told_of_the_newest_alert_and_sent_once() -> None:
    state = LiveState()
    state.take([score("fraud", 0), score("fraud", 1), score("fraud", 2)])
    newest = alert("fraud", 2)
    state.take([newest, alert("fraud", 1), alert("fraud", 2, kind=AlertKind.RECOVERED)])

    first = chart_of(state)
    again = chart_of(state, moved_id=first.moved_id)

    assert first.moved is not None
    assert first.moved.alert_id == newest.alert_id
    assert first.moved_id == again.moved_id
    assert [column.name for column in first.moved.columns] == ["plan", "tenure"]
    assert again.moved is None


def test_what_moved_of_one_view_is_not_shown_of_another() -> None:
    state = LiveState()
    state.take([score("fraud", 0, view="inputs"), score("fraud", 0, view="outputs")])
    state.take([alert("fraud", 0, view="inputs")])

    inputs, outputs = (chart_of(state, (view, "main")) for view in ("inputs", "outputs"))

    assert inputs.moved is not None
    assert (outputs.moved, outputs.moved_id) == (None, "")


def test_a_silent_model_says_nothing_of_columns() -> None:
    state = LiveState()
    state.take([score("fraud", 0), alert("fraud", 1, "silence")])

    assert chart_of(state).moved is None


def test_of_many_columns_the_first_are_drawn_and_the_rest_is_bounded() -> None:
    (plan, tenure) = make_alert().top_columns
    many = [plan, tenure] * 400

    moved = moved_of(make_alert(top_columns=many))

    assert len(moved.columns) == 300
    drawn = [column.drawn is not None for column in moved.columns]
    assert drawn == [True] * 6 + [False] * 294


@pytest.mark.parametrize("missing", ["n_ref", "n_test"])
def test_what_moved_says_that_it_comes_from_a_sample_where_the_alert_counts_more(missing) -> None:
    every = SampleSummary(n_ref=2_000, n_test=2_000)
    fewer = msgspec.structs.replace(every, **{missing: 1_000})

    of_all, of_some = (moved_of(make_alert(sample=sample)) for sample in (every, fewer))

    assert (of_all.is_sample, of_some.is_sample) == (False, True)


def test_what_moved_has_the_charts_of_the_report_with_units_and_missing_values() -> None:
    plan, tenure = moved_of(make_alert()).columns

    assert [text for text, *_ in plan.rows] == ["family (new)", "basic", "plus", "(missing)"]
    assert tenure.rows == [
        ("5 %", "1", "2"),
        ("median", "12.1", "30.4"),
        ("95 %", "48", "61.5"),
    ]
    assert plan.drawn is not None
    assert tenure.drawn is not None
    assert plan.drawn["layout"]["yaxis"]["ticktext"][0] == "family<br>(new)"
    assert tenure.drawn["layout"]["xaxis"]["title"] == {"text": "months"}
    assert (tenure.type, tenure.missing) == ("number, months", "none missing")
