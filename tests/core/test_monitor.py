from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.core.actions import Actions
from flink_jobs.core.monitor import ConfigChangedError, DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.records.alerts import AlertKind, ScoreStatus
from flink_jobs.records.dead_letters import Reason
from tests.builders import (
    fitted_to,
    make_config,
    make_pane,
    make_panes,
    restored,
    run_monitor,
    trained_on,
)

COUNT = {"kind": "count", "size": 20, "slide": 7}
PCA = {"reducer": {"kind": "pca", "n_components": 2}, "test": {"kind": "ks"}}
MMD = {"reducer": {"kind": "none"}, "test": {"kind": "mmd", "n_permutations": 99}}


SECOND = {"size_ms": 1_000, "slide_ms": 1_000}
ARTEFACT = {"kind": "artefact", "path": "training.npz", "sha256": "0" * 64}
MMD_TABLES = {"detector": MMD, "calibration": {"level": 0.05}}


def alerts_of(actions: list[Actions]) -> list[tuple[AlertKind, int]]:
    return [(a.kind, a.window.start_ms) for each in actions for a in each.alerts]


def test_a_stream_that_stays_as_it_was_raises_no_alert() -> None:
    actions = run_monitor(make_config(calibration={"level": 1e-6}), make_panes([30] * 40))

    assert alerts_of(actions) == []
    assert sum(len(a.scores) for a in actions) == 37


def test_a_shift_is_reported_as_started_then_ongoing() -> None:
    panes = make_panes([30] * 12, shift_from=6)

    alerts = alerts_of(run_monitor(make_config(calibration={"level": 1e-3}), panes))

    assert alerts[0] == (AlertKind.STARTED, 5_000)
    assert {kind for kind, _ in alerts[1:]} == {AlertKind.ONGOING}


def test_the_alerts_of_one_incident_share_its_id_and_have_their_own() -> None:
    rng = np.random.default_rng(1)
    loc = [0, 0, 0, 5, 5, 0, 0, 0, 0, 5, 5, 0, 0, 0]
    panes = [
        make_pane(i, rng.normal(m, size=(30, 3)), first_offset=30 * i) for i, m in enumerate(loc)
    ]
    config = make_config(calibration={"level": 1e-6}, window={"size_ms": 1_000, "slide_ms": 1_000})

    alerts = [a for actions in run_monitor(config, panes) for a in actions.alerts]

    kinds = [a.kind for a in alerts]
    assert kinds == [AlertKind.STARTED, AlertKind.ONGOING, AlertKind.RECOVERED] * 2
    assert len({a.incident_id for a in alerts[:3]}) == 1
    assert len({a.incident_id for a in alerts}) == 2
    assert len({a.alert_id for a in alerts}) == 6


def test_an_alert_names_the_dimension_that_moved_and_the_events_that_show_it() -> None:
    rng = np.random.default_rng(2)
    moved = rng.normal(size=(30, 3))
    moved[:, 1] -= 4.0
    moved[17, 1] = 4.0
    panes = [*make_panes([30, 30]), make_pane(2, moved, first_offset=60)]
    config = make_config(window={"size_ms": 1_000, "slide_ms": 1_000})

    (alert,) = run_monitor(config, panes)[-1].alerts

    assert alert.top_columns[0].column == "features[1]"
    assert alert.top_columns[0].direction == "down"
    assert len(alert.exemplars) == 5
    assert "event-77" not in {e.event_id for e in alert.exemplars}
    assert {e.event_id for e in alert.exemplars} == {f"event-{e.offset}" for e in alert.exemplars}


def test_the_reference_is_exactly_the_first_events_and_the_rest_of_its_pane_is_tested() -> None:
    state = InMemoryEntries()
    config = make_config(window={"size_ms": 1_000, "slide_ms": 1_000})
    panes = make_panes([20, 25])

    (first, second) = run_monitor(config, panes, state)

    assert first.scores == []
    (score,) = second.scores
    assert score.window.n_events == 15
    assert score.reference.n_events == 30
    x_ref = np.concatenate([p.events.x for p in panes])[:30]
    assert score.reference.fingerprint == fitted_to(config, x_ref).fingerprint()


def test_a_window_with_too_few_events_is_scored_as_such_and_not_tested() -> None:
    config = make_config(window={"size_ms": 1_000, "slide_ms": 1_000, "min_events": 5})

    score = run_monitor(config, make_panes([30, 4]))[-1].scores[-1]

    assert score.status is ScoreStatus.TOO_FEW_EVENTS
    assert score.p_value is None
    assert score.window.n_events == 4


def test_a_pane_that_comes_again_after_a_restore_goes_to_the_dead_letters() -> None:
    panes = make_panes([30, 30, 30])
    state = InMemoryEntries()
    run_monitor(make_config(), panes, state)
    before = dict(state.entries)

    again = run_monitor(make_config(), [panes[1]], state)[0]

    assert {d.reason for d in again.dead_letters} == {Reason.LATE_AFTER_RESTORE}
    assert [d.offset for d in again.dead_letters] == list(range(30, 60))
    assert (again.counts.used, again.counts.dead_letters) == (0, 30)
    assert again.scores == []
    assert state.entries == before


@pytest.mark.parametrize(("test", "n_tested"), [("ks", 250), ("energy", 100)])
def test_tests_on_rows_see_a_sample_and_tests_on_counts_see_all(test: str, n_tested: int) -> None:
    config = make_config(
        window={"size_ms": 1_000, "slide_ms": 1_000},
        sample={"size": 100},
        detector={"test": {"kind": test}},
    )

    actions = run_monitor(config, make_panes([30, 250]))[-1]

    (score,) = actions.scores
    assert (score.window.n_events, score.window.n_tested) == (250, n_tested)
    assert actions.counts.used == 250


