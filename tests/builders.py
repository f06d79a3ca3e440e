"""Short ways to build the configurations, events and panes that tests talk about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.checks import cross_check
from flink_jobs.config.digests import trained_key, view_fingerprint
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import check_overrides
from flink_jobs.config.tables.watching import LevelPerWindowConfig
from flink_jobs.config.views import views_of
from flink_jobs.core.actions import Actions
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.references.fitted import FittedView, fit_view, rows_without_times
from flink_jobs.core.state.model_state import InMemoryEntries, LiveEntries
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.intake.formats.json import InferenceEvent, encode_event
from flink_jobs.intake.panes import Pane, PanePacker, unpack_pane
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.control import Command, PlacedCommand
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.records.status import ModelStatus

WIDTH_MS = 1_000

BASE = """
version = 1
[kafka]
bootstrap_servers = "127.0.0.1:9092"
[input]
n_features = 3
n_outputs = 0
[panes]
width_ms = 1000
[window]
kind = "time"
size_ms = 3000
slide_ms = 1000
min_events = 2
[reference]
kind = "first_events"
n_events = 30
[detector]
reducer = {kind = "none"}
test = {kind = "ks"}
[calibration]
kind = "level_per_window"
level = 0.01
# Every window shows what it found.
[policy]
windows_to_start = 1
windows_to_recover = 1
ongoing_every_ms = 0
flapping_after = 0
"""


def make_config(**tables: object) -> DriftJobConfig:
    """The base configuration with keys of some tables replaced, or whole tables given a kind."""
    tree = msgspec.toml.decode(BASE)
    for name, table in tables.items():
        if isinstance(table, dict) and "kind" not in table:
            tree[name] = tree.get(name, {}) | table
        else:
            tree[name] = table
    config = msgspec.convert(tree, DriftJobConfig)
    assert cross_check(config) + check_overrides(config) == []
    return config


def level_of(config: DriftJobConfig) -> float:
    """The level per window of a configuration that has one."""
    assert isinstance(config.calibration, LevelPerWindowConfig)
    return config.calibration.level


def unchecked(**tables: Any) -> DriftJobConfig:
    tree = msgspec.toml.decode(BASE)
    for name, table in tables.items():
        is_part = isinstance(table, dict) and "kind" not in table
        tree[name] = tree.get(name, {}) | table if is_part else table
    return msgspec.convert(tree, DriftJobConfig)


def fingerprint_of(config: DriftJobConfig) -> str:
    """The digest of what the state of the only view depends on."""
    (view,) = views_of(config)
    return view_fingerprint(config, view)


def fitted_to(config: DriftJobConfig, x_ref: NDArray[np.float64]) -> FittedView:
    """The detectors of the only view, fitted to rows."""
    (view,) = views_of(config)
    return fit_view(view, rows_without_times(x_ref, {}, view.seed), config.sample.size)


def trained_on(config: DriftJobConfig, x_ref: NDArray[np.float64]) -> Artefacts:
    """The reference block of a training set of these rows, as a monitor is given it."""
    (view,) = views_of(config)
    return Artefacts({trained_key(view): fitted_to(config, x_ref).to_block()})


def make_pane(
    index: int,
    x: NDArray[np.float64],
    *,
    first_offset: int = 0,
    model: str = "model",
    width_ms: int = WIDTH_MS,
) -> Pane:
    """A pane of usable events, evenly spread over its time."""
    n = len(x)
    start_ms = index * width_ms
    offsets = np.arange(first_offset, first_offset + n, dtype=np.int64)
    events = EventColumns(
        event_ids=[f"event-{offset}" for offset in offsets],
        partitions=np.zeros(n, dtype=np.int32),
        offsets=offsets,
        rows=np.zeros(n, dtype=np.int32),
        times_ms=start_ms + np.arange(n, dtype=np.int64) * width_ms // max(n, 1),
        x=np.ascontiguousarray(x, dtype=np.float64),
    )
    return Pane(model, start_ms, start_ms + width_ms, events, [])


def make_panes(
    sizes: Sequence[int], *, seed: int = 0, shift_from: int | None = None, n_columns: int = 3
) -> list[Pane]:
    """Consecutive panes of normal rows; empty panes are left out, as Flink leaves them out."""
    rng = np.random.default_rng(seed)
    panes, offset = [], 0
    for index, size in enumerate(sizes):
        moved = shift_from is not None and index >= shift_from
        x = rng.normal(loc=2.0 if moved else 0.0, size=(size, n_columns))
        if size:
            panes.append(make_pane(index, x, first_offset=offset))
        offset += size
    return panes


def make_stream(
    blocks: Sequence[NDArray[np.float64]], *, width_ms: int = WIDTH_MS, first: int = 0
) -> list[Pane]:
    """Consecutive panes with the given rows; empty panes are left out."""
    panes, offset = [], 0
    for index, x in enumerate(blocks, start=first):
        if len(x):
            panes.append(make_pane(index, x, first_offset=offset, width_ms=width_ms))
        offset += len(x)
    return panes


def run_monitor(
    config: DriftJobConfig, panes: Sequence[Pane], state: InMemoryEntries | None = None
) -> list[Actions]:
    """Hand panes to a new monitor, one after the other."""
    monitor = DriftMonitor(config)
    state = state or InMemoryEntries()
    return [monitor.on_pane(pane, state) for pane in panes]


def payload(event_id: str = "event", features: Sequence[float] = (0.1, 0.2, 0.3)) -> bytes:
    """The Kafka value of a good event."""
    event = InferenceEvent(schema_version=1, event_id=event_id, features=list(features))
    return encode_event(event)


def pack_and_unpack(config: DriftJobConfig, payloads: Sequence[bytes], start_ms: int = 0) -> Pane:
    """Run raw payloads through the packer, one offset each."""
    n = len(payloads)
    packed = PanePacker(config).pack(
        "model",
        payloads,
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int64),
        np.full(n, start_ms, dtype=np.int64),
    )
    return unpack_pane("model", config.panes.width_ms, packed)


class Replay:
    """Hands one model's panes to a monitor, and fires the timers that it asks for, as Flink does.

    Flink hands on the panes that the watermark has passed before it fires timers. ``records`` holds
    what was written, in that order. With ``as_in_a_backtest`` the monitor takes the short cuts that
    a backtest allows it.
    """

    def __init__(
        self,
        config: DriftJobConfig,
        *,
        artefacts: Artefacts | None = None,
        fires_timers: bool = True,
        as_in_a_backtest: bool = False,
    ) -> None:
        self.config = config
        self.state = LiveEntries() if as_in_a_backtest else InMemoryEntries()
        self.actions: list[Actions] = []
        self._artefacts = artefacts
        self._fires_timers = fires_timers
        self._timers_ms: set[int] = set()
        self._monitor = DriftMonitor(config, self._artefacts)

    def restart(self) -> None:
        """Go on from what survives a restore: bytes, and the timers that Flink keeps."""
        self.state = restored(self.state)
        self._monitor = DriftMonitor(self.config, self._artefacts)

    def pane(self, pane: Pane) -> Actions:
        return self._done(self._monitor.on_pane(pane, self.state))

    def time(self, now_ms: int, model: str = "model") -> Actions:
        return self._done(self._monitor.on_time(model, now_ms, self.state))

    def command(self, command: Command, offset: int = 0) -> Actions:
        placed = PlacedCommand(command, 0, offset)
        return self._done(self._monitor.on_command(command.model, placed, self.state))

    def watermark(self, watermark_ms: int) -> None:
        """Fire the timers that the watermark has passed, and those they ask for."""
        while self._fires_timers and (due := [t for t in self._timers_ms if t <= watermark_ms]):
            self._timers_ms.remove(min(due))
            self.time(min(due))

    def run(self, panes: Sequence[Pane], end_ms: int | None = None) -> Self:
        """Hand over panes, each when event time has passed it, and let time pass to an end."""
        for pane in panes:
            self.watermark(pane.end_ms - 2)
            self.pane(pane)
        if end_ms is not None:
            self.end(end_ms)
        return self

    def end(self, end_ms: int) -> Self:
        self.watermark(end_ms)
        self.time(end_ms)
        return self

    @property
    def alerts(self) -> list[Alert]:
        return [alert for actions in self.actions for alert in actions.alerts]

    @property
    def scores(self) -> list[Score]:
        return [score for actions in self.actions for score in actions.scores]

    @property
    def statuses(self) -> list[ModelStatus]:
        return [status for actions in self.actions for status in actions.statuses]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        return [letter for actions in self.actions for letter in actions.dead_letters]

    def _done(self, actions: Actions) -> Actions:
        if actions.wake_ms is not None:
            self._timers_ms.add(actions.wake_ms)
        self.actions.append(actions)
        return actions


def restored(state: InMemoryEntries) -> InMemoryEntries:
    """Only bytes survive a restore."""
    copy = InMemoryEntries()
    copy.entries = {name: bytes(data) for name, data in state.entries.items()}
    return copy
