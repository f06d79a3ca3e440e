"""The watcher that tests windows: it keeps slices, closes windows and has them judged."""

from __future__ import annotations

import time
from copy import copy
from typing import TYPE_CHECKING

import msgspec

from detectors import UNKNOWN_OFFSET
from flink_jobs.core.conditions.failed_tests import FailedTests
from flink_jobs.core.conditions.untested_windows import UntestedWindows
from flink_jobs.core.failures import DetectorFailedError
from flink_jobs.core.incidents.evidence import keep_evidence
from flink_jobs.core.incidents.judge import Verdict
from flink_jobs.core.incidents.teller import Teller
from flink_jobs.core.record_parts import window_summary
from flink_jobs.core.references.fitted import UnusableReferenceError
from flink_jobs.core.references.rules import Compared
from flink_jobs.core.slices.slices import Slice, Slices
from flink_jobs.core.slices.store import SliceStore
from flink_jobs.core.slices.summary import Summary
from flink_jobs.core.state.rows import StoredRows
from flink_jobs.core.state.watch import LastResult, Watch
from flink_jobs.core.watchers.comparison import WindowComparison
from flink_jobs.core.watchers.work import PaneWork
from flink_jobs.core.windows.windows import ClosedWindow, Piece
from flink_jobs.records.alerts import Ending, Score, ScoreStatus, WindowSummary

if TYPE_CHECKING:
    from flink_jobs.core.plan import WatcherPlan
    from flink_jobs.core.views.view_watch import ViewWatch


