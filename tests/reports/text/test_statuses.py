"""Status records as people read them."""

from __future__ import annotations

import msgspec
import pytest
from rich.console import Console
from rich.table import Table

from flink_jobs.records.alerts import ScoreStatus
from flink_jobs.records.status import DetectorSummary, ModelState, ModelStatus, Promise, ViewSummary
from flink_jobs.reports.text.statuses import (
    newest_first,
    status_table,
    statuses_table,
    worst_first,
)
from tests.records.examples import make_status


def printed(table: Table) -> str:
    console = Console(width=240, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def main_view(status: ModelStatus) -> ViewSummary:
    (view,) = status.views
    return view


def promising(promise: Promise) -> ModelStatus:
    detector = DetectorSummary(kind="time", test="ks", promise=promise)
    view = msgspec.structs.replace(main_view(make_status()), detectors=[detector])
    return make_status(views=[view])


def test_the_table_of_one_model_has_what_is_known_of_it() -> None:
    text = printed(status_table(make_status(), state_bytes=481_234))

    assert "2,000 events of 2026-01-01 00:00–00:10 UTC (3f9d2c71a8e04b56)" in text
    assert "6,000 since the reference" in text
    assert "until 2026-01-01 01:00 UTC" in text
    assert "0a1b2c3d4e5f60718293a4b5c6d7e8f9  drift, warning, acknowledged" in text
    assert '{"calibration":{"level":0.01}}' in text
    assert "1 command" in text
    assert "481,234" in text


@pytest.mark.parametrize(
    ("promise", "words"),
    [
        (Promise(level=0.001), "a window drifts at a p-value of 0.001 or less"),
        (
            Promise(run_time=2_592_000_000, unit="ms", confidence=0.9),
            "30 d on average until a false alarm, for 90% of references",
        ),
        (
            Promise(run_time=1e6, unit="events", confidence=0.5),
            "1,000,000 events on average until a false alarm, for 50% of references",
        ),
        (
            Promise(run_time=500, unit="windows", confidence=0.9),
            "500 windows on average until a false alarm, for 90% of references",
        ),
    ],
)
def test_the_table_says_what_each_detector_promises(promise: Promise, words: str) -> None:
    assert words in printed(status_table(promising(promise)))


def test_the_table_says_how_far_sequential_detectors_are_from_an_alarm() -> None:
    text = printed(status_table(make_status()))

    assert "5,812 of 1,000,000 events, detector whole" in text


def test_a_model_that_collects_shows_how_many_of_how_many_events() -> None:
    status = make_status("collecting")

    for table in (status_table(status), statuses_table([status])):
        assert "400 of 2,000 events" in printed(table)
    assert "none is open" in printed(status_table(status))


def test_a_reference_that_takes_time_says_until_when() -> None:
    status = make_status("collecting")
    view = msgspec.structs.replace(main_view(status), complete_ms=1_767_229_200_000)

    text = printed(statuses_table([msgspec.structs.replace(status, views=[view])]))

    assert "400 of 2,000 events, until 2026-01-01 01:00 UTC" in text


def test_several_views_of_a_model_are_named_each_with_its_reference() -> None:
    view = main_view(make_status())
    views = [msgspec.structs.replace(view, view=name) for name in ("inputs", "outputs")]

    lines = [line.split() for line in printed(status_table(make_status(views=views))).splitlines()]

    assert [words[1] for words in lines if words[:1] == ["view"]] == ["inputs", "outputs"]
    assert sum(words[:1] == ["reference"] for words in lines) == 2


def test_the_only_view_of_a_configuration_without_views_stays_unnamed() -> None:
    assert "view" not in printed(status_table(make_status()))


def test_the_table_of_all_models_says_what_the_word_for_a_state_does_not() -> None:
    (incident,) = make_status().incidents
    held_back = msgspec.structs.replace(incident, is_told=False)

    text = printed(statuses_table([make_status(is_paused=True, incidents=[held_back])]))

    for words in (
        "△ drift",
        "paused",
        "snoozed until 2026-01-01 01:00 UTC",
        "1 incident held back",
        "1 command waiting",
        "2,000 events, since 2026-01-01 00:10 UTC",
    ):
        assert words in text


@pytest.mark.parametrize("status", [each for each in ScoreStatus if each != "tested"])
def test_a_window_that_was_not_tested_is_not_one_without_drift(status: ScoreStatus) -> None:
    view = main_view(make_status())
    detector = view.detectors[0]
    assert detector.last_window is not None
    last = msgspec.structs.replace(detector.last_window, status=status, is_drift=None)
    detector = msgspec.structs.replace(detector, last_window=last)
    view = msgspec.structs.replace(view, detectors=[detector])

    text = printed(statuses_table([make_status(views=[view])]))

    assert "not tested, " in text
    assert "no drift" not in text


def test_the_worst_or_the_newest_come_first() -> None:
    statuses = [
        make_status(model=name, state=state, at_ms=at_ms)
        for name, state, at_ms in (
            ("b", ModelState.QUIET, 3),
            ("c", ModelState.CRITICAL, 1),
            ("a", ModelState.QUIET, 2),
        )
    ]

    assert [each.model for each in worst_first(statuses)] == ["c", "a", "b"]
    assert [each.model for each in newest_first(statuses)] == ["b", "a", "c"]


def test_each_state_has_a_symbol_and_a_word_of_its_own() -> None:
    cells = {
        printed(statuses_table([make_status(state=state, views=[], snoozed_until_ms=None)]))
        for state in ModelState
    }

    assert len(cells) == len(ModelState)
