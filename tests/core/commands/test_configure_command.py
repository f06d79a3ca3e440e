"""What the command configure changes, and what it refuses to."""

from __future__ import annotations

from typing import Any

import pytest

from flink_jobs.records.alerts import AlertKind, Cause, Ending
from flink_jobs.records.control import Outcome
from tests.builders import trained_on
from tests.core.watched import Watched, commanded, rows

STARTED, RECOVERED = AlertKind.STARTED, AlertKind.RECOVERED
PCA = {"reducer": {"kind": "pca", "n_components": 2}}
ARTEFACT = {"kind": "artefact", "path": "training.npz", "sha256": "0" * 64}
TRAILING = {"kind": "trailing", "size_ms": 2_000, "step_ms": 1_000, "min_events": 20}


def drifting() -> Watched:
    """A model whose drift has started with pane 2."""
    watched = Watched()
    watched.panes(0, 1)
    watched.panes(2, loc=3.0)
    assert [a.kind for a in watched.alerts] == [STARTED]
    return watched


def kinds_of(watched: Watched) -> list[tuple[AlertKind, Ending | None]]:
    return [(alert.kind, alert.ending) for alert in watched.alerts]


def test_another_level_leaves_the_reference_and_the_incident() -> None:
    watched = drifting()
    before = watched.scores[-1]

    audit = watched.send("configure", change={"calibration": {"level": 1e-25}})
    watched.panes(3, loc=3.0)

    after = watched.scores[-1]
    assert (audit.outcome, audit.effective_ms) == (Outcome.APPLIED, 3_000)
    assert audit.reason == f"configuration {after.config_version} holds, the reference stays"
    assert after.config_version != before.config_version
    assert after.reference == before.reference
    assert (before.is_drift, after.is_drift) == (True, False)
    assert kinds_of(watched)[-1] == (RECOVERED, Ending.NORMAL)


def test_another_reducer_ends_the_incident_and_starts_a_new_reference() -> None:
    watched = drifting()

    audit = watched.send("configure", change={"detector": PCA})
    watched.panes(3, 4, loc=3.0)

    assert audit.reason.endswith("a new reference starts")
    assert kinds_of(watched) == [(STARTED, None), (RECOVERED, Ending.NEW_CONFIGURATION)]
    assert watched.scores[-1].reducer == "pca"
    assert watched.scores[-1].reference.start_ms == 3_000


def test_the_incident_of_a_detector_that_goes_is_ended_in_its_name() -> None:
    fast = {"name": "fast", "window": {"kind": "count", "size": 10, "slide": 10}}
    watched = Watched(commanded(detectors=[fast], policy={"windows_to_start": 2}))
    watched.panes(0, 1)
    watched.panes(2, loc=3.0)
    assert (watched.alerts[0].kind, watched.alerts[0].detector) == (STARTED, "fast")
    assert {a.detector for a in watched.alerts} == {"fast"}

    watched.send("configure", change={"detectors": []})
    watched.panes(3, 4)

    assert (watched.alerts[-1].kind, watched.alerts[-1].detector) == (RECOVERED, "fast")
    assert watched.alerts[-1].incident_id == watched.alerts[0].incident_id
    assert watched.scores[-1].detector == "main"


def test_a_change_takes_the_place_of_an_earlier_one_and_an_empty_one_goes_back() -> None:
    watched = Watched()
    watched.panes(0, 1)
    original = watched.scores[-1].config_version

    watched.send("configure", change={"calibration": {"level": 0.5}})
    watched.send("configure", change={"policy": {"top_columns": 1}})
    changed = watched.panes(2).scores[-1]
    watched.send("configure", change={})
    back = watched.panes(3).scores[-1]

    assert changed.config_version != original
    assert changed.threshold is not None
    assert changed.threshold.p_value == 1e-6
    assert back.config_version == original


def test_a_model_can_be_configured_before_its_first_event() -> None:
    watched = Watched()

    audit = watched.send("configure", change={"detector": PCA})
    watched.panes(0, 1)

    assert (audit.outcome, audit.effective_ms) == (Outcome.APPLIED, 0)
    assert [s.reducer for s in watched.scores] == ["pca", "pca"]
    assert watched.alerts == []


def test_a_shorter_time_of_silence_holds_at_once() -> None:
    watched = Watched(commanded(silence={"after_ms": 100_000}))
    watched.panes(0)
    watched.time(10_000)

    watched.send("configure", change={"silence": {"after_ms": 2_000}})

    assert [(a.cause, a.window.end_ms) for a in watched.actions[-1].alerts] == [
        (Cause.SILENCE, 3_000)
    ]


