from __future__ import annotations

import numpy as np

from flink_jobs.config.calibration import level_at
from flink_jobs.config.views import views_of
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.intake.panes import Pane
from tests.builders import make_config, make_panes, make_stream, restored, run_monitor

TABLES = {
    "calibration": {"kind": "expected_run_time", "windows": 500},
    "window": {"size_ms": 1_000, "slide_ms": 1_000},
    "policy": {"windows_to_start": 2, "windows_to_recover": 3},
}
CONFIG = make_config(**TABLES)
(VIEW,) = views_of(CONFIG)
REFERENCE = [30]


def thresholds(sizes: list[int]) -> list[float | None]:
    actions = run_monitor(CONFIG, make_panes(REFERENCE + sizes))
    scores = [score for each in actions for score in each.scores]
    return [score.threshold.p_value for score in scores if score.threshold is not None]


def test_each_window_is_judged_by_the_level_for_its_events() -> None:
    found = thresholds([10, 30, 60, 10, 5])

    levels = [level_at(CONFIG, VIEW, VIEW.detectors[0], 30, n) for n in (10, 30, 60, 10)]
    assert found[:4] == levels
    assert len(set(levels)) == 3


def test_monitoring_starts_with_what_is_promised() -> None:
    actions = run_monitor(CONFIG, make_panes([*REFERENCE, 10, 10]))

    texts = [notice.text for each in actions for notice in each.notices]
    assert any(
        "a false alarm in 500 windows or more, for 90% of all references" in text for text in texts
    )


def test_two_far_windows_in_a_row_start_an_incident() -> None:
    panes = make_panes([*REFERENCE, 30, 30, 30, 30, 30, 30], shift_from=3)

    alerts = [alert for each in run_monitor(CONFIG, panes) for alert in each.alerts]

    assert [alert.window.start_ms for alert in alerts][:1] == [4_000]
    assert alerts[0].threshold is not None
    assert alerts[0].threshold.p_value == level_at(CONFIG, VIEW, VIEW.detectors[0], 30, 30)


def test_a_restored_model_is_judged_by_the_same_level() -> None:
    panes, state = make_panes([*REFERENCE, 20, 20, 20]), InMemoryEntries()
    whole = run_monitor(CONFIG, panes)

    before = run_monitor(CONFIG, panes[:2], state)
    after = run_monitor(CONFIG, panes[2:], restored(state))

    assert [each.scores for each in before + after] == [each.scores for each in whole]


LONGER = make_config(**TABLES, reference={"n_events": 900})


def stream(seed: int, n_panes: int, shift: float = 0.0) -> list[Pane]:
    """Panes of 30 events, the first column of which takes a new value every 15 events."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(30 * n_panes, 3))
    x[:, 0] = np.repeat(rng.normal(size=2 * n_panes), 15) + 0.1 * x[:, 0]
    x[900:, 1] += shift
    return make_stream(list(x.reshape(n_panes, 30, 3)))


def test_events_that_depend_on_each_other_are_told_and_judged_as_the_few_they_stand_for() -> None:
    panes = stream(seed=1, n_panes=60)
    actions = run_monitor(LONGER, panes)

    texts = [notice.text for each in actions for notice in each.notices]
    scores = [score for each in actions for score in each.scores]
    assert any("its events depend on those before them, features[0] most" in text for text in texts)
    assert len(scores) == 30
    # Windows of two values each are too short to promise anything: one that is further from the
    # reference than the 30 windows in it drifts. As 30 independent events nearly all of them would.
    assert any("too short to promise" in text for text in texts)
    assert sum(bool(score.is_drift) for score in scores) <= 3


def test_a_column_that_depends_on_itself_hides_no_drift_of_another() -> None:
    actions = run_monitor(LONGER, stream(seed=1, n_panes=35, shift=2.0))

    alerts = [alert for each in actions for alert in each.alerts]
    assert [alert.kind for alert in alerts][:1] == ["started"]
    assert alerts[0].top_columns[0].column == "features[1]"


def test_a_restored_model_knows_how_much_its_events_depend_on_each_other() -> None:
    panes, state = stream(seed=2, n_panes=40), InMemoryEntries()
    whole = run_monitor(LONGER, panes)

    before = run_monitor(LONGER, panes[:32], state)
    after = run_monitor(LONGER, panes[32:], restored(state))

    assert [each.scores for each in before + after] == [each.scores for each in whole]
