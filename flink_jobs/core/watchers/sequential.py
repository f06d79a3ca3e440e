"""A detector that takes in every pane once, and keeps a memory in the place of windows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from detectors import SequentialDetector
from flink_jobs.core.conditions.failed_tests import FailedTests
from flink_jobs.core.failures import DetectorFailedError, detector_code
from flink_jobs.core.incidents.evidence import keep_evidence
from flink_jobs.core.incidents.judge import WhatMoved, top_place
from flink_jobs.core.incidents.sequential_judge import Reading
from flink_jobs.core.incidents.teller import Teller
from flink_jobs.core.slices.slices import Slices
from flink_jobs.core.state.sequential import SequentialMemory, Stretch
from flink_jobs.core.state.watch import LastResult, Watch
from flink_jobs.core.watchers.work import PaneWork
from flink_jobs.records.alerts import Alert, Ending, Score, ScoreStatus, WindowSummary

if TYPE_CHECKING:
    from flink_jobs.core.plan import SequentialPlan
    from flink_jobs.core.views.view_watch import ViewWatch


class _Turn(NamedTuple):
    """An alarm, or the end of a quiet time, at the end of a pane; judged in the same call.

    ``slices`` are those of the view's own detector whose sample the alert shows.
    """

    at_ms: int
    is_alarm: bool
    reading: Reading
    slices: Slices


class SequentialWatcher:
    """One sequential detector of a view at work.

    Each pane updates the detector once. Its evidence is written as a score at the end of each
    stretch of ``score_every_ms``, and with each alarm, after which it begins anew.

    Parameters
    ----------
    view : ViewWatch
    plan : SequentialPlan
    watch : Watch
        What it remembers.
    """

    def __init__(self, view: ViewWatch, plan: SequentialPlan, watch: Watch) -> None:
        self._view = view
        self._context = view.context
        self._plan = plan
        self.watch = watch
        if watch.sequential is None:
            watch.sequential = SequentialMemory()
        self._memory = watch.sequential
        self._width_ms = view.context.config.panes.width_ms
        self.teller = Teller(
            view.context, plan.judge, view.reference_summary, "sequential",
            lambda: view.status.n_monitored,
        )  # fmt: skip
        self.failed = FailedTests(view.context, watch, self.teller)
        self._turn: _Turn | None = None

    @property
    def n_bytes(self) -> int:
        """It has no entries: its memory lies in the status."""
        return 0

    @property
    def oldest_ms(self) -> int | None:
        """It needs no event again."""
        return None

    def begin(self, from_ms: int) -> None:
        """Begin anew; the lifecycle of incidents goes on."""
        self.watch.last_result = None
        self._begin_memory(from_ms)

    def take(self, work: PaneWork, first_event: int) -> None:
        """Update the detector by a pane whose first event has this position."""
        memory, pane = self._memory, work.pane
        if memory.stretch is None:
            memory.stretch = self._stretch(pane.start_ms, first_event)
        memory.stretch.n_events += len(pane)
        weight = self._plan.table.weight(len(pane), self._width_ms)
        memory.quiet += weight
        started_ns = time.perf_counter_ns()
        try:
            reading = self._update(work, weight)
        except DetectorFailedError as error:
            # As if the pane had not been: it says nothing about drift.
            memory.stretch.failure = memory.stretch.failure or str(error)
            return
        finally:
            self._context.actions.counts.test_duration_ns += time.perf_counter_ns() - started_ns
        is_alarm = reading.evidence >= self._plan.table.run_time
        if is_alarm:
            self.watch.sequential = self._memory = SequentialMemory(
                from_ms=memory.from_ms, stretch=memory.stretch
            )
        elif not self._is_quiet:
            return
        self._turn = _Turn(pane.end_ms, is_alarm, reading, self._view.own.newest())

    def test_closed(self, until_ms: int) -> None:
        """Judge an alarm, and write the score of a stretch that ends at or before ``until_ms``."""
        turn, self._turn = self._turn, None
        if turn is not None:
            self._judge(turn)
        stretch = self._memory.stretch
        if stretch is not None and until_ms >= stretch.end_ms:
            self._write_score(stretch)

    def next_close_ms(self) -> int | None:
        """Return the event time at which the next score is due; None where no event came."""
        stretch = self._memory.stretch
        return None if stretch is None else stretch.end_ms

    def snapshot(self) -> None:
        """All that it remembers lies in the status."""

    def end(self, at_ms: int, ending: Ending) -> None:
        """End all incidents: anyone who saw one begin sees it end, whatever ends it."""
        moment = self.teller.moment(at_ms)
        self.failed.end(moment, ending)
        alert = self._plan.judge.end_incident(
            self._context.model, self.watch.incident, moment, self._view.reference_summary(), ending
        )
        if alert is not None:
            self._context.actions.alerts.append(alert)

    def forget(self) -> None:
        """Forget all events."""
        self._begin_memory(self._memory.from_ms)

    @property
    def _is_quiet(self) -> bool:
        is_open = bool(self.watch.incident.incident_id)
        return is_open and self._memory.quiet >= self._plan.table.quiet

    def _begin_memory(self, from_ms: int) -> None:
        self._memory = self.watch.sequential = SequentialMemory(from_ms=from_ms)
        self._turn = None

    def _update(self, work: PaneWork, weight: float) -> Reading:
        """Go on from the memory, and remember.

        Raises
        ------
        DetectorFailedError
            When the detector does; the memory is as before.
        """
        fitted = work.sequential(self._plan.place)
        with detector_code():
            detector = self._resumed(fitted.detector)
            evidence = detector.update(work.reduced(fitted.reducer), weight)
            dimensions = fitted.by_column(detector.dimension_statistics)
            remembered = detector.memory.astype(np.float64, copy=False).tobytes()
        memory = self._memory
        memory.detector, memory.evidence, memory.top = remembered, evidence, top_place(dimensions)
        return Reading(evidence, dimensions)

    def _resumed(self, fitted: SequentialDetector) -> SequentialDetector:
        if not self._memory.detector:
            return fitted.resumed(fitted.memory)
        return fitted.resumed(np.frombuffer(self._memory.detector, dtype=np.float64))

    def _stretch(self, start_ms: int, first_event: int) -> Stretch:
        """Begin the stretch that holds a pane: stretches end at multiples of their length."""
        every_ms = self._plan.table.score_every(self._width_ms)
        begins_ms = start_ms - start_ms % every_ms
        last_ms = max(self._memory.from_ms, begins_ms)
        return Stretch(last_ms, begins_ms + every_ms, first_event)

    def _judge(self, turn: _Turn) -> None:
        stretch = self._memory.stretch
        assert stretch is not None  # noqa: S101 - the pane of the turn is in it
        window = self._window(stretch, turn.at_ms)
        if turn.is_alarm:
            top = top_place(turn.reading.dimensions)
            self._score(window, turn.reading.evidence, top, is_alarm=True)
            self._begin_stretch_after(turn.at_ms, stretch)
        alert, has_recovered = self._plan.judge.advance(
            self._context.model,
            window,
            self._view.reference_summary(),
            turn.reading,
            self.watch.incident,
            lambda n_columns, n_exemplars: self._shown(turn.slices, n_columns, n_exemplars),
            is_alarm=turn.is_alarm,
            is_snoozed=self._context.is_snoozed(window.closed_ms),
        )
        if alert is not None:
            self._context.actions.alerts.append(alert)
            self._keep_evidence(alert, turn.slices)
        if has_recovered and self._view.plan.rule.is_new_on_recovery:
            self._view.status.wants_new_reference = True

    def _shown(self, slices: Slices, n_columns: int, n_exemplars: int) -> WhatMoved | None:
        """Say what moved in the newest events; an alarm stands without it."""
        try:
            comparison = self._view.own.comparison(slices)
            with detector_code():
                return comparison.evidence(n_columns, n_exemplars)
        except DetectorFailedError as error:
            self._view.notice(f"{self.watch.name}: it cannot be said which columns moved ({error})")
            return None

    def _keep_evidence(self, alert: Alert, slices: Slices) -> None:
        own, view = self._view.own, self._view.plan.view
        try:
            keep_evidence(
                self._context, view, self.watch.incident, alert, lambda: own.comparison(slices)
            )
        except DetectorFailedError:
            # It has been said, where the columns of the alert were asked for.
            return

    def _begin_stretch_after(self, at_ms: int, stretch: Stretch) -> None:
        """Let what comes after an alarm have a score of its own, as has a pane that failed."""
        memory = self._memory
        memory.from_ms, memory.stretch = at_ms, None
        if stretch.failure:
            next_event = stretch.first_event + stretch.n_events
            memory.stretch = Stretch(at_ms, stretch.end_ms, next_event, 0, stretch.failure)

    def _write_score(self, stretch: Stretch) -> None:
        window = self._window(stretch, stretch.end_ms)
        self._memory.stretch = None
        if stretch.failure:
            self._context.actions.counts.windows_failed += 1
            self._write(
                self._plan.judge.not_tested(
                    self._context.model, window, self._view.reference_summary(),
                    ScoreStatus.FAILED, stretch.failure,
                )
            )  # fmt: skip
            if self.failed.begin(window, stretch.failure):
                self._view.notice(f"{self.watch.name}: a pane could not be taken in")
            return
        self.failed.end(window, Ending.NORMAL)
        self._score(window, self._memory.evidence, self._memory.top, is_alarm=False)

    def _score(self, window: WindowSummary, evidence: float, top: int, *, is_alarm: bool) -> None:
        self._context.actions.counts.windows_tested += 1
        self._write(
            self._plan.judge.score(
                self._context.model, window, self._view.reference_summary(), evidence, top,
                is_alarm=is_alarm,
            )
        )  # fmt: skip

    def _write(self, score: Score) -> None:
        self._context.actions.scores.append(score)
        self.watch.last_result = LastResult.of(score)

    def _window(self, stretch: Stretch, end_ms: int) -> WindowSummary:
        return WindowSummary(
            kind="sequential",
            start_ms=stretch.start_ms,
            end_ms=end_ms,
            closed_ms=end_ms,
            first_event=stretch.first_event,
            n_events=stretch.n_events,
            n_tested=stretch.n_events,
        )
