from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from detectors import ExpectedRunTime
from flink_jobs.config.calibration import level_at, make_calibration
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.views import views_of
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Score
from tests.builders import make_config, make_panes, make_stream, restored, run_monitor
from tests.core.watched import Watched, commanded

TABLES: dict[str, Any] = {
    "calibration": {"kind": "expected_run_time", "windows": 500},
    "window": {"size_ms": 1_000, "slide_ms": 1_000},
    "policy": {"windows_to_start": 2, "windows_to_recover": 3},
}
CONFIG = make_config(**TABLES)
(VIEW,) = views_of(CONFIG)
REFERENCE = [30]


def levels_of(scores: Iterable[Score]) -> list[float]:
    """The level of each window that was tested."""
    thresholds = [score.threshold for score in scores]
    return [each.p_value for each in thresholds if each is not None and each.p_value is not None]


def scores_of(config: DriftJobConfig, panes: list[Pane]) -> list[Score]:
    return [score for each in run_monitor(config, panes) for score in each.scores]


@pytest.mark.parametrize("n_events", [10, 30, 60])
def test_a_first_window_is_judged_by_the_level_for_its_events(n_events: int) -> None:
    found = levels_of(scores_of(CONFIG, make_panes([*REFERENCE, n_events, 5])))

    assert found[0] == level_at(CONFIG, VIEW, VIEW.detectors[0], 30, n_events)


def test_levels_follow_what_windows_tell_about_the_reference_within_bounds() -> None:
    found = levels_of(scores_of(CONFIG, make_panes([*REFERENCE, *[30] * 20])))

    calibration = make_calibration(CONFIG, VIEW.detectors[0])
    assert isinstance(calibration, ExpectedRunTime)
    lowest, highest = (calibration.level_for(30, 30, 3, share) for share in (0.95, 0.5))
    assert len(set(found)) > 3
    assert lowest <= min(found) <= max(found) <= highest


def test_windows_of_an_incident_tell_nothing_about_the_reference() -> None:
    scores = scores_of(CONFIG, make_panes([*REFERENCE, *[30] * 20], shift_from=9))

    # The two windows that start the incident are tested while none is open, and lower the level.
    found = levels_of(scores)
    assert [score.is_drift for score in scores[7:11]] == [False, True, True, True]
    assert found[10] < found[8]
    assert set(found[10:]) == {found[10]}


def test_a_reference_that_moves_is_another_one_for_every_window() -> None:
    moving = {"kind": "trailing", "size_ms": 3_000, "step_ms": 1_000, "min_events": 20}
    config = make_config(**TABLES, reference=moving)

    scores = scores_of(config, make_panes([30] * 40))

    found = levels_of(score for score in scores if score.reference.n_events == 90)
    assert len(found) > 5
    assert len(set(found)) == 1


def test_a_new_reference_is_judged_like_any_other() -> None:
    watched = Watched(commanded(**TABLES))
    watched.panes(*range(12), n=30)
    watched.send("rebaseline")
    watched.panes(*range(12, 16), n=30)

    found = levels_of(score for each in watched.actions for score in each.scores)
    assert len(set(found)) > 3
    assert found[0] in found[-3:]


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