def test_a_change_stays_after_a_restart() -> None:
    watched = Watched()
    watched.panes(0, 1)
    watched.send("configure", change={"detector": PCA})

    watched.restart()
    watched.panes(2, 3)

    assert watched.scores[-1].reducer == "pca"


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (commanded(input={"n_features": 2}), "which columns of an event are read"),
        (commanded(reference=ARTEFACT), "reference"),
        (commanded(calibration={"level": 0.02}), "policy.recover_level"),
    ],
)
def test_a_change_that_no_longer_fits_the_job_is_dropped_and_the_log_says_why(
    other: Any, text: str
) -> None:
    first = Watched()
    first.panes(0)
    first.send(
        "configure",
        change={
            "input": {"n_features": 3},
            "reference": {"n_events": 20},
            "policy": {"recover_level": 0.01},
        },
    )
    assert first.audits[-1].outcome is Outcome.APPLIED
    trained = trained_on(other, rows(9, 50)) if text == "reference" else None
    again = Watched(other, trained)
    again.state = first.state

    actions = again.panes(1)

    assert text in actions.notices[0].text
    assert again.status.change == ""


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"calibration": {"level": 2.0}}, "calibration.level: 2.0 is out of range"),
    ({"policy": {"windows_to_start": 5, "start_within_windows": 3}}, "start_within_windows"),
    ({"window": {"size_ms": 1_500}}, "window.size_ms: 1500 is not a multiple of panes.width_ms"),
    ({"nonsense": {}}, "nonsense: is unknown"),
    ({"panes": {"width_ms": 500}}, "panes: cannot differ between models"),
    ({"input": {"max_future_ms": 5}}, "input.max_future_ms"),
    ({"input": {"n_features": 4}}, "change it there"),
    (
        {"input": {"n_outputs": 2}, "detector": {"reducer": {"kind": "softmax_outputs"}}},
        "which columns of an event are read cannot change",
    ),
    ({"reference": ARTEFACT}, "fitted where the job is submitted"),
    ({"window": None}, "window"),
    ({"input": None}, "input"),
    ({"detectors": 5}, "detectors: is `int`"),
]


@pytest.mark.parametrize(("change", "text"), REFUSED)
def test_a_change_that_cannot_run_is_refused_with_its_key_and_changes_nothing(
    change: dict[str, Any], text: str
) -> None:
    watched = drifting()
    before = watched.status

    audit = watched.send("configure", change=change)

    assert (audit.outcome, audit.effective_ms) == (Outcome.REFUSED, None)
    assert text in audit.reason
    assert "\n" not in audit.reason
    assert watched.status == before


def test_another_test_on_a_training_set_is_refused_and_another_level_is_not() -> None:
    config = commanded(reference=ARTEFACT)
    watched = Watched(config, trained_on(config, rows(99, 200)))
    watched.panes(0)

    refused = watched.send(
        "configure",
        change={"detector": {"test": {"kind": "energy"}}, "calibration": {"level": 0.1}},
    )
    taken = watched.send("configure", change={"calibration": {"level": 0.1}})

    assert refused.outcome is Outcome.REFUSED
    assert "change it there" in refused.reason
    assert taken.outcome is Outcome.APPLIED


def test_what_needs_a_new_reference_is_refused_where_the_file_says_so() -> None:
    watched = Watched(commanded(reference={"n_events": 30, "on_config_change": "refuse"}))
    watched.panes(0)

    refused = watched.send("configure", change={"detector": PCA})
    taken = watched.send("configure", change={"calibration": {"level": 0.1}})

    assert refused.outcome is Outcome.REFUSED
    assert 'reference.on_config_change = "new_reference"' in refused.reason
    assert taken.outcome is Outcome.APPLIED


def test_a_model_can_go_over_to_a_reference_that_moves_and_back() -> None:
    watched = Watched()
    watched.panes(0, 1)

    watched.send("configure", change={"reference": TRAILING})
    watched.panes(2, 3, 4, 5)
    moving = watched.scores[-1]
    watched.send("configure", change={})
    watched.panes(6, 7)

    assert (moving.status, moving.reference.start_ms) == ("tested", 3_000)
    assert watched.scores[-1].reference.start_ms == 6_000


def test_an_unstable_reference_is_over_when_the_next_one_is_not_collected() -> None:
    watched = Watched(commanded(reference={"n_events": 80}))
    watched.panes(0)
    watched.panes(1, loc=5.0)
    assert [a.cause for a in watched.alerts] == [Cause.UNSTABLE_REFERENCE]

    watched.send("configure", change={"reference": TRAILING})
    watched.panes(2, 3, 4, loc=5.0)

    last = watched.alerts[-1]
    assert (last.cause, last.kind) == (Cause.UNSTABLE_REFERENCE, RECOVERED)
    assert last.ending is Ending.NEW_CONFIGURATION
    assert last.incident_id == watched.alerts[0].incident_id
    assert watched.status.views[0].unstable_id == ""


def test_a_change_that_takes_effect_at_the_end_of_a_pane_loses_none_of_its_events() -> None:
    config = commanded(window={"size_ms": 3_000, "slide_ms": 3_000})
    plain, changed = Watched(config), Watched(config)

    changed.send("configure", change={"policy": {"exemplars": 1}}, effective_ms=2_000)
    for watched in (plain, changed):
        watched.panes(0, 1, 2, 3)

    windows = [[(s.window, s.statistic) for s in each.scores] for each in (plain, changed)]
    assert windows[0] == windows[1] != []
