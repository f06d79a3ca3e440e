"""What lies in the state: it is bounded, written once, removed once, and nothing is left over."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.entries import decode
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.core.state.status import STATUS, Status
from flink_jobs.records.alerts import AlertKind, Cause, Ending
from tests.builders import Replay, make_config, make_pane, make_panes
from tests.core.watched import SECOND, Watched, commanded, place, rows

TRAILING: dict[str, Any] = {
    "kind": "trailing", "size_ms": 4_000, "step_ms": 2_000, "min_events": 20,
}  # fmt: skip
COUNT = {"kind": "count", "size": 40, "slide": 15}
SESSION = {"kind": "session", "gap_ms": 2_000, "max_size_ms": 9_000, "min_events": 2}
MMD = {"kind": "mmd", "n_permutations": 99}
MORE = [
    {"name": "counted", "window": COUNT, "test": MMD,
     "calibration": {"kind": "level_per_window", "level": 0.05}},
    {"name": "bursts", "window": SESSION},
]  # fmt: skip
TWO_VIEWS: dict[str, Any] = {
    "detector": {"test": None, "reducer": None},
    "input": {"n_features": 0},
    "columns": {"features": {"a": "number", "b": "number", "c": "number"}},
    "views": [
        {"name": "left", "columns": ["a", "b"], "test": {"kind": "ks"},
         "reducer": {"kind": "none"}},
        {"name": "right", "columns": ["c"], "test": {"kind": "ks"}, "reducer": {"kind": "none"}},
    ],
}  # fmt: skip
FORGET_MS = 20_000


class CountingEntries(InMemoryEntries):
    """Entries that count how often each was read, written and removed."""

    def __init__(self) -> None:
        super().__init__()
        self.read: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.removed: Counter[str] = Counter()
        self.n_bytes = 0

    def get(self, name: str) -> bytes | None:
        self.read[name] += 1
        return super().get(name)

    def put(self, name: str, data: bytes) -> None:
        self.written[name] += 1
        self.n_bytes += len(data)
        super().put(name, data)

    def delete(self, name: str) -> None:
        self.removed[name] += name in self.entries
        super().delete(name)


def without_status(names: Any) -> set[str]:
    return {name for name in names if name != STATUS}


CONFIGS = {
    "collected": {"reference": {"n_events": 20}, "detectors": MORE},
    "trailing": {"reference": TRAILING, "detectors": MORE},
    "long windows": {"window": {"size_ms": 30_000, "slide_ms": 1_000}, "detectors": MORE},
    "early": {"window": {"size_ms": 20_000, "slide_ms": 1_000, "early_events": 30}},
}


@pytest.mark.parametrize("tables", CONFIGS.values(), ids=CONFIGS)
@settings(max_examples=3)
@given(st.lists(st.integers(1, 25), min_size=60, max_size=90))
def test_entries_are_written_once_and_removed_once_and_stay_bounded(
    tables: dict[str, Any], sizes: list[int]
) -> None:
    it = Replay(make_config(**tables))
    it.state = state = CountingEntries()

    n_entries = []
    for pane in make_panes([30, *sizes]):
        it.watermark(pane.end_ms - 2)
        it.pane(pane)
        n_entries.append(len(state.entries))

    pieces = {n for n in state.written if not n.startswith((STATUS, "reference/"))}
    assert {state.written[name] for name in pieces} == {1}
    assert {state.removed[name] for name in pieces} <= {0, 1}
    assert {name for name in pieces if not state.removed[name]} == {
        name for name in state.entries if not name.startswith((STATUS, "reference/"))
    }
    # Of each of 3 detectors at most 31 slices of a window, and pieces of the open one.
    assert max(n_entries) <= 150
    # A session of 9 panes has up to 9 pieces, and windows by count have as many slices as pleases.
    assert max(n_entries[45:]) <= max(n_entries[:45]) + 20


@pytest.mark.parametrize("tables", CONFIGS.values(), ids=CONFIGS)
def test_a_pane_writes_at_most_twice_its_summary_and_4_kb(tables: dict[str, Any]) -> None:
    it = Replay(make_config(**tables))
    it.state = state = CountingEntries()
    panes = make_panes([30] * 200)
    for pane in panes[:60]:
        it.pane(pane)
    before, first = state.n_bytes, Counter(state.written)

    for pane in panes[60:]:
        it.pane(pane)

    written = state.n_bytes - before
    of_status = len(state.entries[STATUS])
    n_panes = len(panes) - 60
    # What a pane of its own puts down: one piece for each detector and for the cells.
    own = _bytes_of_pieces(make_config(**tables))
    assert sum((state.written - first).values()) > n_panes
    assert written / n_panes <= 2 * own + 4_096 + of_status


def _bytes_of_pieces(config: DriftJobConfig) -> float:
    """The bytes that the first pane after the reference adds to the state."""
    it = Replay(config)
    panes = make_panes([30] * 40)
    grown = []
    for pane in panes:
        before = set(it.state.entries)
        it.pane(pane)
        new = set(it.state.entries) - before - {STATUS, "reference/main"}
        grown.append(sum(len(it.state.entries[name]) for name in new))
    return float(np.median(grown[20:]))


@pytest.mark.parametrize("tables", CONFIGS.values(), ids=CONFIGS)
def test_rebaseline_leaves_nothing_of_the_windows_before(tables: dict[str, Any]) -> None:
    watched = Watched(commanded(**tables))
    watched.panes(*range(12))

    watched.send("rebaseline")

    left = {name for name in watched.state.entries if name.startswith("slice/")}
    assert left == set()
    if "kind" not in tables.get("reference", {}):
        assert without_status(watched.state.entries) <= {"reference/main"}


def test_a_new_configuration_leaves_nothing_of_the_old_one() -> None:
    watched = Watched(commanded(reference=TRAILING, detectors=MORE))
    watched.panes(*range(12))

    watched.restart(commanded())
    watched.panes(12)

    assert without_status(watched.state.entries) == {"reference/main", "slice/main/main/0"}


def test_a_view_that_is_gone_leaves_nothing_and_ends_its_incident() -> None:
    watched = Watched(commanded(**TWO_VIEWS))
    watched_panes(watched, range(3), loc=0.0)
    watched_panes(watched, range(3, 5), loc=6.0)
    assert {alert.view for alert in watched.alerts} == {"left", "right"}

    fewer = TWO_VIEWS | {"views": TWO_VIEWS["views"][:1], "columns": TWO_VIEWS["columns"]}
    watched.restart(commanded(**fewer))
    watched.pane(make_pane(5, rows(5, loc=6.0)[:, :2], first_offset=5_000))

    assert not [name for name in watched.state.entries if "right" in name]
    (ended,) = [a for a in watched.actions[-1].alerts if a.view == "right"]
    assert (ended.kind, ended.ending) == (AlertKind.RECOVERED, Ending.NEW_CONFIGURATION)
    assert [view.name for view in watched.status.views] == ["left"]


def test_only_the_view_whose_configuration_changes_begins_again() -> None:
    watched = Watched(commanded(**TWO_VIEWS))
    watched_panes(watched, range(3))
    left, right = TWO_VIEWS["views"]
    changed = TWO_VIEWS | {"views": [left, right | {"test": {"kind": "cramer_von_mises"}}]}
    before = watched.state.entries["reference/left"]

    watched.restart(commanded(**changed, calibration={"level": 0.05}))
    watched_panes(watched, range(3, 6))

    assert watched.state.entries["reference/left"] == before
    starts = {s.view: s.reference.start_ms for s in watched.actions[-1].scores}
    assert starts == {"left": 0, "right": 3_000}


def test_a_command_may_name_a_view() -> None:
    watched = Watched(commanded(**TWO_VIEWS))
    watched_panes(watched, range(3))

    watched.send("rebaseline", view="right")
    refused = watched.send("rebaseline", view="nonsense")
    watched_panes(watched, range(3, 6))

    starts = {s.view: s.reference.start_ms for s in watched.actions[-1].scores}
    assert starts == {"left": 0, "right": 3_000}
    assert "it has 'left', 'right'" in refused.reason


def watched_panes(watched: Watched, indices: Any, loc: float = 0.0) -> None:
    for index in indices:
        watched.pane(make_pane(index, rows(index, loc=loc), first_offset=1_000 * index))


def forgetful(**tables: Any) -> Watched:
    """A model with an open incident that has fallen silent."""
    config = commanded(job={"forget_after_ms": FORGET_MS}, silence={"after_ms": 5_000}, **tables)
    watched = Watched(config)
    watched.state = CountingEntries()
    watched.panes(*range(8))
    watched.panes(8, 9, loc=5.0)
    assert [alert.kind for alert in watched.alerts][:1] == [AlertKind.STARTED]
    return watched


@pytest.mark.parametrize("tables", [{}, {"reference": TRAILING}, {"detectors": MORE[1:]}])
@pytest.mark.parametrize("by", ["timer", "timers", "pane"])
def test_a_model_without_events_is_forgotten_with_one_alert_and_is_then_new(
    tables: dict[str, Any], by: str
) -> None:
    watched = forgetful(**tables)
    open_ids = {a.incident_id for a in watched.alerts}
    at_ms = 10_000 + FORGET_MS
    n_before = len(watched.actions)

    if by == "timers":
        watched.time(17_000)
    if by != "pane":
        watched.time(at_ms)
        assert watched.state.entries == {}
        # A timer that was outstanding brings nothing back.
        watched.time(at_ms + 7_000)
        assert watched.state.entries == {}
    watched.panes(90)

    alerts = [a for each in watched.actions[n_before:] for a in each.alerts]
    assert [a.cause for a in alerts].count(Cause.FORGOTTEN) == 1
    (forgotten,) = [a for a in alerts if a.cause is Cause.FORGOTTEN]
    assert (forgotten.window.start_ms, forgotten.window.end_ms) == (10_000, at_ms)
    ended = [a for a in alerts if a.kind is AlertKind.RECOVERED]
    assert {(a.ending, a.window.end_ms) for a in ended} == {(Ending.FORGOTTEN, at_ms)}
    assert open_ids <= {a.incident_id for a in ended}
    assert Cause.SILENCE in {a.cause for a in ended}
    # What comes back is a new model.
    status = decode(STATUS, watched.state.entries[STATUS], Status)
    assert status.last_pane_start_ms == 90_000
    starts = {view.reference_start_ms for view in status.views if view.reference_start_ms}
    assert starts <= {90_000}
    assert not [a for a in watched.actions[-1].alerts if a.window.start_ms >= 90_000]


def test_when_a_model_is_forgotten_no_record_depends_on_timers() -> None:
    told = []
    for moments in ([], [17_000], [12_000, 30_000], [30_000, 41_000]):
        watched = forgetful()
        for now_ms in moments:
            watched.time(now_ms)
        watched.panes(90, 91)
        told.append(sorted(map(repr, [*watched.alerts, *watched.scores])))

    assert told[0] == told[1] == told[2] == told[3]


def test_a_command_that_waits_longer_than_its_model_is_refused() -> None:
    watched = forgetful()
    watched.send("snooze", until_ms=500_000, effective_ms=80_000)

    watched.time(10_000 + FORGET_MS)

    assert watched.audits[-1].outcome == "refused"
    assert (
        "all state of the model was removed at 1970-01-01 00:00:30 UTC" in watched.audits[-1].reason
    )


@pytest.mark.parametrize("by_timer", [False, True])
def test_a_model_that_comes_back_takes_what_stands_for_all_new_models(by_timer: bool) -> None:
    from tests.core.watched import standing_of

    watched = forgetful()
    watched.standing = standing_of(place(0, "snooze", model="*", until_ms=10**9))
    watched.panes(10)
    if by_timer:
        watched.time(200_000)

    watched.panes(300)

    assert watched.status.snoozed_until_ms == 10**9


def test_a_model_of_which_no_event_can_be_used_is_forgotten_too() -> None:
    watched = Watched(commanded(job={"forget_after_ms": FORGET_MS}))
    watched.state = CountingEntries()
    watched.pane(make_pane(0, np.empty((0, 3))))

    watched.time(1_000 + FORGET_MS)

    assert watched.state.entries == {}


def test_a_reference_that_moves_never_reads_rows_again() -> None:
    """What is read with a pane does not grow with the reference."""
    reads = []
    for n_steps in (4, 16):
        reference = TRAILING | {"size_ms": n_steps * 1_000, "step_ms": 1_000}
        config = make_config(window=SECOND, reference=reference)
        state, monitor = CountingEntries(), DriftMonitor(config)
        panes = make_panes([30] * 60)
        for pane in panes[:50]:
            monitor.on_pane(pane, state)
        before = Counter(state.read)
        for pane in panes[50:]:
            monitor.on_pane(pane, state)
        reads.append(sum((state.read - before).values()) / 10)
    # The status, the open slice, the cell that leaves and the one that comes.
    assert reads[1] <= 12, reads
    assert reads[1] <= 2 * reads[0], reads


def test_rebaseline_fits_a_moving_reference_anew_to_what_is_at_hand() -> None:
    watched = Watched(commanded(reference=TRAILING))
    watched.panes(*range(8))
    before = watched.status.views[0].reference_fingerprint

    audit = watched.send("rebaseline")
    watched.panes(8, 9)

    assert "fitted to the reference as it is now" in audit.reason
    assert watched.status.views[0].reference_fingerprint != before
    assert [s.status for s in watched.scores[-2:]] == ["tested", "tested"]


def test_a_view_that_fails_does_not_stop_another_view(monkeypatch: pytest.MonkeyPatch) -> None:
    from detectors import KSTest

    works = KSTest.place

    def fails(self: KSTest, x: Any) -> Any:
        if x.shape[1] == 1 and x.max() > 100:
            raise ValueError("it broke")
        return works(self, x)

    monkeypatch.setattr(KSTest, "place", fails)
    watched = Watched(commanded(**TWO_VIEWS))
    watched_panes(watched, range(3))
    watched_panes(watched, [3], loc=1_000.0)
    watched_panes(watched, [4])

    found = {(s.view, s.window.start_ms): s.status for s in watched.scores}
    assert (found["left", 3_000], found["right", 3_000]) == ("tested", "failed")
    assert (found["left", 4_000], found["right", 4_000]) == ("tested", "tested")
    failing = [(a.view, a.kind) for a in watched.alerts if a.cause is Cause.TEST_FAILED]
    assert failing == [("right", AlertKind.STARTED), ("right", AlertKind.RECOVERED)]
