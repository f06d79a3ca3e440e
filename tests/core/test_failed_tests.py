"""An error in the detector of one model is said of that model, and touches no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import DriftDetector, KSTest, LevelPerWindow, NoReduction, Prepared
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.actions import Actions
from flink_jobs.core.failures import reason_of
from flink_jobs.core.incidents import lifecycle
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries, LiveEntries
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Ending, Score, ScoreStatus
from flink_jobs.records.control import Outcome
from tests.builders import WIDTH_MS, make_config, make_pane
from tests.core.watched import SECOND, Watched, commanded, rows

FAILED = ScoreStatus.FAILED
# The detectors of these tests fail where they see this value.
POISON = 1e8
PCA = {"reducer": {"kind": "pca", "n_components": 2}, "test": {"kind": "ks"}}
TRAILING = {"kind": "trailing", "size_ms": 2_000, "step_ms": 1_000, "min_events": 20}
# It sees raw rows.
ROWS = {"test": {"kind": "wasserstein", "n_permutations": 99}}
MODELS = ("good-1", "bad", "good-2")
BAD_PANES = (3, 4, 5)


def poison(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, error: Exception) -> None:
    """Let a method fail where one of its arguments holds the poison."""
    works = getattr(owner, method)

    def fails(self: Any, *arguments: Any, **named: Any) -> Any:
        for each in arguments:
            values = getattr(each, "dimension_shifts", each)
            if isinstance(values, np.ndarray) and np.any(np.abs(values) >= POISON / 100):
                raise error
        return works(self, *arguments, **named)

    monkeypatch.setattr(owner, method, fails)


def panes_of(model: str, n: int = 9) -> list[Pane]:
    """Panes of normal rows; some of the bad model's hold the poison."""
    panes = []
    for index in range(n):
        x = rows(index)
        if model == "bad" and index in BAD_PANES:
            x[7] = POISON
        panes.append(make_pane(index, x, first_offset=1_000 * index, model=model))
    return panes


def watch(
    config: DriftJobConfig, models: Sequence[str] = MODELS, *, as_in_a_backtest: bool = False
) -> dict[str, list[Actions]]:
    """Return what one monitor makes of several models, whose panes come in turn."""
    monitor = DriftMonitor(config)
    states = {m: LiveEntries() if as_in_a_backtest else InMemoryEntries() for m in models}
    found: dict[str, list[Actions]] = {model: [] for model in models}
    for panes in zip(*map(panes_of, models), strict=True):
        for pane in panes:
            found[pane.model].append(monitor.on_pane(pane, states[pane.model]))
    return found


def alerts_of(actions: Sequence[Actions]) -> list[Alert]:
    return [alert for each in actions for alert in each.alerts]


def scores_of(actions: Sequence[Actions]) -> list[Score]:
    return [score for each in actions for score in each.scores]


def written(actions: Sequence[Actions]) -> bytes:
    return msgspec.json.encode((alerts_of(actions), scores_of(actions)))


def about_failures(alerts: Sequence[Alert]) -> list[tuple[str, int]]:
    return [(a.kind, a.window.start_ms) for a in alerts if a.cause is Cause.TEST_FAILED]


