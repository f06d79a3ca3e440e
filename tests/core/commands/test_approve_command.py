"""The last test window becomes the reference: exactly its events, or a sample of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.references.fitted import FittedView
from flink_jobs.records.alerts import AlertKind, Cause, Ending
from flink_jobs.records.control import Outcome
from tests.builders import fitted_to, make_pane, trained_on
from tests.core.watched import SECOND, Watched, commanded, rows

STARTED, RECOVERED = AlertKind.STARTED, AlertKind.RECOVERED
ARTEFACT = {"kind": "artefact", "path": "training.npz", "sha256": "0" * 64}
TRAILING = {"kind": "trailing", "size_ms": 2_000, "step_ms": 1_000, "min_events": 20}
NONE = {"reducer": {"kind": "none"}, "test": {"kind": "ks"}}
PCA = {"reducer": {"kind": "pca", "n_components": 2}, "test": {"kind": "ks"}}
TUMBLING = {"size_ms": 2_000, "slide_ms": 2_000}
SLIDING = {"size_ms": 3_000, "slide_ms": 1_000}
EARLY = {"size_ms": 4_000, "slide_ms": 4_000, "early_events": 100}
NEWEST = {"size_ms": 3_000, "slide_ms": 1_000, "max_events": 50}
COUNT = {"kind": "count", "size": 50, "slide": 15}
SESSION = {"kind": "session", "gap_ms": 2_000, "max_size_ms": 60_000}

# The panes, the events that the last window of the main detector holds as (pane, from, to).
CASES: list[tuple[dict[str, Any], list[int], list[tuple[int, int, int]]]] = [
    (SECOND, [0, 1, 2, 3], [(3, 0, 40)]),
    (TUMBLING, [0, 1, 2, 3, 4], [(2, 0, 40), (3, 0, 40)]),
    (TUMBLING, [0, 1, 3, 8], [(3, 0, 40)]),
    (SLIDING, [0, 1, 2, 3, 4], [(2, 0, 40), (3, 0, 40), (4, 0, 40)]),
    (EARLY, [0, 1, 4, 5, 6], [(4, 0, 40), (5, 0, 40), (6, 0, 40)]),
    (NEWEST, [0, 1, 2, 3, 4], [(4, 0, 40)]),
    # Positions 45 to 95 of the 10 events that pane 0 has left and the 40 of each later one.
    (COUNT, [0, 1, 2], [(1, 20, 40), (2, 0, 30)]),
    (COUNT, [0, 1, 2, 3], [(2, 25, 40), (3, 0, 35)]),
    (SESSION, [0, 2, 3, 6, 7, 10], [(6, 0, 40), (7, 0, 40)]),
]


def p_value(config: DriftJobConfig, x_ref: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    """Of the view's own detector, fitted to ``x_ref`` with its reducer."""
    detector = fitted_to(config, x_ref).detectors[0]
    return detector.test(x, rng=np.random.default_rng(0)).p_value


@pytest.mark.parametrize("detector", [NONE, PCA])
@pytest.mark.parametrize(("window", "panes", "held"), CASES)
def test_the_events_of_exactly_the_last_closed_window_become_the_reference(
    window: dict[str, Any],
    panes: list[int],
    held: list[tuple[int, int, int]],
    detector: dict[str, Any],
) -> None:
    config = commanded(window=window, detector=detector)
    watched = Watched(config)
    watched.panes(*panes)

    audit = watched.send("approve_current")

    expected = fitted_to(config, np.concatenate([rows(i)[a:b] for i, a, b in held]))
    assert audit.outcome is Outcome.APPLIED
    assert watched.reference_block is not None
    found = FittedView.from_block(watched.reference_block)
    # Their sample is in the order of hashes of their names, which rows alone do not have.
    assert sorted(found.sample.x.tolist()) == sorted(expected.sample.x.tolist())
    assert replace(found, sample=expected.sample).to_block() == expected.to_block()
    assert watched.status.views[0].reference_fingerprint == expected.fingerprint()
    assert f"the {sum(b - a for _, a, b in held)} events" in audit.reason


@pytest.mark.parametrize("detector", [NONE, PCA])
def test_later_windows_are_compared_with_it(detector: dict[str, Any]) -> None:
    config = commanded(detector=detector)
    watched = Watched(config)
    watched.panes(0, 1, 2, loc=1.0)
    watched.send("approve_current")

    (score,) = watched.panes(3).scores

    assert score.p_value == p_value(config, rows(2, loc=1.0), rows(3))


def test_of_a_sampled_window_the_sample_becomes_the_reference() -> None:
    watched = Watched(commanded(window=SLIDING, sample={"size": 100}))
    watched.panes(0, 1, 2, 3)

    audit = watched.send("approve_current")

    assert "the 100 events" in audit.reason


