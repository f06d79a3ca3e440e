"""The monitor's scores against an oracle that shares no code with it, however it is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Score
from tests.builders import Replay, make_config
from tests.core.oracle.monitor_by_definition import Expected, Key, expected_scores
from tests.core.oracle.streams import COLUMNS, Burst, bursts, make_events, make_panes

HOUR_MS = 3_600_000
SLIDING = {"kind": "time", "size_ms": 4_000, "slide_ms": 2_000, "min_events": 5}
MANY = {"kind": "time", "size_ms": 12_000, "slide_ms": 1_000, "min_events": 5}
EARLY = SLIDING | {"size_ms": 10_000, "slide_ms": 1_000, "early_events": 40}
NEWEST = SLIDING | {"max_events": 30}
TUMBLING = SLIDING | {"slide_ms": 4_000}
COUNT = {"kind": "count", "size": 25, "slide": 10}
SESSION = {"kind": "session", "gap_ms": 2_000, "max_size_ms": 7_000, "min_events": 5}
WINDOWS = [SLIDING, MANY, EARLY, NEWEST, TUMBLING, COUNT, SESSION]
LEVEL = {"kind": "level_per_window", "level": 0.05}
PSI = {"kind": "psi", "n_permutations": 39}
JS = {"kind": "jensen_shannon", "n_permutations": 39}
REFERENCES: dict[str, dict[str, Any]] = {
    "first events": {"kind": "first_events", "n_events": 40},
    "first time": {"kind": "first_time", "duration_ms": 3_000, "min_events": 40},
}
TRAILING = {
    "kind": "trailing", "size_ms": 9_000, "gap_ms": 1_000, "step_ms": 1_000, "min_events": 40,
}  # fmt: skip


def config_of(reference: dict[str, Any], windows: Sequence[dict[str, Any]]) -> DriftJobConfig:
    """Two views of one model, the first with three detectors."""
    more = [
        {"name": "stability", "window": windows[1], "test": PSI, "calibration": LEVEL},
        {"name": "distance", "window": windows[2], "test": JS, "calibration": LEVEL},
    ]
    views = [
        {"name": "numbers", "columns": ["age", "score"], "reducer": {"kind": "none"},
         "test": {"kind": "ks"}, "detectors": more},
        {"name": "kinds", "columns": ["plan"], "reducer": {"kind": "none"},
         "test": {"kind": "chi_square", "n_draws": 99}},
    ]  # fmt: skip
    return make_config(
        input={"n_features": 0},
        columns=COLUMNS,
        window=windows[0],
        reference=reference,
        calibration=LEVEL,
        detector={"test": None, "reducer": None},
        views=views,
    )


def check(scores: Sequence[Score], expected: dict[Key, Expected]) -> None:
    """Compare each score with the one by definition; there are no others."""
    found = {key_of(score): score for score in scores}
    assert len(found) == len(scores)
    assert found.keys() == expected.keys()
    for key, score in found.items():
        wanted = expected[key]
        shown = (score.status.value, score.window.n_tested, score.reference.n_events)
        assert shown == (wanted.status, wanted.n_tested, wanted.n_reference), key
        for name in ("statistic", "p_value", "effect_size"):
            if (value := getattr(wanted.result, name)) is not None:
                assert getattr(score, name) == pytest.approx(value, rel=1e-9, abs=1e-12), key


def key_of(score: Score) -> Key:
    w = score.window
    return Key(
        score.view, score.detector, w.start_ms, w.end_ms, w.first_event, w.n_events, w.closed_early
    )


def in_every_way(
    config: DriftJobConfig, panes: Sequence[Pane], until_ms: int, data: st.DataObject
) -> Replay:
    """Run a stream plainly, as a backtest, with restarts, and with timers in between."""
    plain = Replay(config).run(panes, until_ms)
    ways = [
        Replay(config, as_in_a_backtest=True).run(panes, until_ms),
        Replay(config, fires_timers=False).run(panes, until_ms),
        _restarted(config, panes, until_ms),
        _interrupted(config, panes, until_ms, data),
    ]
    for way in ways:
        assert written(way) == written(plain)
    return plain


def written(it: Replay) -> list[bytes]:
    return sorted(msgspec.json.encode(record) for record in [*it.scores, *it.alerts])


def _restarted(config: DriftJobConfig, panes: Sequence[Pane], until_ms: int) -> Replay:
    it = Replay(config)
    for pane in panes:
        it.watermark(pane.end_ms - 2)
        it.pane(pane)
        it.restart()
    return it.end(until_ms)


def _interrupted(
    config: DriftJobConfig, panes: Sequence[Pane], until_ms: int, data: st.DataObject
) -> Replay:
    it, past_ms = Replay(config), 0
    for pane in panes:
        for now_ms in sorted(
            data.draw(st.lists(st.integers(past_ms, pane.end_ms - 2), max_size=2))
        ):
            it.time(now_ms)
        it.pane(pane)
        past_ms = pane.end_ms - 1
    return it.end(until_ms)


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES)
@settings(max_examples=6)
@given(bursts, st.permutations(WINDOWS), st.integers(0, 99), st.data())
def test_all_scores_are_those_of_the_definition_after_a_collected_reference(
    reference: dict[str, Any],
    stream: list[Burst],
    windows: list[dict[str, Any]],
    seed: int,
    data: st.DataObject,
) -> None:
    config = config_of(reference, windows)
    events = make_events(stream, width_ms=1_000, seed=seed)
    panes = make_panes(events, width_ms=1_000)
    until_ms = panes[-1].end_ms + 40_000

    it = in_every_way(config, panes, until_ms, data)

    check(it.scores, expected_scores(config, events, until_ms))


@settings(max_examples=6)
@given(bursts, st.permutations(WINDOWS), st.integers(0, 99), st.data())
def test_all_scores_are_those_of_the_definition_against_a_trailing_reference(
    stream: list[Burst], windows: list[dict[str, Any]], seed: int, data: st.DataObject
) -> None:
    """The first cells hold every value, so that counts in cells are exact."""
    config = config_of(TRAILING, windows)
    stream = [Burst(0, 25, False)] * 10 + stream
    events = make_events(stream, width_ms=1_000, seed=seed, n_values=4, misses=False)
    panes = make_panes(events, width_ms=1_000)
    until_ms = panes[-1].end_ms + 40_000

    it = in_every_way(config, panes, until_ms, data)

    check(it.scores, expected_scores(config, events, until_ms))


@pytest.mark.parametrize("slot_ms", [HOUR_MS, HOUR_MS // 2], ids=["an hour", "half an hour"])
@pytest.mark.parametrize(
    "first_ms",
    # A day and three hours before clocks go forward and back in Lisbon in 2025, at 01:00 UTC.
    [1_743_296_400_000 - 27 * HOUR_MS, 1_761_440_400_000 - 27 * HOUR_MS],
    ids=["forward", "back"],
)
@settings(max_examples=4)
@given(st.integers(0, 99), st.data())
def test_all_scores_are_those_of_the_definition_when_clocks_change(
    first_ms: int, slot_ms: int, seed: int, data: st.DataObject
) -> None:
    width_ms = HOUR_MS // 2
    reference = {
        "kind": "seasonal", "period": "day", "slot_ms": slot_ms, "n_periods": 1, "min_events": 8,
        "timezone": "Europe/Lisbon",
    }  # fmt: skip
    window = {"kind": "time", "size_ms": slot_ms, "slide_ms": width_ms, "min_events": 5}
    config = make_config(
        input={"n_features": 0}, columns=COLUMNS, window=window, reference=reference,
        calibration=LEVEL, detector={"test": None, "reducer": None}, panes={"width_ms": width_ms},
        views=[{"name": "numbers", "columns": ["age", "score"], "reducer": {"kind": "none"},
                "test": {"kind": "ks"}}],
    )  # fmt: skip
    stream = [Burst(first_ms // width_ms, 20, False)] + [Burst(0, 10, False)] * 106
    events = make_events(stream, width_ms=width_ms, seed=seed, n_values=4, misses=False)
    panes = make_panes(events, width_ms=width_ms)
    until_ms = panes[-1].end_ms + 48 * HOUR_MS

    it = in_every_way(config, panes, until_ms, data)

    check(it.scores, expected_scores(config, events, until_ms))
