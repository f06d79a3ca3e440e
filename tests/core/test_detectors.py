"""Several detectors watch one model, each with windows, test, policy and incidents of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.core.record_parts import Facts
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import MAIN_DETECTOR, Alert, Score, record_id
from flink_jobs.records.control import Rebaseline
from tests.builders import Replay, make_config, make_panes, make_stream

SECOND = {"size_ms": 1_000, "slide_ms": 1_000}
MMD = {"kind": "mmd", "n_permutations": 99}
COUNT = {"kind": "count", "size": 40, "slide": 10}
SESSION = {"kind": "session", "gap_ms": 2_000, "max_size_ms": 10_000, "min_events": 2}


def time_window(n_panes: int, n_slide: int | None = None) -> dict[str, Any]:
    n_slide = n_panes if n_slide is None else n_slide
    size_ms, slide_ms = 1_000 * n_panes, 1_000 * n_slide
    return {"kind": "time", "size_ms": size_ms, "slide_ms": slide_ms, "min_events": 2}


def level(value: float) -> dict[str, Any]:
    return {"kind": "level_per_window", "level": value}


def scores_of(it: Replay, name: str) -> list[Score]:
    return [score for score in it.scores if score.detector == name]


def alerts_of(it: Replay, name: str) -> list[Alert]:
    return [alert for alert in it.alerts if alert.detector == name]


def stream(locs: Sequence[float], n: int = 40, seed: int = 0) -> list[Pane]:
    rng = np.random.default_rng(seed)
    return make_stream([rng.normal(loc, size=(n, 3)) for loc in locs])


def short_and_long(locs: Sequence[float]) -> dict[str, int | None]:
    """When the first incident of each detector starts."""
    config = make_config(
        window=time_window(1),
        reference={"n_events": 400},
        calibration={"level": 1e-4},
        detectors=[{"name": "long", "window": time_window(20, 5)}],
    )
    it = Replay(config).run(stream(locs), 1_000_000)
    return {
        name: next((a.window.end_ms for a in alerts_of(it, name)), None)
        for name in (MAIN_DETECTOR, "long")
    }


def test_a_short_window_finds_a_sudden_shift_before_a_long_one() -> None:
    first = short_and_long([0.0] * 41 + [1.2] * 9)

    assert first[MAIN_DETECTOR] == 42_000
    assert first["long"] is not None
    assert first["long"] > 42_000


def test_a_long_window_finds_a_slow_drift_that_no_short_one_sees() -> None:
    first = short_and_long([0.0] * 30 + list(np.linspace(0.0, 0.25, 60)))

    assert first[MAIN_DETECTOR] is None
    assert first["long"] is not None


def test_each_detector_has_its_own_test_level_and_policy() -> None:
    config = make_config(
        window=SECOND,
        detectors=[
            {
                "name": "patient",
                "window": time_window(1),
                "test": MMD,
                "calibration": level(0.05),
                "policy": {"windows_to_start": 3, "top_columns": 1, "exemplars": 0},
            }
        ],
    )

    it = Replay(config).run(stream([0, 0, 3, 3, 3, 3]))

    main, patient = (scores_of(it, name)[-1] for name in (MAIN_DETECTOR, "patient"))
    assert (main.test, patient.test) == ("ks", "mmd")
    assert main.threshold is not None
    assert patient.threshold is not None
    assert (main.threshold.p_value, patient.threshold.p_value) == (0.01, 0.05)
    starts_ms = [alerts_of(it, name)[0].window.start_ms for name in (MAIN_DETECTOR, "patient")]
    assert starts_ms == [2_000, 4_000]
    assert (len(alerts_of(it, "patient")[0].exemplars), len(it.alerts[0].exemplars)) == (0, 5)


def test_what_a_detector_leaves_out_is_as_in_the_main_tables() -> None:
    config = make_config(
        window=SECOND,
        policy={"windows_to_start": 2},
        detectors=[{"name": "twin", "window": time_window(1)}],
    )

    it = Replay(config).run(stream([0, 0, 3, 3, 0, 0, 3, 3, 3]))

    def plain(records: Sequence[Any]) -> list[Any]:
        blank = {"detector": "", "exemplars": []}
        trees = [msgspec.to_builtins(record) | blank for record in records]
        ids = ("alert_id", "incident_id", "score_id")
        return [{k: v for k, v in tree.items() if k not in ids} for tree in trees]

    assert plain(alerts_of(it, "twin")) == plain(alerts_of(it, MAIN_DETECTOR)) != []
    assert plain(scores_of(it, "twin")) == plain(scores_of(it, MAIN_DETECTOR)) != []


def test_the_incidents_of_detectors_have_nothing_in_common() -> None:
    config = make_config(window=SECOND, detectors=[{"name": "twin", "window": time_window(1)}])

    it = Replay(config).run(stream([0, 0, 3, 3, 0, 3, 0]))

    main, twin = (alerts_of(it, name) for name in (MAIN_DETECTOR, "twin"))
    assert len(main) == len(twin) == 5
    assert {a.incident_id for a in main}.isdisjoint(a.incident_id for a in twin)
    ids = [a.alert_id for a in it.alerts] + [s.score_id for s in it.scores]
    assert len(set(ids)) == len(ids)


def test_a_new_reference_ends_the_incidents_of_all_detectors() -> None:
    config = make_config(window=SECOND, detectors=[{"name": "wide", "window": time_window(2)}])
    it = Replay(config).run(stream([0, 0, 3, 3, 3, 3]))

    it.command(Rebaseline(command_id="c", model="model"))

    endings = [(a.detector, a.kind, a.ending) for a in it.actions[-1].alerts]
    assert endings == [(name, "recovered", "new_reference") for name in (MAIN_DETECTOR, "wide")]
    ids = {a.detector: a.incident_id for a in it.alerts if a.kind == "started"}
    assert {a.detector: a.incident_id for a in it.actions[-1].alerts} == ids


def identified(records: Sequence[Alert | Score]) -> list[Any]:
    """Records without the version of their configuration, which is part of every identifier."""
    plain: list[Any] = []
    for record in records:
        identity = Facts(
            record.model, record.view, record.detector, record.window, record.reference
        ).identity()
        version = record.config_version
        if isinstance(record, Score):
            assert record.score_id == record_id("score", *identity, version)
        else:
            assert record.alert_id == record_id(record.kind, *identity, version)
        tree = msgspec.to_builtins(record)
        for name in ("score_id", "alert_id", "incident_id", "config_version"):
            tree.pop(name, None)
        plain.append((identity, tree))
    return plain


@pytest.mark.parametrize(
    "more",
    [{"window": time_window(4)}, {"window": COUNT, "policy": {"exemplars": 1}}],
    ids=["time", "count"],
)
@pytest.mark.parametrize("test", [{"kind": "ks"}, MMD], ids=["ks", "mmd"])
def test_further_detectors_leave_the_records_of_the_main_one_as_they_were(
    more: dict[str, Any], test: dict[str, Any]
) -> None:
    tables = {"detector": {"test": test}, "calibration": {"level": 0.05}, "window": SECOND}
    panes = stream([0, 0, 0, 2, 2, 0, 0, 2, 0])

    alone = Replay(make_config(**tables)).run(panes)
    together = Replay(make_config(**tables, detectors=[{"name": "more"} | more])).run(panes)

    assert identified(scores_of(together, MAIN_DETECTOR)) == identified(alone.scores) != []
    assert identified(alerts_of(together, MAIN_DETECTOR)) == identified(alone.alerts) != []
    assert len(scores_of(together, "more")) > 0


def test_a_detector_with_a_test_of_its_own_changes_no_number_of_the_main_one() -> None:
    more = [{"name": "more", "window": time_window(2), "test": MMD, "calibration": level(0.05)}]
    panes = stream([0, 0, 0, 2, 2, 0])
    alone = Replay(make_config(window=SECOND)).run(panes)

    together = Replay(make_config(window=SECOND, detectors=more)).run(panes)

    def numbers(scores: Sequence[Score]) -> list[Any]:
        return [(s.window, s.statistic, s.p_value, s.effect_size, s.is_drift) for s in scores]

    assert numbers(scores_of(together, MAIN_DETECTOR)) == numbers(alone.scores)


sizes = st.lists(st.integers(0, 30) | st.just(0), min_size=4, max_size=18)


@settings(max_examples=12)
@given(sizes, st.permutations([time_window(3, 1), COUNT, SESSION]))
def test_windows_of_different_kinds_close_side_by_side_as_each_would_alone(
    sizes: list[int], windows: list[dict[str, Any]]
) -> None:
    """Each keeps slices as long as it needs them, and no longer."""
    panes = make_panes([30, *sizes])
    names = [MAIN_DETECTOR, "second", "third"]
    more = [{"name": n, "window": w} for n, w in zip(names[1:], windows[1:], strict=True)]
    it = Replay(make_config(window=windows[0], detectors=more))
    alone = [Replay(make_config(window=window)) for window in windows]

    for pane in panes:
        it.pane(pane)
        for each in alone:
            each.pane(pane)
        for name, each in zip(names, alone, strict=True):
            assert entries_of(it, name) == entries_of(each, MAIN_DETECTOR)
    for each in (it, *alone):
        each.end(100_000)

    for name, each in zip(names, alone, strict=True):
        seen = [(s.window, s.status, s.p_value, s.statistic) for s in scores_of(it, name)]
        assert seen == [(s.window, s.status, s.p_value, s.statistic) for s in each.scores]


def entries_of(it: Replay, name: str) -> list[bytes]:
    """What the slices of a detector hold, oldest first."""
    prefix = f"slice/main/{name}/"
    found = {k: v for k, v in it.state.entries.items() if k.startswith(prefix)}
    return [found[key] for key in sorted(found, key=lambda key: int(key.removeprefix(prefix)))]


def test_detectors_share_a_moving_reference() -> None:
    reference = {"kind": "trailing", "size_ms": 4_000, "step_ms": 2_000, "min_events": 20}
    more = [{"name": "more", "window": time_window(1), "test": MMD, "calibration": level(0.05)}]
    config = make_config(window=SECOND, reference=reference, detectors=more)

    it = Replay(config).run(stream([0] * 8 + [3, 3]))

    main, other = (scores_of(it, name) for name in (MAIN_DETECTOR, "more"))
    assert [s.reference for s in main] == [s.reference for s in other]
    assert {a.detector for a in it.alerts} == {MAIN_DETECTOR, "more"}
