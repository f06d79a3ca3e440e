"""Tests the windows of a model that have closed."""

from __future__ import annotations

import time
from copy import copy
from typing import NamedTuple

from flink_jobs.config.tables.references import FirstEvents, FirstTime, MovingReference
from flink_jobs.core.conditions import failed_tests, missing_reference, untested_windows
from flink_jobs.core.failures import DetectorFailedError
from flink_jobs.core.incidents.judge import Verdict
from flink_jobs.core.plan import Watcher
from flink_jobs.core.record_parts import window_summary
from flink_jobs.core.references.blocks import (
    FittedDetectors,
    References,
    UnusableReferenceError,
    fit_detectors,
)
from flink_jobs.core.references.moving import moved_reference
from flink_jobs.core.state.state import Watch
from flink_jobs.core.turn import Turn
from flink_jobs.core.windows.windows import ClosedWindow
from flink_jobs.records.alerts import Ending, ReferenceSummary, ScoreStatus


class Compared(NamedTuple):
    """The reference of a window; ``fitted`` is None where it holds too few events."""

    summary: ReferenceSummary
    fitted: FittedDetectors | None


class WindowTester:
    """Closes, tests and forgets windows.

    Parameters
    ----------
    references : References
        The cache of fitted detectors.
    """

    def __init__(self, references: References) -> None:
        self._references = references

    def reference(self, turn: Turn) -> FittedDetectors:
        """The detectors fitted to the reference that stays."""
        is_own = turn.plan.trained is None or turn.status.is_approved
        read = turn.state.read_reference if is_own else lambda: turn.plan.trained
        fingerprint = turn.status.reference_fingerprint
        return self._references.restored(turn.plan.fingerprint, fingerprint, read)

    def test_closed(self, turn: Turn, until_ms: int) -> None:
        """Test the windows that end at or before ``until_ms``, and forget what none needs."""
        if not turn.is_testing:
            return
        status, block = turn.status, turn.block
        for watch, watcher in zip(status.watches, turn.plan.watchers, strict=True):
            closed = watcher.windows.close(watch, block.segments, status.n_monitored, until_ms)
            for window in closed:
                self._test(turn, watch, watcher, window)

    def forget(self, turn: Turn) -> None:
        """Drop the panes that no window of any detector needs."""
        pairs = zip(turn.status.watches, turn.plan.watchers, strict=True)
        segments = turn.block.segments
        needed = [watcher.windows.still_needed(watch, segments) for watch, watcher in pairs]
        starts = {segment.start_ms for kept in needed for segment in kept}
        turn.block.segments = [s for s in segments if s.start_ms in starts]

    def _test(self, turn: Turn, watch: Watch, watcher: Watcher, window: ClosedWindow) -> None:
        counts = turn.actions.counts
        if window.n_tested < watcher.windows.min_events:
            counts.windows_too_few += 1
            self._not_tested(turn, watcher, window, ScoreStatus.TOO_FEW_EVENTS)
            untested_windows.begin(turn, watch, watcher, window)
            return
        started_ns, incident = time.perf_counter_ns(), copy(watch.incident)
        try:
            verdict = self._verdict(turn, watch, watcher, window)
        except UnusableReferenceError as error:
            self._without_reference(turn, watcher, window, str(error))
            return
        except DetectorFailedError as error:
            # As if the window had not been: it says nothing about drift.
            watch.incident = incident
            counts.windows_failed += 1
            self._not_tested(turn, watcher, window, ScoreStatus.FAILED, str(error))
            failed_tests.begin(turn, watch, watcher, window, error)
            return
        finally:
            counts.test_duration_ns += time.perf_counter_ns() - started_ns
        if verdict is None:
            self._without_reference(turn, watcher, window)
            return
        counts.windows_tested += 1
        missing_reference.end(turn, window.closed_ms, Ending.NORMAL)
        for incidents in (failed_tests, untested_windows):
            incidents.end(turn, watch, watcher, window_summary(window), Ending.NORMAL)
        self._keep(turn, verdict)

    def _without_reference(
        self, turn: Turn, watcher: Watcher, window: ClosedWindow, unusable: str | None = None
    ) -> None:
        """Wait for a reference; ``unusable`` says why the events for one make none."""
        turn.actions.counts.windows_no_reference += 1
        missing_reference.wait(turn, window.start_ms)
        if unusable is not None:
            missing_reference.refuse(turn, window.closed_ms, unusable)
        self._not_tested(turn, watcher, window, ScoreStatus.NO_REFERENCE, unusable)

    def _verdict(
        self, turn: Turn, watch: Watch, watcher: Watcher, window: ClosedWindow
    ) -> Verdict | None:
        """Test a window; None where its reference holds too few events."""
        if window.failure:
            raise DetectorFailedError(window.failure)
        compared = self._compared(turn, watch.name, window)
        if compared.fitted is None:
            return None
        detector, is_reduced = compared.fitted.named(watch.name), not turn.plan.moves
        return watcher.judge.test(
            turn.model,
            window,
            compared.summary,
            detector,
            watch.incident,
            is_reduced=is_reduced,
            snoozed_until_ms=turn.status.snoozed_until_ms,
        )

    def _keep(self, turn: Turn, verdict: Verdict) -> None:
        turn.actions.scores.append(verdict.score)
        if verdict.alert is not None:
            turn.actions.alerts.append(verdict.alert)
        reference = turn.plan.config.reference
        if verdict.has_recovered and isinstance(reference, FirstEvents | FirstTime):
            turn.wants_new_reference |= reference.rebaseline == "on_recovery"

    def _not_tested(
        self,
        turn: Turn,
        watcher: Watcher,
        window: ClosedWindow,
        status: ScoreStatus,
        reason: str | None = None,
    ) -> None:
        summary = self._summary(turn, window)
        score = watcher.judge.not_tested(turn.model, window, summary, status, reason)
        turn.actions.scores.append(score)

    def _summary(self, turn: Turn, window: ClosedWindow) -> ReferenceSummary:
        reference = turn.plan.config.reference
        if isinstance(reference, MovingReference):
            return moved_reference(reference, turn.history, window.start_ms).summary
        return turn.reference()

    def _compared(self, turn: Turn, detector: str, window: ClosedWindow) -> Compared:
        reference = turn.plan.config.reference
        if not isinstance(reference, MovingReference):
            return Compared(turn.reference(), self.reference(turn))
        moved = moved_reference(reference, turn.history, window.start_ms)
        x_ref = moved.x_ref
        if x_ref is None:
            return Compared(moved.summary, None)
        config = turn.plan.config
        key = f"{turn.plan.fingerprint}-{moved.summary.fingerprint}"
        try:
            fitted = self._references.kept(key, lambda: fit_detectors(config, x_ref))
        except UnusableReferenceError as error:
            reason = f"{len(x_ref):,} events make no reference ({error})"
            turn.notice_window(detector, window, reason)
            raise UnusableReferenceError(reason) from error
        return Compared(moved.summary, fitted)
