from __future__ import annotations

import msgspec
import pytest

from flink_jobs.demo.job_file import VIEWS
from flink_jobs.demo.outcome import ModelOutcome, Reported, judge_models, unstable_note
from flink_jobs.demo.streams import ModelStream
from flink_jobs.demo.timing import (
    DRIFT_FROM,
    EVENTS_PER_MINUTE,
    MINUTE_MS,
    N_REFERENCE,
    START_MS,
    WINDOW_ENDS_MS,
    WINDOW_MS,
)
from flink_jobs.records.alerts import Alert, AlertKind, Cause
from tests.demo.conftest import Run
from tests.records.examples import make_alert


def alert_of(model: str, end_minute: int, kind: AlertKind = AlertKind.STARTED) -> Alert:
    """An alert about the ten minutes before ``end_minute``."""
    end_ms = START_MS + end_minute * MINUTE_MS
    example = make_alert()
    window = msgspec.structs.replace(
        example.window,
        start_ms=end_ms - WINDOW_MS,
        end_ms=end_ms,
        closed_ms=end_ms,
        first_event=(end_minute - 10) * EVENTS_PER_MINUTE - N_REFERENCE,
        n_events=10 * EVENTS_PER_MINUTE,
    )
    return msgspec.structs.replace(example, model=model, kind=kind, window=window)


def judge(run: Run, model: str, *alerts: Alert) -> ModelOutcome:
    stream: ModelStream = next(stream for stream in run.streams if stream.model == model)
    return judge_models([stream], Reported(alerts, run.reported.scores, []))[0]


def test_all_four_models_come_out_right(offline_run: Run) -> None:
    assert [outcome.verdict for outcome in offline_run.outcomes] == ["silent", *["found"] * 3]
    assert all(outcome.is_right for outcome in offline_run.outcomes)


def test_every_model_is_tested_on_every_window(offline_run: Run) -> None:
    for outcome in offline_run.outcomes:
        assert outcome.n_windows == len(VIEWS) * len(WINDOW_ENDS_MS) == 42


def test_the_delay_counts_events_from_the_drift_to_the_end_of_the_first_alerts_window(
    offline_run: Run,
) -> None:
    outcome = judge(offline_run, "lost-class", alert_of("lost-class", end_minute=36))

    assert outcome.delay_events == 36 * EVENTS_PER_MINUTE - DRIFT_FROM
    assert outcome.is_right


def test_an_alert_of_the_stable_model_is_a_false_alarm(offline_run: Run) -> None:
    outcome = judge(offline_run, "stable", alert_of("stable", end_minute=40))

    assert (outcome.verdict, outcome.is_right) == ("false alarm", False)


def test_an_alert_before_the_drift_is_a_false_alarm_even_when_the_drift_is_found(
    offline_run: Run,
) -> None:
    alerts = [alert_of("lost-class", end_minute=minute) for minute in (30, 36)]

    outcome = judge(offline_run, "lost-class", *alerts)

    assert (outcome.verdict, outcome.is_right) == ("false alarm", False)
    assert outcome.found == alerts[1]


def test_a_drift_is_found_when_the_first_of_the_views_finds_it(offline_run: Run) -> None:
    late, early = (
        msgspec.structs.replace(alert_of("lost-class", end_minute=minute), view=view)
        for view, minute in zip(VIEWS, (40, 36), strict=True)
    )

    outcome = judge(offline_run, "lost-class", late, early)

    assert outcome.found_by == {VIEWS.inputs: late, VIEWS.outputs: early}
    assert outcome.found == early
    assert outcome.delay_events == 36 * EVENTS_PER_MINUTE - DRIFT_FROM


def test_a_view_keeps_the_first_of_its_alerts(offline_run: Run) -> None:
    alerts = [alert_of("lost-class", end_minute=minute) for minute in (36, 40)]

    assert judge(offline_run, "lost-class", *alerts).found == alerts[0]


def test_other_writers_show_in_the_inputs_before_they_show_in_the_outputs(
    offline_run: Run,
) -> None:
    writers = next(each for each in offline_run.outcomes if each.model == "writer-order")

    inputs, outputs = (writers.found_by[view].window.end_ms for view in VIEWS)

    assert inputs < outputs


def test_a_drift_without_an_alert_is_missed(offline_run: Run) -> None:
    outcome = judge(offline_run, "lost-class")

    assert (outcome.verdict, outcome.is_right) == ("missed", False)


@pytest.mark.parametrize("kind", [AlertKind.ONGOING, AlertKind.RECOVERED])
def test_only_an_alert_that_starts_an_incident_finds_a_drift(
    offline_run: Run, kind: AlertKind
) -> None:
    alert = alert_of("lost-class", end_minute=36, kind=kind)

    assert judge(offline_run, "lost-class", alert).verdict == "missed"


def test_a_model_on_which_no_window_was_tested_is_not_silent_but_untested(offline_run: Run) -> None:
    outcomes = judge_models(offline_run.streams, Reported([], [], []))

    assert {(outcome.verdict, outcome.is_right) for outcome in outcomes} == {("not tested", False)}


def test_alerts_of_other_models_do_not_count(offline_run: Run) -> None:
    outcome = judge(offline_run, "stable", alert_of("lost-class", end_minute=40))

    assert outcome.is_right


@pytest.mark.parametrize("cause", [Cause.SILENCE, Cause.UNSTABLE_REFERENCE])
def test_an_alert_of_another_cause_is_neither_a_find_nor_a_false_alarm(
    offline_run: Run, cause: Cause
) -> None:
    early, late = (
        msgspec.structs.replace(alert_of("lost-class", end_minute=minute), cause=cause)
        for minute in (10, 36)
    )

    outcome = judge(offline_run, "lost-class", early, late)

    assert (outcome.verdict, outcome.n_false_alarms) == ("missed", 0)


def test_an_unstable_reference_is_said_beside_the_verdict(offline_run: Run) -> None:
    alerts = [
        msgspec.structs.replace(
            alert_of("lost-class", end_minute=10), cause=Cause.UNSTABLE_REFERENCE
        ),
        alert_of("lost-class", end_minute=36),
    ]

    outcome = judge(offline_run, "lost-class", *alerts)

    assert outcome.verdict == "found"
    assert "Unstable reference: lost-class." in unstable_note([outcome])


def test_no_reference_of_the_demonstration_is_unstable(offline_run: Run) -> None:
    assert not any(outcome.has_unstable_reference for outcome in offline_run.outcomes)
    assert unstable_note(offline_run.outcomes) == ""
