"""What holds for every configuration: a replay, a restore or a timer changes no record."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.references import Seasonal, TrainingSet
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.core.state.model_state import LiveEntries
from flink_jobs.intake.formats.json import InferenceEvent, encode_event
from flink_jobs.intake.panes import Pane, PanePacker, unpack_pane
from flink_jobs.records.control import Command, Pause, Rebaseline, Resume, Snooze
from tests.builders import Replay, make_config, trained_on

HOUR_MS = 3_600_000
MMD = {"kind": "mmd", "n_permutations": 99}
COUNT = {"kind": "count", "size": 20, "slide": 7}
SESSION = {"kind": "session", "gap_ms": 2_000, "max_size_ms": 5_000, "min_events": 2}
EARLY = {"size_ms": 4_000, "slide_ms": 2_000, "early_events": 25, "max_events": 30}
TUMBLING = {"size_ms": 2_000, "slide_ms": 2_000}
ON_RECOVERY = {"n_events": 20, "rebaseline": "on_recovery"}
FIRST_TIME = {"kind": "first_time", "duration_ms": 3_000, "min_events": 15, "max_events": 30}
TRAILING = {
    "kind": "trailing",
    "size_ms": 4_000,
    "gap_ms": 2_000,
    "step_ms": 2_000,
    "min_events": 10,
    "max_events_per_step": 15,
}
DAILY = {
    "panes": {"width_ms": 6 * HOUR_MS},
    "window": {"size_ms": 12 * HOUR_MS, "slide_ms": 6 * HOUR_MS},
    "reference": {
        "kind": "seasonal",
        "period": "day",
        "slot_ms": 12 * HOUR_MS,
        "n_periods": 2,
        "min_events": 10,
        "max_events_per_slot": 20,
    },
    "silence": {"after_ms": 7 * HOUR_MS},
}
POLICY = {
    "windows_to_start": 2,
    "start_within_windows": 3,
    "recover_level": 0.2,
    "cooldown_ms": 2_500,
    "max_alerts": 2,
    "max_alerts_per_ms": 9_000,
    "flapping_after": 2,
    "flapping_within_ms": 8_000,
    "critical_effect_size": 0.5,
}
MORE = [
    {"name": "short", "window": COUNT, "calibration": {"kind": "level_per_window", "level": 0.1}},
    {"name": "bursts", "window": SESSION, "test": MMD, "policy": POLICY},
]
# So little evidence is an alarm that streams of a few panes have some.
SEQUENTIAL: dict[str, Any] = {
    "name": "evidence",
    "sequential": {
        "kind": "counts_e_detector",
        "run_time_events": 150,
        "n_cells": 3,
        "score_every_ms": 3_000,
        "quiet_share": 0.3,
    },
    "policy": {"flapping_after": 2, "flapping_within_ms": 6_000, "ongoing_every_ms": 0},
}
IN_TIME: dict[str, Any] = {
    "name": "time",
    "sequential": {
        "kind": "counts_e_detector",
        "run_time_ms": 9_000,
        "scheme": "cusum",
        "n_cells": 3,
        "score_every_ms": 2_000,
    },
}
OF_ROWS = [
    SEQUENTIAL
    | {
        "name": kind,
        "sequential": {"kind": kind, "run_time_events": 40, "score_every_ms": 3_000} | keys,
    }
    for kind, keys in (
        ("kernel_e_detector", {"n_features": 16, "n_components": 2}),
        ("conformal_e_detector", {}),
        ("classifier_e_detector", {"scheme": "cusum"}),
    )
]
ARTEFACT = {"kind": "artefact", "path": "training.npz", "sha256": "0" * 64}

TABLES: dict[str, dict[str, Any]] = {
    "time": {"reference": {"n_events": 20}, "policy": POLICY},
    "count": {"reference": {"n_events": 20}, "window": COUNT, "detector": {"test": MMD}},
    "session": {"reference": ON_RECOVERY, "window": SESSION, "silence": {"after_ms": 3_000}},
    "early": {"reference": ON_RECOVERY, "window": EARLY},
    "count, on recovery": {"reference": ON_RECOVERY, "window": COUNT},
    "first time": {"reference": FIRST_TIME, "silence": {"after_ms": 1_500}},
    "first time, on recovery": {
        "reference": FIRST_TIME | {"rebaseline": "on_recovery"},
        "window": TUMBLING,
        "silence": {"after_ms": 2_500},
    },
    "training set": {"reference": ARTEFACT, "window": SESSION, "silence": {"after_ms": 1_000}},
    "trailing": {"reference": TRAILING, "silence": {"after_ms": 4_000}, "detector": {"test": MMD}},
    "trailing, count": {"reference": TRAILING, "window": COUNT},
    "trailing, session": {"reference": TRAILING | {"gap_ms": 0}, "window": SESSION},
    "seasonal": DAILY,
    "several": {
        "reference": {"n_events": 20},
        "detectors": MORE,
        "silence": {"after_ms": 2_500},
    },
    "several, on recovery": {"reference": ON_RECOVERY, "detectors": MORE, "window": EARLY},
    "sequential": {
        "reference": {"n_events": 20},
        "detectors": [SEQUENTIAL, *MORE, IN_TIME],
        "silence": {"after_ms": 2_500},
    },
    "sequential, on recovery": {
        "reference": ON_RECOVERY,
        "detectors": [SEQUENTIAL],
        "window": COUNT,
    },
    "sequential, training set": {"reference": ARTEFACT, "detectors": [IN_TIME], "window": SESSION},
    "sequential, of rows": {"reference": {"n_events": 40}, "detectors": OF_ROWS},
    "several, trailing": {"reference": TRAILING, "detectors": MORE, "policy": POLICY},
}


# Status records are told of changes, and a few panes later of how far a model has come.
TOLD: dict[str, Any] = {
    "calibration": {"level": 0.05},
    "kafka": {"status_topic": "status"},
    "job": {"status_every_ms": 3_500},
}


def config_of(name: str) -> DriftJobConfig:
    return make_config(**TOLD | TABLES[name])


CONFIGS = {name: config_of(name) for name in TABLES}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def artefacts(config: DriftJobConfig) -> Artefacts:
    if not isinstance(config.reference, TrainingSet):
        return Artefacts()
    x_ref = np.random.default_rng(9).normal(size=(60, 3))
    return trained_on(config, x_ref)


class Event(NamedTuple):
    time_ms: int
    event_id: str
    payload: bytes


class Burst(NamedTuple):
    """A pane: how many empty ones come before it, how many events it holds, and their level."""

    n_empty: int
    n_events: int
    is_moved: bool


bursts = st.lists(
    st.builds(
        Burst,
        st.sampled_from([0, 0, 0, 0, 1, 2, 3, 7]),
        st.integers(1, 24),
        st.booleans(),
    ),
    min_size=1,
    max_size=16,
)


def make_events(config: DriftJobConfig, stream: Sequence[Burst], seed: int) -> list[Event]:
    """Events of a stream, one in ten of which cannot be used; no two have the same id."""
    rng = np.random.default_rng(seed)
    width_ms = config.panes.width_ms
    events: list[Event] = []
    index = 0
    for burst in stream:
        index += burst.n_empty
        for time_ms in np.sort(rng.integers(0, width_ms, burst.n_events)).tolist():
            event_id = f"event-{len(events)}"
            x = rng.normal(2.0 * burst.is_moved, size=3)
            event = InferenceEvent(schema_version=1, event_id=event_id, features=x.tolist())
            payload = encode_event(event) if rng.random() > 0.1 else b"no event"
            events.append(Event(index * width_ms + time_ms, event_id, payload))
        index += 1
    return events


def make_pane(
    config: DriftJobConfig, start_ms: int, records: Sequence[tuple[Event, int, int]]
) -> Pane:
    """What the window operator makes of records (event, partition, offset), as they arrived."""
    packed = PanePacker(config).pack(
        "model",
        [event.payload for event, _, _ in records],
        np.array([partition for _, partition, _ in records], dtype=np.int32),
        np.array([offset for _, _, offset in records], dtype=np.int64),
        np.array([event.time_ms for event, _, _ in records], dtype=np.int64),
    )
    pane = unpack_pane("model", config.panes.width_ms, packed)
    assert pane.start_ms == start_ms
    return pane


def make_panes(config: DriftJobConfig, stream: Sequence[Burst], seed: int = 0) -> list[Pane]:
    events = make_events(config, stream, seed)
    by_start: dict[int, list[tuple[Event, int, int]]] = defaultdict(list)
    for offset, event in enumerate(events):
        start_ms = event.time_ms - event.time_ms % config.panes.width_ms
        by_start[start_ms].append((event, 0, offset))
    return [make_pane(config, start_ms, records) for start_ms, records in by_start.items()]


def replay(
    config: DriftJobConfig,
    commands: Sequence[Command] = (),
    *,
    fires_timers: bool = False,
    as_in_a_backtest: bool = False,
) -> Replay:
    """A replay to which commands with a time were sent before the first pane."""
    it = Replay(
        config,
        artefacts=artefacts(config),
        fires_timers=fires_timers,
        as_in_a_backtest=as_in_a_backtest,
    )
    for offset, command in enumerate(commands):
        it.command(command, offset)
    return it


def end_of(config: DriftJobConfig, panes: Sequence[Pane]) -> int:
    """So long after the last pane that every window has closed and silence is over its time."""
    return panes[-1].end_ms + 40 * config.panes.width_ms


def told(it: Replay) -> tuple[Counter[bytes], dict[tuple[str, str], list[bytes]]]:
    """All records, and those of each detector and cause in their order."""
    ordered: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for alert in it.alerts:
        ordered[alert.detector, alert.cause].append(msgspec.json.encode(alert))
    for score in it.scores:
        ordered[score.detector, "score"].append(msgspec.json.encode(score))
    ordered["", "status"] = [msgspec.json.encode(status) for status in it.statuses]
    everything = [record for records in ordered.values() for record in records]
    letters = [msgspec.json.encode(letter) for letter in it.dead_letters]
    return Counter(everything + letters), dict(ordered)


@st.composite
def timed_commands(draw: st.DrawFn, width_ms: int) -> list[Command]:
    """Commands that take effect at a time, which need not be the start of a pane."""
    kinds = draw(st.lists(st.sampled_from([Snooze, Pause, Resume, Rebaseline]), max_size=4))
    commands: list[Command] = []
    for number, kind in enumerate(kinds):
        at_ms = draw(st.integers(1, 60)) * width_ms // 3
        until = {"until_ms": at_ms + width_ms * 7 // 2} if kind is Snooze else {}
        commands.append(kind(command_id=f"c-{number}", model="model", effective_ms=at_ms, **until))
    return commands


@every_config
@settings(max_examples=6)
@given(bursts, st.data())
def test_a_restore_at_any_point_changes_no_later_record(
    config: DriftJobConfig, stream: list[Burst], data: st.DataObject
) -> None:
    panes = make_panes(config, stream)
    commands = data.draw(timed_commands(config.panes.width_ms))
    cuts = data.draw(st.sets(st.integers(0, len(panes))))
    undisturbed = replay(config, commands, fires_timers=True)
    restarted = replay(config, commands, fires_timers=True)

    undisturbed.run(panes, end_of(config, panes))
    for place, pane in enumerate(panes):
        if place in cuts:
            restarted.restart()
        restarted.watermark(pane.end_ms - 2)
        if place + 1 in cuts:
            restarted.restart()
        restarted.pane(pane)
    restarted.end(end_of(config, panes))

    assert msgspec.json.encode(restarted.alerts) == msgspec.json.encode(undisturbed.alerts)
    assert msgspec.json.encode(restarted.scores) == msgspec.json.encode(undisturbed.scores)
    assert msgspec.json.encode(restarted.statuses) == msgspec.json.encode(undisturbed.statuses)
    assert restarted.dead_letters == undisturbed.dead_letters
    assert restarted.state.entries == undisturbed.state.entries


@every_config
@settings(max_examples=9)
@given(bursts, st.data())
def test_the_short_cuts_of_a_backtest_change_neither_a_record_nor_the_state(
    config: DriftJobConfig, stream: list[Burst], data: st.DataObject
) -> None:
    panes = make_panes(config, stream)
    commands = data.draw(timed_commands(config.panes.width_ms))
    plain = replay(config, commands, fires_timers=True)
    quick = replay(config, commands, fires_timers=True, as_in_a_backtest=True)

    plain.run(panes, end_of(config, panes))
    quick.run(panes, end_of(config, panes))

    assert msgspec.json.encode(quick.alerts) == msgspec.json.encode(plain.alerts)
    assert msgspec.json.encode(quick.scores) == msgspec.json.encode(plain.scores)
    assert msgspec.json.encode(quick.statuses) == msgspec.json.encode(plain.statuses)
    assert quick.dead_letters == plain.dead_letters
    assert isinstance(quick.state, LiveEntries)
    assert quick.state.objects.keys() == plain.state.entries.keys()


@every_config
@settings(max_examples=9)
@given(bursts, st.data())
def test_when_timers_fire_changes_no_record(
    config: DriftJobConfig, stream: list[Burst], data: st.DataObject
) -> None:
    panes = make_panes(config, stream)
    commands = data.draw(timed_commands(config.panes.width_ms))
    without = replay(config, commands).run(panes, end_of(config, panes))
    timed = replay(config, commands, fires_timers=data.draw(st.booleans()))

    past_ms = 0
    for pane in panes:
        # The watermark has not passed the pane's last millisecond: the pane is not handed on yet.
        latest_ms = pane.end_ms - 2
        for now_ms in sorted(data.draw(st.lists(st.integers(past_ms, latest_ms), max_size=3))):
            timed.watermark(now_ms)
            timed.time(now_ms)
        timed.pane(pane)
        past_ms = pane.end_ms - 1
    timed.end(end_of(config, panes))

    assert told(timed) == told(without)


@every_config
def test_a_model_that_asked_for_a_timer_gets_its_records_without_any_further_pane(
    config: DriftJobConfig,
) -> None:
    panes = make_panes(config, [Burst(0, 20, False)] * 8 + [Burst(0, 20, True)] * 4)
    without = replay(config).run(panes, end_of(config, panes))
    timed = replay(config, fires_timers=True).run(panes)

    timed.watermark(end_of(config, panes))

    assert told(timed) == told(without)


@every_config
@settings(max_examples=4)
@given(bursts, st.integers(0, 15))
def test_events_in_are_events_used_plus_dead_letters(
    config: DriftJobConfig, stream: list[Burst], repeated: int
) -> None:
    panes = make_panes(config, stream)
    again = panes[repeated : repeated + 1]

    it = replay(config).run([*panes, *again], end_of(config, panes))

    n_in = sum(len(p.events) + len(p.dead_letters) for p in [*panes, *again])
    counts = [actions.counts for actions in it.actions]
    assert sum(c.events for c in counts) == n_in
    assert sum(c.used for c in counts) + len(it.dead_letters) == n_in
    assert sum(c.dead_letters for c in counts) == len(it.dead_letters)


@pytest.mark.parametrize("timer_ms", [None, 12_000, 15_500])
def test_a_new_configuration_ends_incidents_at_a_moment_that_no_timer_decides(
    timer_ms: int | None,
) -> None:
    """Flink restores timers too: one may fire before the first pane."""
    panes = make_panes(config_of("time"), [Burst(0, 20, n > 8) for n in range(12)])
    (later,) = make_panes(config_of("time"), [Burst(18, 20, True)])
    it = replay(config_of("time")).run(panes)
    assert it.alerts != []

    restarted = Replay(make_config(detector={"reducer": {"kind": "pca", "n_components": 1}}))
    restarted.state = it.state
    if timer_ms is not None:
        restarted.time(timer_ms)
    restarted.pane(later)

    (ended,) = restarted.alerts
    assert (ended.ending, ended.window.end_ms) == ("new_configuration", 12_000)


def panes_in_order_of_arrival(
    config: DriftJobConfig, events: Sequence[Event], *, bound_ms: int, seed: int
) -> list[tuple[int, list[Pane]]]:
    """Watermarks, each with the panes that it closes, of events that arrive in some order.

    An event that is ``bound_ms`` behind another at most is not late: the watermark stays that far
    behind the latest.
    """
    rng = np.random.default_rng(seed)
    width_ms = config.panes.width_ms
    delays_ms = rng.integers(0, bound_ms + 1, len(events))
    arrival = np.argsort([e.time_ms for e in events] + delays_ms, kind="stable")
    partitions = rng.integers(0, 3, len(events))
    offsets = [0, 0, 0]
    open_panes: dict[int, list[tuple[Event, int, int]]] = defaultdict(list)
    latest_ms, steps = 0, []
    for place in arrival.tolist():
        event, partition = events[place], int(partitions[place])
        start_ms = event.time_ms - event.time_ms % width_ms
        assert start_ms + width_ms - 1 > latest_ms - bound_ms - 1, "late"
        open_panes[start_ms].append((event, partition, offsets[partition]))
        offsets[partition] += 1
        latest_ms = max(latest_ms, event.time_ms)
        watermark_ms = latest_ms - bound_ms - 1
        due = sorted(s for s in open_panes if s + width_ms - 1 <= watermark_ms)
        steps.append((watermark_ms, [make_pane(config, s, open_panes.pop(s)) for s in due]))
    rest = [make_pane(config, s, open_panes[s]) for s in sorted(open_panes)]
    return [*steps, (latest_ms + 40 * width_ms, rest)]


def run_arrivals(config: DriftJobConfig, steps: Sequence[tuple[int, list[Pane]]]) -> Replay:
    it = replay(config, fires_timers=True)
    for watermark_ms, panes in steps:
        for pane in panes:
            it.pane(pane)
        it.watermark(watermark_ms)
    return it.end(steps[-1][0])


def without_places(it: Replay) -> list[bytes]:
    """The alerts, but for the partitions and offsets of exemplars."""
    blank = [
        msgspec.structs.replace(
            alert,
            exemplars=[msgspec.structs.replace(e, partition=0, offset=0) for e in alert.exemplars],
        )
        for alert in it.alerts
    ]
    return sorted(msgspec.json.encode(alert) for alert in blank)


@every_config
@settings(max_examples=4)
@given(bursts, st.integers(0, 3_500), st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_neither_the_order_of_arrival_nor_the_partitions_change_a_result(
    config: DriftJobConfig, stream: list[Burst], bound_ms: int, seeds: tuple[int, int]
) -> None:
    events = make_events(config, stream, seed=1)
    bound_ms = bound_ms * config.panes.width_ms // 1_000

    first, second = (
        run_arrivals(
            config, panes_in_order_of_arrival(config, events, bound_ms=bound_ms, seed=seed)
        )
        for seed in seeds
    )

    scores = [sorted(msgspec.json.encode(s) for s in it.scores) for it in (first, second)]
    assert scores[0] == scores[1]
    assert without_places(first) == without_places(second)
    assert len(first.dead_letters) == len(second.dead_letters)


def test_the_streams_of_this_file_raise_alerts_of_every_kind_and_scores_of_every_status() -> None:
    """What these tests say would be worth little of streams on which nothing happens."""
    stream = [
        *[Burst(0, 20, False)] * 8,
        *[Burst(0, 20, True)] * 3,
        *[Burst(0, 20, False)] * 5,
        Burst(7, 1, False),
        *[Burst(0, 24, True)] * 3,
    ]
    alerts, scores = set(), set()
    for config in CONFIGS.values():
        if not isinstance(config.reference, Seasonal):
            panes = make_panes(config, stream)
            it = replay(config).run(panes, end_of(config, panes))
            alerts |= {(a.cause.value, a.kind.value) for a in it.alerts}
            scores |= {s.status.value for s in it.scores}

    assert scores == {"tested", "too_few_events", "no_reference"}
    assert alerts >= {
        *(("drift", kind) for kind in ("started", "ongoing", "recovered")),
        *(("silence", kind) for kind in ("started", "recovered")),
    }


def test_a_timer_changes_none_of_the_cells_to_which_a_moving_reference_is_fitted_anew() -> None:
    """A session that a timer has closed keeps its cells no shorter than one that a pane closes."""
    reference = {"kind": "trailing", "size_ms": 1_000, "step_ms": 1_000, "min_events": 10}
    config = make_config(reference=reference, window=SESSION)
    panes = make_panes(config, [Burst(0, 20, False)] * 6 + [Burst(30, 20, False)])
    anew = Rebaseline(command_id="c", model="model")
    fitted = []
    for has_timer in (False, True):
        it = replay(config).run(panes[:-1])
        if has_timer:
            it.time(20_000)
        it.pane(panes[-1])
        it.command(anew)
        fitted.append(it.state.entries["reference/main"])

    assert fitted[0] == fitted[1]
