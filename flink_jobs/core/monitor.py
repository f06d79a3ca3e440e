"""The drift monitor: one pane and the state of its model in, actions out.

The same class runs in the Flink job and in memory. It keeps nothing of a model between calls but a
cache of restored detectors, which is keyed by the digest of their reference block and can therefore
never disagree with the state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields

import numpy as np

from flink_jobs.alerts import Alert, Score
from flink_jobs.config import DriftJobConfig, FirstEvents, TimeWindow, detector_fingerprint
from flink_jobs.core.factory import make_calibration
from flink_jobs.core.judge import Judge
from flink_jobs.core.reference import (
    References,
    UnusableReferenceError,
    fit_reference,
    reference_fingerprint,
)
from flink_jobs.core.sampling import sample_events
from flink_jobs.core.state import (
    MonitorState,
    RecentBlock,
    Status,
    decode_recent,
    encode_recent,
    make_segment,
)
from flink_jobs.core.windows import make_windows
from flink_jobs.dead_letters import DeadLetter, Reason
from flink_jobs.panes import EventColumns, Pane


class ConfigChangedError(RuntimeError):
    """State of another detector configuration, where the configuration says to refuse it."""


@dataclass
class Counts:
    """What happened to the events of a pane, and what that cost.

    Attributes
    ----------
    events, used, dead_letters : int
        ``events == used + dead_letters``.
    sampled_out : int
        Used events of the pane that no test window will see.
    windows_tested, windows_too_few, alerts : int
        A closed window is tested, or holds too few events; either way it has one score.
    test_duration_ns : int
        Wall-clock time of the tests. It goes into metrics only, and no comparison of two panes'
        counts sees it: everything else is the same in a replay.
    reference_bytes, recent_bytes : int
        Size of the blocks written to state.
    """

    events: int = 0
    used: int = 0
    dead_letters: int = 0
    sampled_out: int = 0
    windows_tested: int = 0
    windows_too_few: int = 0
    alerts: int = 0
    test_duration_ns: int = field(default=0, compare=False)
    reference_bytes: int = 0
    recent_bytes: int = 0

    def items(self) -> list[tuple[str, int]]:
        """Name and value of each count."""
        return [(f.name, getattr(self, f.name)) for f in fields(self)]


@dataclass
class Actions:
    """What the caller has to do after a pane.

    ``reference_age_events`` says how many events of the model came after its reference; None while
    the reference is being collected.
    """

    alerts: list[Alert] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    reference_age_events: int | None = None


@dataclass
class _Turn:
    """What is at hand while one pane is taken."""

    pane: Pane
    state: MonitorState
    block: RecentBlock
    actions: Actions

    @property
    def status(self) -> Status:
        return self.block.status

    def notice(self, text: str) -> None:
        self.actions.notices.append(f"model {self.pane.model}: {text}")


class DriftMonitor:
    """Watches models pane by pane.

    Parameters
    ----------
    config : DriftJobConfig
    trained_reference : bytes or None
        The reference block fitted on a training set; None when each model's first events are its
        reference.
    """

    def __init__(self, config: DriftJobConfig, trained_reference: bytes | None = None) -> None:
        self._config = config
        self._fingerprint = detector_fingerprint(config)
        self._references = References(trained_reference)
        self._windows = make_windows(config.window)
        self._judge = Judge(config, make_calibration(config.calibration))

    def on_pane(self, pane: Pane, state: MonitorState) -> Actions:
        """Take the next pane of a model; panes of a model come in event-time order.

        A pane at or before the last one seen can only be the late rest of a pane that was closed
        before a restore; its events go to the dead letters.

        Raises
        ------
        ConfigChangedError
            When the state belongs to another configuration and ``on_config_change`` is ``refuse``.
        StateVersionError
            When the state was written by a version that this code does not read.
        """
        turn = _Turn(pane, state, self._load(state), Actions(dead_letters=list(pane.dead_letters)))
        last_ms = turn.status.last_pane_start_ms
        if last_ms is not None and pane.start_ms <= last_ms:
            turn.actions.dead_letters += _late_after_restore(pane)
        else:
            self._take(turn)
            turn.status.last_pane_start_ms = pane.start_ms
            recent = encode_recent(turn.block)
            state.write_recent(recent)
            turn.actions.counts.recent_bytes = len(recent)
        _count(turn)
        return turn.actions

    def _load(self, state: MonitorState) -> RecentBlock:
        data = state.read_recent()
        return self._new_block() if data is None else decode_recent(data)

    def _new_block(self) -> RecentBlock:
        return RecentBlock(status=Status(detector_fingerprint=self._fingerprint), segments=[])

    def _take(self, turn: _Turn) -> None:
        self._start_anew_if_changed(turn)
        if self._references.trained is not None and turn.status.phase == "collecting":
            self._begin(turn, self._references.trained, turn.pane.start_ms)
        events = turn.pane.events
        while turn.status.phase == "collecting" and len(events):
            events = self._collect(turn, events)
        if turn.status.phase == "monitoring":
            self._monitor(turn, events)

    def _start_anew_if_changed(self, turn: _Turn) -> None:
        status = turn.status
        trained = self._references.trained_fingerprint
        same_reference = trained is None or status.reference_fingerprint in ("", trained)
        if status.detector_fingerprint == self._fingerprint and same_reference:
            return
        what = (
            f"its state belongs to the configuration {status.detector_fingerprint} and the "
            f"reference {status.reference_fingerprint or 'being collected'}, this job runs the "
            f"configuration {self._fingerprint}"
        )
        if self._config.reference.on_config_change == "refuse":
            hint = 'set reference.on_config_change = "new_reference" to start a new reference'
            raise ConfigChangedError(f"model {turn.pane.model}: {what}; {hint}")
        turn.block = self._new_block()
        turn.notice(f"{what}; a new reference starts at {turn.pane.start_ms} ms")

    def _begin(self, turn: _Turn, reference: bytes, from_ms: int) -> None:
        """Monitor the model against this reference from ``from_ms`` on."""
        status = turn.status
        status.phase = "monitoring"
        status.reference_fingerprint = reference_fingerprint(reference)
        status.n_reference = self._references.detector(status, turn.state).n_ref
        self._windows.begin(status, from_ms)
        turn.notice(
            f"monitoring starts at {from_ms} ms against a reference of {status.n_reference} "
            f"events ({status.reference_fingerprint})"
        )

    def _collect(self, turn: _Turn, events: EventColumns) -> EventColumns:
        """Add events to the reference being collected and return those it no longer needs."""
        reference = self._config.reference
        assert isinstance(reference, FirstEvents)  # noqa: S101 - a training set never collects
        segments = turn.block.segments
        n_collected = sum(len(s) for s in segments)
        n_missing = reference.n_events - n_collected
        wanted, rest = events.take(slice(n_missing)), events.take(slice(n_missing, None))
        segments.append(make_segment(turn.pane.start_ms, n_collected, len(wanted), wanted))
        if len(wanted) == n_missing:
            self._complete(turn, turn.pane.start_ms if len(rest) else turn.pane.end_ms)
        return rest

    def _complete(self, turn: _Turn, from_ms: int) -> None:
        x_ref = np.concatenate([s.x for s in turn.block.segments])
        turn.block.segments = []
        try:
            reference = fit_reference(self._config, x_ref)
        except UnusableReferenceError as error:
            turn.notice(f"{len(x_ref)} events make no reference ({error}); collecting the next")
            return
        turn.state.write_reference(reference)
        turn.actions.counts.reference_bytes += len(reference)
        self._begin(turn, reference, from_ms)

    def _monitor(self, turn: _Turn, events: EventColumns) -> None:
        self._test_closed(turn, turn.pane.start_ms)
        if len(events):
            self._append(turn, events)
        self._test_closed(turn, turn.pane.end_ms)
        turn.block.segments = self._windows.still_needed(turn.status, turn.block.segments)

    def _append(self, turn: _Turn, events: EventColumns) -> None:
        """Keep the reduced events of the pane, sampled where windows are measured in time."""
        kept = events
        if isinstance(self._config.window, TimeWindow):
            seed = self._config.detector.seed
            kept = sample_events(events, self._config.panes.max_events, seed)
        status = turn.status
        reduced = kept.with_x(self._references.detector(status, turn.state).reduce(kept.x))
        segment = make_segment(turn.pane.start_ms, status.n_monitored, len(events), reduced)
        turn.block.segments.append(segment)
        status.n_monitored += len(events)
        turn.actions.counts.sampled_out = len(events) - len(kept)

    def _test_closed(self, turn: _Turn, until_ms: int) -> None:
        status, model = turn.status, turn.pane.model
        for window in self._windows.close(status, turn.block.segments, until_ms):
            if window.n_tested < self._windows.min_events:
                turn.actions.scores.append(self._judge.too_few(model, window, status))
                turn.actions.counts.windows_too_few += 1
                continue
            detector = self._references.detector(status, turn.state)
            started_ns = time.perf_counter_ns()
            score, alert = self._judge.test(model, window, status, detector)
            turn.actions.counts.test_duration_ns += time.perf_counter_ns() - started_ns
            turn.actions.counts.windows_tested += 1
            turn.actions.scores.append(score)
            if alert is not None:
                turn.actions.alerts.append(alert)


def _count(turn: _Turn) -> None:
    counts = turn.actions.counts
    counts.events = len(turn.pane.events) + len(turn.pane.dead_letters)
    counts.dead_letters = len(turn.actions.dead_letters)
    counts.used = counts.events - counts.dead_letters
    counts.alerts = len(turn.actions.alerts)
    if turn.status.phase == "monitoring":
        turn.actions.reference_age_events = turn.status.n_monitored


def _late_after_restore(pane: Pane) -> list[DeadLetter]:
    events = pane.events
    return [
        DeadLetter(
            reason=Reason.LATE_AFTER_RESTORE,
            detail=f"the pane [{pane.start_ms}, {pane.end_ms}) was closed before a restore",
            model=pane.model,
            partition=int(events.partitions[row]),
            offset=int(events.offsets[row]),
            event_time_ms=int(events.times_ms[row]),
            event_id=events.event_ids[row],
        )
        for row in range(len(events))
    ]