def test_each_detector_gets_a_test_fitted_to_the_window_of_the_main_one() -> None:
    more = {"name": "more", "window": {"kind": "count", "size": 20, "slide": 20}}
    energy = more | {
        "test": {"kind": "energy", "n_permutations": 99},
        "calibration": {"level": 0.01, "kind": "level_per_window"},
    }
    watched = Watched(commanded(detectors=[energy]))
    watched.panes(0, 1)
    watched.panes(2, loc=3.0)

    watched.send("approve_current")
    scores = watched.panes(3, loc=3.0).scores

    assert {(s.detector, s.is_drift, s.reference.n_events) for s in scores} == {
        ("main", False, 40),
        ("more", False, 40),
    }


def test_what_drifted_is_the_new_normal_and_what_was_normal_drifts() -> None:
    watched = Watched()
    watched.panes(0, 1)
    watched.panes(2, loc=3.0)

    watched.send("approve_current")
    watched.panes(3, 4, loc=3.0)
    watched.panes(5)

    assert [s.is_drift for s in watched.scores[-3:]] == [False, False, True]
    assert [a.kind for a in watched.alerts] == [STARTED, RECOVERED, STARTED]
    assert len({a.incident_id for a in watched.alerts}) == 2


def test_it_takes_the_place_of_a_training_set_and_stays_after_a_restart() -> None:
    config = commanded(reference=ARTEFACT)
    watched = Watched(config, trained_on(config, rows(99, 200)))
    watched.panes(0, 1, loc=3.0)

    watched.send("approve_current")
    watched.restart()
    watched.panes(2, 3, loc=3.0)

    assert [s.reference.n_events for s in watched.scores] == [200, 200, 40, 40]
    assert [s.is_drift for s in watched.scores] == [True, True, False, False]


def test_a_restart_between_window_and_command_changes_nothing() -> None:
    blocks = []
    for is_restarted in (False, True):
        watched = Watched(commanded(window=COUNT, detector=PCA))
        watched.panes(0, 1, 2)
        if is_restarted:
            watched.restart()
        watched.send("approve_current")
        blocks.append(watched.reference_block)

    assert blocks[0] == blocks[1]


def test_the_alert_about_an_unstable_reference_is_over() -> None:
    watched = Watched(commanded(reference={"n_events": 80}))
    watched.panes(0)
    watched.panes(1, loc=5.0)
    watched.panes(2, loc=5.0)
    unstable = watched.alerts[0]
    assert (unstable.cause, unstable.kind) == (Cause.UNSTABLE_REFERENCE, STARTED)

    watched.send("approve_current")

    alerts = watched.actions[-1].alerts
    ended = {a.cause: (a.kind, a.ending, a.incident_id) for a in alerts}
    assert ended[Cause.UNSTABLE_REFERENCE] == (
        RECOVERED, Ending.NEW_REFERENCE, unstable.incident_id,
    )  # fmt: skip


def test_it_is_refused_before_a_window_has_closed_and_after_a_pause() -> None:
    watched = Watched(commanded(window=TUMBLING))
    watched.panes(0)
    collected = watched.send("approve_current")
    watched.panes(1, 2, 3)
    watched.send("pause")
    paused = watched.send("approve_current")

    assert [a.outcome for a in (collected, paused)] == [Outcome.REFUSED] * 2
    assert "no test window has closed since the reference" in collected.reason
    assert "send resume" in paused.reason


def test_a_window_with_fewer_events_than_a_test_needs_makes_no_reference() -> None:
    watched = Watched(commanded(window=SECOND | {"min_events": 20}))
    watched.panes(0, 1)
    watched.panes(2, n=5)

    audit = watched.send("approve_current")

    assert audit.outcome is Outcome.REFUSED
    assert "5 events, fewer than window.min_events = 20" in audit.reason


def test_a_window_that_no_test_can_be_fitted_to_makes_no_reference() -> None:
    watched = Watched(commanded(detector=PCA))
    watched.panes(0, 1)
    watched.pane(make_pane(2, np.ones((40, 3)), first_offset=100))
    before = watched.status

    audit = watched.send("approve_current")

    assert audit.outcome is Outcome.REFUSED
    assert "the last window makes no reference" in audit.reason
    assert watched.status == before


def test_it_is_refused_where_the_reference_moves_and_where_the_file_says_never() -> None:
    moving = Watched(commanded(reference=TRAILING))
    moving.panes(0, 1, 2, 3)
    never = Watched(commanded(reference={"n_events": 30, "rebaseline": "never"}))
    never.panes(0, 1)

    for watched, kind, text in (
        (moving, "approve_current", "moves along by itself"),
        (never, "approve_current", 'reference.rebaseline is "never"'),
        (never, "rebaseline", 'reference.rebaseline is "never"'),
    ):
        before = watched.status
        audit = watched.send(kind)
        assert (audit.outcome, audit.effective_ms) == (Outcome.REFUSED, None)
        assert text in audit.reason
        assert watched.status == before