@pytest.mark.parametrize(
    ("owner", "method", "detector", "as_in_a_backtest"),
    [
        (DriftDetector, "test_reduced", ROWS, False),
        (KSTest, "place", {}, False),
        (KSTest, "place", {}, True),
        (NoReduction, "transform", {}, True),
        (DriftDetector, "event_scores_reduced", {}, False),
        (DriftDetector, "event_scores_reduced", {}, True),
        (LevelPerWindow, "judge", ROWS, False),
    ],
)
def test_a_detector_that_fails_for_one_model_changes_no_record_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    method: str,
    detector: dict[str, Any],
    as_in_a_backtest: bool,
) -> None:
    config = make_config(window=SECOND, calibration={"level": 0.2}, detector=detector)
    undisturbed = watch(config)
    poison(monkeypatch, owner, method, ValueError("it broke"))

    found = watch(config, as_in_a_backtest=as_in_a_backtest)

    for model in ("good-1", "good-2"):
        assert written(found[model]) == written(undisturbed[model])
        assert alerts_of(found[model])
    statuses = {s.window.start_ms // WIDTH_MS: s.status for s in scores_of(found["bad"])}
    assert [index for index, status in statuses.items() if status is FAILED] == list(BAD_PANES)
    assert set(statuses.values()) == {FAILED, ScoreStatus.TESTED}


@pytest.mark.parametrize(
    "error",
    [MemoryError("Unable to allocate 16. GiB"), ZeroDivisionError(), RecursionError("too deep")],
    ids=repr,
)
def test_failing_windows_are_one_alert_which_ends_when_tests_work_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    poison(monkeypatch, KSTest, "place", error)

    actions = watch(make_config(window=SECOND, calibration={"level": 1e-9}))["bad"]

    started, recovered = alerts_of(actions)
    assert about_failures([started, recovered]) == [("started", 3_000), ("recovered", 6_000)]
    assert started.incident_id == recovered.incident_id
    assert started.reason == reason_of(error)
    assert (recovered.reason, recovered.ending) == (None, Ending.NORMAL)
    failed = [score for score in scores_of(actions) if score.status is FAILED]
    assert {(s.reason, s.statistic, s.is_drift) for s in failed} == {(reason_of(error), None, None)}
    assert sum(each.counts.windows_failed for each in actions) == len(BAD_PANES)
    assert sum(each.counts.windows_tested for each in actions) == len(scores_of(actions)) - 3


def test_every_window_that_holds_a_pane_whose_reduction_failed_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison(monkeypatch, Prepared, "transform", ValueError("it broke"))
    config = make_config(window={"size_ms": 2_000, "slide_ms": 1_000}, detector=PCA)

    scores = scores_of(watch(config, ["bad"])["bad"])

    failed = [s.window.start_ms // WIDTH_MS for s in scores if s.status is FAILED]
    assert failed == [2, 3, 4, 5]
    assert {s.window.n_tested for s in scores if s.window.start_ms} == {80}


@pytest.mark.parametrize("reference", [{}, TRAILING], ids=["stays", "moves"])
def test_an_error_leaves_the_incident_about_drift_as_it_was(
    monkeypatch: pytest.MonkeyPatch, reference: dict[str, Any]
) -> None:
    # Names of events are asked for after the drift has been counted.
    poison(monkeypatch, DriftDetector, "event_scores_reduced", ValueError("it broke"))
    watched = Watched(commanded(reference=reference) if reference else commanded())
    watched.panes(0, 1, 2, 3)
    before = watched.status.views[0].watches[0].incident
    x = rows(4, loc=9.0)
    x[7] = POISON

    watched.pane(make_pane(4, x, first_offset=4_000))

    assert watched.scores[-1].status is FAILED
    assert watched.status.views[0].watches[0].incident == before


def test_a_pane_that_cannot_be_measured_fails_its_windows_and_is_in_no_moving_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison(monkeypatch, KSTest, "place", MemoryError("too large"))

    scores = scores_of(watch(make_config(window=SECOND, reference=TRAILING), ["bad"])["bad"])

    # A reference is made of the two panes before a window, of which panes 3 to 5 are left out.
    found = {s.window.start_ms // WIDTH_MS: (s.status.value, s.reference.n_events) for s in scores}
    assert found == {
        2: ("tested", 80),
        3: ("failed", 80),
        4: ("failed", 40),
        5: ("failed", 0),
        6: ("no_reference", 0),
        7: ("tested", 40),
        8: ("tested", 80),
    }
    assert {s.reason for s in scores if s.status is FAILED} == {"MemoryError: too large"}


def test_a_first_moving_reference_that_breaks_the_detector_is_tried_again_with_the_next_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison(monkeypatch, KSTest, "fit", MemoryError("too large"))
    watched = Watched(commanded(reference=TRAILING))
    x = rows(0)
    x[7] = POISON
    watched.pane(make_pane(0, x))

    watched.panes(1, 2, 3, 4, 5)

    assert [(a.cause, a.kind) for a in watched.alerts] == [
        (Cause.NO_REFERENCE, AlertKind.STARTED),
        (Cause.NO_REFERENCE, AlertKind.RECOVERED),
    ]
    assert "make no reference (MemoryError: too large)" in str(watched.alerts[0].reason)
    assert watched.scores[0].status is ScoreStatus.TESTED


def test_a_collected_reference_that_breaks_the_detector_is_discarded_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison(monkeypatch, KSTest, "fit", MemoryError("too large"))
    watched = Watched()
    x = rows(0, n=30)
    x[7] = POISON

    actions = watched.pane(make_pane(0, x))
    watched.panes(1, 2)

    assert actions.counts.references_unusable == 1
    assert [(a.cause, a.kind) for a in watched.alerts] == [
        (Cause.NO_REFERENCE, AlertKind.STARTED),
        (Cause.NO_REFERENCE, AlertKind.RECOVERED),
    ]
    assert watched.alerts[0].reason == "30 events make no reference (MemoryError: too large)"
    assert [score.window.n_tested for score in watched.scores] == [10, 40]


def test_halves_that_cannot_be_compared_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, DriftDetector, "test", ValueError("it broke"))
    watched = Watched(commanded(reference={"n_events": 40}))
    x = rows(0)
    x[30] = POISON

    actions = watched.pane(make_pane(0, x))
    watched.panes(1)

    assert "could not be compared (ValueError: it broke)" in actions.notices[-1].text
    assert [score.status for score in watched.scores] == [ScoreStatus.TESTED]


def test_an_error_of_the_monitor_itself_stays_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched()
    watched.panes(0)

    def breaks(*_: Any, **__: Any) -> None:
        raise KeyError("of our own")

    monkeypatch.setattr(lifecycle, "advance", breaks)

    with pytest.raises(KeyError, match="of our own"):
        watched.panes(1)


def failing(monkeypatch: pytest.MonkeyPatch, **tables: Any) -> Watched:
    """A model whose test has failed in pane 1."""
    poison(monkeypatch, KSTest, "place", ValueError("it broke"))
    watched = Watched(commanded(**tables))
    watched.panes(0)
    watched.panes(1, loc=POISON)
    return watched


def test_the_incident_survives_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = failing(monkeypatch)

    watched.restart()
    watched.panes(2, loc=POISON)
    watched.panes(3)

    assert about_failures(watched.alerts) == [("started", 1_000), ("recovered", 3_000)]
    assert len({alert.incident_id for alert in watched.alerts}) == 1


def test_a_snoozed_model_tells_of_failures_once_the_snooze_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison(monkeypatch, KSTest, "place", ValueError("it broke"))
    watched = Watched(commanded(reference={"n_events": 40}))
    watched.panes(0)
    watched.send("snooze", until_ms=3_000)

    watched.panes(1, 2, 3, loc=POISON)

    assert [score.status for score in watched.scores] == [FAILED] * 3
    # The window of pane 2 ends at 3,000 ms, when the snooze is over.
    assert about_failures(watched.alerts) == [("started", 2_000)]


def test_a_new_reference_ends_the_incident_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = failing(monkeypatch)

    watched.send("rebaseline")

    assert about_failures(watched.alerts) == [("started", 1_000), ("recovered", 2_000)]
    assert watched.alerts[-1].ending is Ending.NEW_REFERENCE


def test_its_status_names_the_open_incident(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = failing(monkeypatch)

    audit = watched.send("describe")

    assert audit.status is not None
    (incident,) = audit.status.incidents
    assert (incident.cause, incident.incident_id) == (
        Cause.TEST_FAILED,
        watched.alerts[0].incident_id,
    )


def test_each_detector_has_failures_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = {"kind": "time", "size_ms": 2_000, "slide_ms": 2_000, "min_events": 2}

    watched = failing(monkeypatch, detectors=[{"name": "longer", "window": longer}])
    watched.panes(2, loc=POISON)
    watched.panes(3, 4, 5)

    told = [(a.detector, a.kind.value, a.window.start_ms) for a in watched.alerts]
    assert told == [
        ("main", "started", 1_000),
        ("longer", "started", 0),
        ("main", "recovered", 3_000),
        ("longer", "recovered", 4_000),
    ]


def test_rows_that_could_not_be_measured_are_not_approved(monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, KSTest, "place", ValueError("it broke"))
    watched = Watched(commanded(reference={"n_events": 40}))
    watched.panes(0)
    watched.panes(1, loc=POISON)

    refused = watched.send("approve_current")
    watched.panes(2)
    approved = watched.send("approve_current")
    watched.pane(make_pane(4, rows(2)))

    assert (refused.outcome, approved.outcome) == (Outcome.REFUSED, Outcome.APPLIED)
    assert "could not be measured (ValueError: it broke)" in refused.reason
    assert watched.scores[-1].reference.n_events == 40
    assert watched.scores[-1].statistic == 0.0


@given(st.text(max_size=2_000))
def test_a_reason_is_bounded_and_printable(message: str) -> None:
    reason = reason_of(ValueError(message))

    assert reason.startswith("ValueError")
    assert reason.isprintable()
    assert len(reason) <= len("ValueError: ") + 300
    # Not of all scripts: some characters that Python calls printable cannot be seen.
    plain = message.isascii() and message.isprintable()
    if plain and 0 < len(message) <= 300 and "0x" not in message:
        assert reason == f"ValueError: {message}"


def test_a_reason_is_the_same_in_every_run() -> None:
    messages = [reason_of(ValueError(f"no use for {object()!r}")) for _ in range(2)]

    assert messages == ["ValueError: no use for <object object at 0x...>"] * 2
