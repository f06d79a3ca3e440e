"""All kinds of sequential detectors watch a model alike: what holds for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors import (
    SEQUENTIAL_DETECTORS,
    ClassifierEDetector,
    ConformalEDetector,
    KernelEDetector,
    NoReduction,
    Prepared,
    SequentialDetector,
)
from flink_jobs.config.costs import costs_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.sampling import event_keys
from flink_jobs.core.state.entries import encode
from flink_jobs.records.alerts import Alert, AlertKind, Score
from tests.builders import Replay, make_config, make_pane
from tests.core.oracle.streams import COLUMNS, PLANS, Burst, bursts, make_events, make_panes
from tests.core.watched import Watched, commanded, rows

N_REFERENCE = 400
# The reference is panes 0 to 9, and pane 10 is the first that is watched.
FIRST = 10
KINDS = tuple(SEQUENTIAL_DETECTORS)
OF_ROWS = tuple(kind for kind in KINDS if kind != "counts_e_detector")
SMALL = {"kernel_e_detector": {"n_features": 32, "n_components": 8}}


def sequential(kind: str, **keys: Any) -> dict[str, Any]:
    table = {"kind": kind, "run_time_events": 10_000, "score_every_ms": 5_000}
    return {"name": "whole", "sequential": table | SMALL.get(kind, {}) | keys}


def config_of(kind: str, **keys: Any) -> DriftJobConfig:
    return commanded(
        reference={"n_events": N_REFERENCE},
        detector={"test": {"kind": "ks"}},
        detectors=[sequential(kind, **keys)],
    )


def typed_config(kind: str, **keys: Any) -> DriftJobConfig:
    """Numbers and a category, all of which may be missing."""
    return make_config(
        input={"n_features": 0},
        columns=COLUMNS,
        reference={"n_events": 600},
        detector={"test": {"kind": "mixed", "n_draws": 99}},
        calibration={"level": 1e-9},
        detectors=[sequential(kind, **keys)],
    )


def watched_by(kind: str, **keys: Any) -> Watched:
    """A model that has its reference."""
    watched = Watched(config_of(kind, **keys))
    watched.panes(*range(FIRST))
    return watched


def scores_of(it: Watched | Replay) -> list[Score]:
    return [score for score in it.scores if score.detector == "whole"]


def alerts_of(it: Watched | Replay) -> list[Alert]:
    return [alert for alert in it.alerts if alert.detector == "whole"]


def records(it: Watched | Replay) -> list[bytes]:
    return [msgspec.json.encode(each) for each in (*it.scores, *it.alerts)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_shift_of_a_column_raises_an_alarm_that_names_it(kind: str) -> None:
    watched = watched_by(kind)
    watched.panes(*range(FIRST, 30))
    assert not alerts_of(watched)

    for index in range(30, 40):
        moved = rows(index) + np.array([0.0, 0.0, 1.5])
        watched.pane(make_pane(index, moved, first_offset=1_000 * index))

    first = alerts_of(watched)[0]
    assert first.kind is AlertKind.STARTED
    assert first.test == kind
    assert first.top_columns[0].column == "features[2]"
    [score] = [score for score in scores_of(watched) if score.window == first.window]
    names_columns = kind in ("counts_e_detector", "conformal_e_detector")
    assert score.top_column == ("features[2]" if names_columns else None)
    assert (first.top_columns[0].evidence is not None) == names_columns


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_is_constant_and_no_larger_than_was_said(kind: str) -> None:
    watched = watched_by(kind)
    sizes, memories = [], set()

    for index in range(FIRST, 50):
        watched.panes(index, loc=1.0 if 30 <= index < 40 else 0.0)
        memory = watched.status.views[0].watches[1].sequential
        assert memory is not None
        sizes.append(len(encode(memory)))
        memories.add(len(memory.detector))

    said = costs_of(config_of(kind))[0].sequential[0]
    # A detector that alarmed in this pane has none.
    assert len(memories - {0}) == 1
    assert max(memories) <= said.memory_bytes
    assert max(sizes) <= said.state_bytes


@pytest.mark.parametrize("kind", KINDS)
def test_the_fitted_detectors_are_no_larger_than_was_said(kind: str) -> None:
    watched = watched_by(kind)

    block = watched.reference_block

    assert block is not None
    assert len(block) <= 1.05 * costs_of(config_of(kind))[0].reference_bytes + 4_000


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6)
@given(st.sets(st.integers(FIRST, 39)), st.integers(1, 90))
def test_restarts_between_any_panes_change_no_byte(
    kind: str, restarts: set[int], n_rows: int
) -> None:
    plain, restarted = watched_by(kind), watched_by(kind)

    for index in range(FIRST, 40):
        loc = 1.0 if 20 <= index < 26 else 0.0
        plain.panes(index, n=n_rows, loc=loc)
        restarted.panes(index, n=n_rows, loc=loc)
        if index in restarts:
            restarted.restart()

    assert records(plain) == records(restarted)


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_go_missing_and_categories_that_are_new_are_evidence(kind: str) -> None:
    steady = make_events([Burst(0, 30, False)] * 60, width_ms=1_000, seed=3)
    gone = [e._replace(score=None) if e.time_ms >= 30_000 else e for e in steady]
    new = [e._replace(plan="new") if e.time_ms >= 30_000 else e for e in steady]
    top = []

    for events in (steady, gone, new):
        it = Replay(typed_config(kind)).run(make_panes(events, width_ms=1_000), 70_000)
        top.append([alert.top_columns[0].column for alert in alerts_of(it)][:1])

    assert top == [[], ["score"], ["plan"]]


# Against a detector that is fed by hand ---------------------------------------------------------


def made(kind: str, run_time: float) -> SequentialDetector:
    match kind:
        case "kernel_e_detector":
            return KernelEDetector(run_time, n_features=32, n_components=8)
        case "conformal_e_detector":
            return ConformalEDetector(run_time)
        case _:
            return ClassifierEDetector(run_time)


def numbers(events: Sequence[Any]) -> NDArray[np.float64]:
    """Numbers, and a category as its place in the alphabet."""
    plans = {plan: float(place) for place, plan in enumerate(sorted(PLANS))}
    # Whatever is new has a code that the reference does not have.
    return np.array(
        [
            [
                np.nan if e.age is None else e.age,
                np.nan if e.score is None else e.score,
                np.nan if e.plan is None else plans.get(e.plan, 9.0),
            ]
            for e in events
        ]
    ).reshape(-1, 3)


@pytest.mark.parametrize("kind", OF_ROWS)
@settings(max_examples=5)
@given(bursts, st.integers(0, 99))
def test_evidence_is_that_of_a_detector_that_is_fed_by_hand(
    kind: str, stream: list[Burst], seed: int
) -> None:
    before = [Burst(0, 30, False)] * 20
    events = make_events([*before, *stream], width_ms=1_000, seed=seed)
    config = typed_config(kind, run_time_events=300, score_every_ms=1_000)
    [pane] = make_panes([e._replace(time_ms=0) for e in events[:600]], width_ms=1_000)
    pane.events.times_ms[:] = [event.time_ms for event in events[:600]]
    x_ref = numbers(events[:600])[np.argsort(event_keys(pane.events, 0), kind="stable")]

    it = Replay(config).run(make_panes(events, width_ms=1_000), 100_000)

    # Every fourth row decides how columns are brought to one scale; the others bound means.
    reducer = Prepared(NoReduction(), categorical_columns=[2]).fit(x_ref[::4])
    detector, evidence = made(kind, 300).fit(reducer.transform(x_ref)), []
    for part in make_panes(events[600:], width_ms=1_000):
        held = [e for e in events[600:] if part.start_ms <= e.time_ms < part.end_ms]
        evidence.append(detector.update(reducer.transform(numbers(held)), len(held)))
        if detector.is_alarm:
            detector.reset()
    assert [score.statistic for score in scores_of(it)] == pytest.approx(evidence)


@pytest.mark.parametrize("kind", OF_ROWS)
def test_a_detector_of_a_projection_watches_its_components(kind: str) -> None:
    pca = {"reducer": {"kind": "pca", "n_components": 2}, "test": {"kind": "ks"}}
    config = commanded(
        reference={"n_events": N_REFERENCE}, detector=pca, detectors=[sequential(kind)]
    )
    watched = Watched(config)
    watched.panes(*range(20))
    assert not alerts_of(watched)

    watched.restart()
    watched.panes(*range(20, 26), loc=2.0)

    assert alerts_of(watched)[0].kind is AlertKind.STARTED
    assert len(alerts_of(watched)[0].top_columns) == 3
    assert all(score.top_column is None for score in scores_of(watched))