def test_events_that_make_no_reference_are_announced_and_the_next_ones_are_tried() -> None:
    constant = [make_pane(i, np.ones((30, 3)), first_offset=30 * i) for i in range(2)]
    rng = np.random.default_rng(0)
    varied = [make_pane(i, rng.normal(size=(30, 3)), first_offset=30 * i) for i in range(2, 6)]

    actions = run_monitor(make_config(detector=PCA), [*constant, *varied])

    assert "make no reference" in actions[0].notices[0].text
    assert "monitoring starts" in actions[2].notices[0].text
    assert actions[-1].scores[-1].status is ScoreStatus.TESTED


def test_events_after_those_that_made_no_reference_are_not_lost_within_a_pane() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([np.ones((30, 3)), rng.normal(size=(40, 3))])
    config = make_config(detector=PCA, window={"size_ms": 1_000, "slide_ms": 1_000})

    (actions,) = run_monitor(config, [make_pane(0, x)])

    assert [score.window.n_events for score in actions.scores] == [10]


def test_count_windows_follow_each_other_by_their_slide() -> None:
    config = make_config(window=COUNT)

    scores = [s for a in run_monitor(config, make_panes([30, 50, 50])) for s in a.scores]

    assert {(s.window.n_events, s.window.n_tested) for s in scores} == {(20, 20)}
    assert [s.window.first_event for s in scores] == list(range(0, 81, 7))


def test_another_training_set_starts_anew_and_says_so() -> None:
    config = make_config(window=SECOND, reference=ARTEFACT)
    rng = np.random.default_rng(5)
    first, second = (trained_on(config, rng.normal(size=(n, 3))) for n in (200, 300))
    state = InMemoryEntries()
    panes = make_panes([30, 30])
    DriftMonitor(config, first).on_pane(panes[0], state)

    actions = DriftMonitor(config, second).on_pane(panes[1], state)

    assert "a new reference starts" in actions.notices[0].text
    assert actions.scores[0].reference.n_events == 300


def test_another_detector_configuration_starts_a_new_reference_and_says_so() -> None:
    state = InMemoryEntries()
    panes = make_panes([30] * 8)
    run_monitor(make_config(), panes[:3], state)

    actions = run_monitor(make_config(detector=PCA), panes[3:], state)

    assert "a new reference starts" in actions[0].notices[0].text
    assert actions[-1].scores[-1].reducer == "pca"


def test_another_detector_configuration_is_refused_where_it_should_be() -> None:
    state = InMemoryEntries()
    panes = make_panes([30] * 4)
    run_monitor(make_config(), panes[:3], state)
    reference = {"n_events": 30, "on_config_change": "refuse"}

    with pytest.raises(ConfigChangedError, match="on_config_change"):
        run_monitor(make_config(detector=PCA, reference=reference), panes[3:], state)


def test_a_training_set_is_the_reference_from_the_first_event_on() -> None:
    config = make_config(window=SECOND, reference=ARTEFACT)
    trained = trained_on(config, np.random.default_rng(5).normal(size=(200, 3)))
    state = InMemoryEntries()

    monitor = DriftMonitor(config, trained)
    actions = monitor.on_pane(make_panes([30])[0], state)

    assert actions.scores[0].reference.n_events == 200
    assert actions.scores[0].window.n_events == 30
    assert "reference/main" not in state.entries


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 40), min_size=2, max_size=14),
    st.sampled_from([{}, {"window": COUNT}, {"detector": PCA}, MMD_TABLES]),
    st.data(),
)
def test_a_snapshot_and_restore_at_any_point_leaves_later_actions_unchanged(
    sizes: list[int], tables: dict[str, object], data: st.DataObject
) -> None:
    config = make_config(**tables)
    panes = make_panes(sizes, shift_from=len(sizes) // 2)
    cut = data.draw(st.integers(0, len(panes)))
    undisturbed = run_monitor(config, panes)

    state = InMemoryEntries()
    before = run_monitor(config, panes[:cut], state)
    after = run_monitor(config, panes[cut:], restored(state))

    assert encoded(before + after) == encoded(undisturbed)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=14), st.integers(0, 13))
def test_events_in_are_events_used_plus_dead_letters(sizes: list[int], repeated: int) -> None:
    panes = make_panes(sizes)
    panes += panes[repeated : repeated + 1]

    actions = run_monitor(make_config(), panes)

    total = sum(a.counts.events for a in actions)
    assert total == sum(len(p.events) for p in panes)
    assert total == sum(a.counts.used + len(a.dead_letters) for a in actions)


def test_tumbling_windows_and_the_reference_together_hold_every_event_once() -> None:
    config = make_config(window={"size_ms": 2_000, "slide_ms": 2_000})
    sizes = [10, 25, 7, 0, 31, 2, 40, 1]

    actions = run_monitor(config, make_panes(sizes))

    tested = sum(s.window.n_events for a in actions for s in a.scores)
    # The pane that completed the reference starts at 1,000 ms, between two window starts: its 5
    # remaining events lie in no window that begins after the reference.
    assert tested + 30 + 5 == sum(sizes)


def encoded(actions: list[Actions]) -> bytes:
    return msgspec.json.encode([(a.alerts, a.scores, a.dead_letters) for a in actions])
