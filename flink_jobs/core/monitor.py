"""The drift monitor: one pane and the state of its model in, actions out.

The same class runs in the Flink job and in memory. It keeps nothing of a model between calls but a
cache of restored detectors, which is keyed by the digest of their reference block and can therefore
never disagree with the state.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field, fields

import numpy as np

from detectors import DetectorError, DriftDetector, bytes_to_arrays
from flink_jobs.alerts import Alert, Score
from flink_jobs.config import DriftJobConfig, FirstEvents, detector_fingerprint
from flink_jobs.core.factory import fit_reference, make_calibration
from flink_jobs.core.judge import Judge
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

# A restored detector of 1,000 reference events in 32 dimensions takes 0.5 MB.
_CACHED_DETECTORS = 256


class ConfigChangedError(RuntimeError):
    """State of another detector configuration, where the configuration says to refuse it."""


@dataclass
class Counts:
    """What happened to the events of a pane; ``events == used + dead_letters``."""

    events: int = 0
    used: int = 0
    dead_letters: int = 0
    sampled_out: int = 0
    windows_tested: int = 0
    alerts: int = 0

    def items(self) -> list[tuple[str, int]]:
        """Name and value of each count."""
        return [(f.name, getattr(self, f.name)) for f in fields(self)]


@dataclass
class Actions:
    """What the caller has to do after a pane."""

    alerts: list[Alert] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


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
        self._trained_reference = trained_reference
        self._windows = make_windows(config.window)
        self._judge = Judge(config, make_calibration(config.calibration))
        self._detectors: OrderedDict[str, DriftDetector] = OrderedDict()

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
        actions = Actions(dead_letters=list(pane.dead_letters))
        block = self._load(pane, state, actions)
        last_ms = block.status.last_pane_start_ms
        if last_ms is not None and pane.start_ms <= last_ms:
            actions.dead_letters += _late_after_restore(pane)
        else:
            block.status.last_pane_start_ms = pane.start_ms
            self._take(pane, block, state, actions)
            state.write_recent(encode_recent(block))
        self._count(pane, actions)
        return actions

    def _load(self, pane: Pane, state: MonitorState, actions: Actions) -> RecentBlock:
        data = state.read_recent()
        if data is None:
            return self._new_block(pane, actions)
        block = decode_recent(data)
        if block.status.detector_fingerprint == self._fingerprint:
            return block
        return self._changed(pane, block, actions)

    def _changed(self, pane: Pane, old: RecentBlock, actions: Actions) -> RecentBlock:
        was = old.status.detector_fingerprint
        what = (
            f"model {pane.model}: its state belongs to the configuration {was}, "
            f"this job runs {self._fingerprint}"
        )
        if self._config.reference.on_config_change == "refuse":
            hint = 'set reference.on_config_change = "new_reference" to start a new reference'
            raise ConfigChangedError(f"{what}; {hint}")
        block = self._new_block(pane, actions)
        block.status.last_pane_start_ms = old.status.last_pane_start_ms
        actions.notices.append(f"{what}; a new reference starts at {pane.start_ms} ms")
        return block

    def _new_block(self, pane: Pane, actions: Actions) -> RecentBlock:
        block = RecentBlock(status=Status(detector_fingerprint=self._fingerprint), segments=[])
        if self._trained_reference is not None:
            self._begin(block.status, self._trained_reference, pane.model, pane.start_ms, actions)
        return block

    def _begin(
        self, status: Status, reference: bytes, model: str, from_ms: int, actions: Actions
    ) -> None:
        """Monitor the model against this reference from ``from_ms`` on."""
        status.phase = "monitoring"
        status.reference_fingerprint = _digest(reference)
        detector = self._remember(status.reference_fingerprint, reference)
        status.n_reference = detector.n_ref
        self._windows.begin(status, from_ms)
        actions.notices.append(
            f"model {model}: monitoring starts at {from_ms} ms against a reference of "
            f"{detector.n_ref} events ({status.reference_fingerprint})"
        )

    def _take(self, pane: Pane, block: RecentBlock, state: MonitorState, actions: Actions) -> None:
        events = pane.events
        if block.status.phase == "collecting":
            events = self._collect(pane, block, state, actions)
        if block.status.phase == "monitoring":
            self._monitor(pane, events, block, state, actions)

    def _collect(
        self, pane: Pane, block: RecentBlock, state: MonitorState, actions: Actions
    ) -> EventColumns:
        """Add events to the reference being collected and return those it no longer needs."""
        reference = self._config.reference
        assert isinstance(reference, FirstEvents)  # noqa: S101 - a training set never collects
        n_collected = sum(len(s) for s in block.segments)
        n_missing = reference.n_events - n_collected
        wanted, rest = pane.events.take(slice(n_missing)), pane.events.take(slice(n_missing, None))
        if len(wanted):
            block.segments.append(make_segment(pane.start_ms, n_collected, len(wanted), wanted))
        if len(wanted) == n_missing:
            from_ms = pane.start_ms if len(rest) else pane.end_ms
            self._complete(pane.model, from_ms, block, state, actions)
        return rest

    def _complete(
        self, model: str, from_ms: int, block: RecentBlock, state: MonitorState, actions: Actions
    ) -> None:
        x_ref = np.concatenate([s.x for s in block.segments])
        block.segments = []
        try:
            reference = fit_reference(self._config, x_ref)
        except (DetectorError, np.linalg.LinAlgError) as error:
            actions.notices.append(
                f"model {model}: {len(x_ref)} events make no reference ({error}); "
                "collecting the next ones"
            )
            return
        state.write_reference(reference)
        self._begin(block.status, reference, model, from_ms, actions)

    def _monitor(
        self,
        pane: Pane,
        events: EventColumns,
        block: RecentBlock,
        state: MonitorState,
        actions: Actions,
    ) -> None:
        status = block.status
        detector = self._detector(status, state)
        self._test_closed(pane, pane.start_ms, block, detector, actions)
        if len(events):
            kept = sample_events(events, self._config.panes.max_events, self._config.detector.seed)
            reduced = kept.with_x(detector.reduce(kept.x))
            block.segments.append(
                make_segment(pane.start_ms, status.n_monitored, len(events), reduced)
            )
            status.n_monitored += len(events)
            actions.counts.sampled_out = len(events) - len(kept)
        self._test_closed(pane, pane.end_ms, block, detector, actions)
        block.segments = self._windows.still_needed(status, block.segments)

    def _test_closed(
        self,
        pane: Pane,
        until_ms: int,
        block: RecentBlock,
        detector: DriftDetector,
        actions: Actions,
    ) -> None:
        for window in self._windows.close(block.status, block.segments, until_ms):
            too_few = window.n_tested < self._windows.min_events
            verdict = (
                self._judge.too_few(pane.model, window, block.status)
                if too_few
                else self._judge.test(pane.model, window, block.status, detector)
            )
            actions.scores.append(verdict.score)
            actions.counts.windows_tested += not too_few
            if verdict.alert is not None:
                actions.alerts.append(verdict.alert)

    def _detector(self, status: Status, state: MonitorState) -> DriftDetector:
        detector = self._detectors.get(status.reference_fingerprint)
        if detector is not None:
            self._detectors.move_to_end(status.reference_fingerprint)
            return detector
        reference = self._trained_reference or state.read_reference()
        if reference is None or _digest(reference) != status.reference_fingerprint:
            raise RuntimeError("the reference block in state is not the one the status names")
        return self._remember(status.reference_fingerprint, reference)

    def _remember(self, fingerprint: str, reference: bytes) -> DriftDetector:
        detector = DriftDetector.from_arrays(bytes_to_arrays(reference))
        self._detectors[fingerprint] = detector
        while len(self._detectors) > _CACHED_DETECTORS:
            self._detectors.popitem(last=False)
        return detector

    def _count(self, pane: Pane, actions: Actions) -> None:
        counts = actions.counts
        counts.events = len(pane.events) + len(pane.dead_letters)
        counts.dead_letters = len(actions.dead_letters)
        counts.used = counts.events - counts.dead_letters
        counts.alerts = len(actions.alerts)


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


def _digest(block: bytes) -> str:
    return hashlib.sha256(block).hexdigest()[:16]