class WindowedWatcher:
    """One detector of a view at work.

    Parameters
    ----------
    view : ViewWatch
    plan : WatcherPlan
    watch : Watch
        What it remembers.
    """

    def __init__(self, view: ViewWatch, plan: WatcherPlan, watch: Watch) -> None:
        self._view = view
        self._context = view.context
        self._plan = plan
        self.watch = watch
        prefix = f"slice/{view.name}/{watch.name}/"
        self._store = SliceStore(
            view.context.entries,
            prefix,
            Slices(watch.slices),
            view.sample_size,
            watch.n_parts,
            [view.memory.running_sums(view.context.model, view.name, watch.name)],
        )
        teller = Teller(
            view.context, plan.judge, view.reference_summary, view.window_kind(plan.name),
            lambda: view.status.n_monitored,
        )  # fmt: skip
        self.teller = teller
        self.failed = FailedTests(view.context, watch, teller)
        self.untested = UntestedWindows(view.context, watch, teller, plan.windows.min_events)

    @property
    def n_bytes(self) -> int:
        """Size of the entries that hold its slices."""
        return self._store.slices.n_bytes

    @property
    def oldest_ms(self) -> int | None:
        """Event time of the oldest event that a window may still need; None where none does.

        Slices that no window needs lie here until the next snapshot. What depends on them would
        depend on whether a timer came first.
        """
        slices = self._store.slices
        first = self._plan.windows.first_needed(self.watch, slices)
        return slices[first].first_ms if first < len(slices) else None

    def begin(self, from_ms: int) -> None:
        """Let windows begin anew; the lifecycle of incidents goes on."""
        self._store.forget_all()
        self.watch.failures, self.watch.sequential = {}, None
        self.watch.last_result, self.watch.offset = None, UNKNOWN_OFFSET
        self._plan.windows.begin(self.watch, from_ms)

    def take(self, work: PaneWork, first_event: int) -> None:
        """Add the events of a pane, of which the first has this position."""
        pane, slices = work.pane, self._store.slices
        pieces = self._plan.windows.cut(slices, pane.start_ms, first_event, len(pane))
        for piece in pieces:
            summary = Summary(
                n_events=piece.rows.stop - piece.rows.start,
                measures=[work.measure(self._plan.test_place, piece.rows)],
                sample=work.sample(piece.rows),
            )
            info = _slice_of(piece, work, first_event)
            if piece.start_ms is None:
                self._store.extend(info, summary)
            else:
                self._store.begin(info, summary)
            if failure := work.failure(self._plan.test_place):
                self.watch.failures.setdefault(slices[-1].first_event, failure)

    def test_closed(self, until_ms: int) -> None:
        """Test the windows that end at or before ``until_ms``."""
        windows, slices = self._plan.windows, self._store.slices
        n_monitored = self._view.status.n_monitored
        for window in windows.close(self.watch, slices, n_monitored, until_ms):
            self._test(window)

    def next_close_ms(self) -> int | None:
        """Return the event time at which the next window with events closes if none follow."""
        return self._plan.windows.next_close_ms(self.watch, self._store.slices)

    def last_window(self) -> StoredRows | None:
        """Return the sample of the last closed window; None when none is kept."""
        inside = self._slices_of_last_window()
        return self._store.sample(inside) if len(inside) else None

    def last_failure(self) -> str:
        """Return why the events of the last closed window could not be measured; empty if none."""
        failures, inside = self.watch.failures, self._slices_of_last_window()
        return next((failures[s.first_event] for s in inside if s.first_event in failures), "")

    def newest(self) -> Slices:
        """Return the newest slices that hold a sample, of those that open windows need.

        Asked while a pane is taken, when all windows that ended before it are closed: what no
        window needs may lie here or not, depending on whether a timer came first.
        """
        slices = self._store.slices
        first = self._plan.windows.first_needed(self.watch, slices)
        return slices.between(slices.last_with(self._view.sample_size, first), len(slices))

    def comparison(self, slices: Slices) -> WindowComparison:
        """Compare some slices with a reference that stays, to say what moved.

        Raises
        ------
        DetectorFailedError
            When the detectors cannot be restored.
        """
        view = self._view
        compared = Compared(view.reference_summary(), view.plan.rule.fitted(view))
        return WindowComparison(
            view.plan.view, self._store, slices, slices.n_events, self._plan.test_place, compared
        )

    def snapshot(self) -> None:
        """Forget the slices that no window needs, and put the others into the status."""
        slices, watch = self._store.slices, self.watch
        first = self._plan.windows.first_needed(watch, slices)
        if first:
            self._store.forget_before(first)
            oldest = slices[0].first_event if len(slices) else self._view.status.n_monitored
            watch.failures = {p: why for p, why in watch.failures.items() if p >= oldest}
        watch.slices = slices.to_bytes()
        watch.n_parts = self._store.n_parts

    def end(self, at_ms: int, ending: Ending) -> None:
        """End all incidents: anyone who saw one begin sees it end, whatever ends it."""
        moment = self.teller.moment(at_ms)
        self.failed.end(moment, ending)
        self.untested.end(moment, ending)
        alert = self._plan.judge.end_incident(
            self._context.model, self.watch.incident, moment, self._view.reference_summary(), ending
        )
        if alert is not None:
            alert = msgspec.structs.replace(alert, view=self._view.name, detector=self.watch.name)
            self._context.actions.alerts.append(alert)

    def forget(self) -> None:
        """Forget all slices, and remove their entries."""
        self._store.forget_all()
        self.watch.slices, self.watch.failures, self.watch.last_window = b"", {}, None

    def _slices_of_last_window(self) -> Slices:
        last, slices = self.watch.last_window, self._store.slices
        if last is None:
            return Slices()
        return slices.between(
            slices.first_holding(last.first_event), slices.first_holding(last.end_event)
        )

    def _test(self, window: ClosedWindow) -> None:
        counts = self._context.actions.counts
        if window.n_kept < self._plan.windows.min_events:
            counts.windows_too_few += 1
            shown = self._not_tested(window, ScoreStatus.TOO_FEW_EVENTS)
            if (reason := self.untested.begin(shown)) is not None:
                self._notice(window, reason)
            return
        started_ns, incident = time.perf_counter_ns(), copy(self.watch.incident)
        try:
            verdict = self._verdict(window)
        except UnusableReferenceError as error:
            self._without_reference(window, str(error))
            return
        except DetectorFailedError as error:
            # As if the window had not been: it says nothing about drift.
            self.watch.incident = incident
            counts.windows_failed += 1
            shown = self._not_tested(window, ScoreStatus.FAILED, str(error))
            if self.failed.begin(shown, str(error)):
                self._notice(window, f"its test failed {error.where}: {error}")
            return
        finally:
            counts.test_duration_ns += time.perf_counter_ns() - started_ns
        if verdict is None:
            self._without_reference(window)
            return
        counts.windows_tested += 1
        self._view.missing.end(window.closed_ms)
        shown = verdict.score.window
        self.failed.end(shown, Ending.NORMAL)
        self.untested.end(shown, Ending.NORMAL)
        self._keep(verdict)

    def _verdict(self, window: ClosedWindow) -> Verdict | None:
        """Test a window; None where its reference holds too few events."""
        for each in window.slices if self.watch.failures else ():
            if each.first_event in self.watch.failures:
                raise DetectorFailedError(self.watch.failures[each.first_event])
        compared: Compared = self._view.plan.rule.compared(self._view, window)
        if compared.fitted is None:
            return None
        comparison = WindowComparison(
            self._view.plan.view, self._store, window.slices, window.n_kept,
            self._plan.test_place, compared,
        )  # fmt: skip
        shown = window_summary(window, self._n_tested(window, comparison.needs_rows))
        incident = self.watch.incident
        was_calm = not incident.incident_id
        verdict = self._plan.judge.test(
            self._context.model,
            shown,
            compared.summary,
            comparison,
            incident,
            self.watch.offset,
            is_snoozed=self._context.is_snoozed(window.closed_ms),
        )
        # A reference that moves is another one for every window; an early test is done again.
        if was_calm and not self._view.plan.rule.moves and not shown.closed_early:
            self.watch.offset = verdict.offset
        if verdict.alert is not None:
            view = self._view.plan.view
            keep_evidence(self._context, view, incident, verdict.alert, lambda: comparison)
        return verdict

    def _n_tested(self, window: ClosedWindow, sees_sample: bool) -> int:
        return min(window.n_kept, self._view.sample_size) if sees_sample else window.n_kept

    def _without_reference(self, window: ClosedWindow, unusable: str | None = None) -> None:
        """Wait for a reference; ``unusable`` says why the events for one make none."""
        self._context.actions.counts.windows_no_reference += 1
        self._view.missing.wait(window.start_ms)
        if unusable is not None:
            self._notice(window, unusable)
            self._view.missing.refuse(window.closed_ms, unusable)
        self._not_tested(window, ScoreStatus.NO_REFERENCE, unusable)

    def _not_tested(
        self, window: ClosedWindow, status: ScoreStatus, reason: str | None = None
    ) -> WindowSummary:
        shown = window_summary(window, window.n_kept)
        reference = self._view.plan.rule.summary(self._view, window)
        score = self._plan.judge.not_tested(self._context.model, shown, reference, status, reason)
        self._write(score)
        return shown

    def _keep(self, verdict: Verdict) -> None:
        self._write(verdict.score)
        if verdict.alert is not None:
            self._context.actions.alerts.append(verdict.alert)
        if verdict.has_recovered and self._view.plan.rule.is_new_on_recovery:
            self._view.status.wants_new_reference = True

    def _write(self, score: Score) -> None:
        self._context.actions.scores.append(score)
        self.watch.last_result = LastResult.of(score)

    def _notice(self, window: ClosedWindow, text: str) -> None:
        self._context.notice_window(self._view.name, self.watch.name, window, text)


def _slice_of(piece: Piece, work: PaneWork, first_event: int) -> Slice:
    pane, rows = work.pane, piece.rows
    times_ms = pane.events.times_ms
    return Slice(
        start_ms=pane.start_ms if piece.start_ms is None else piece.start_ms,
        end_ms=pane.end_ms,
        first_ms=int(times_ms[rows.start]),
        last_ms=int(times_ms[rows.stop - 1]),
        first_event=first_event + rows.start,
        n_events=rows.stop - rows.start,
    )
