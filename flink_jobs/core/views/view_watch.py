"""One view of a model at work: its reference, and the detectors that watch it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from detectors import StreamDependence
from flink_jobs.config.calibration import promises_of
from flink_jobs.config.seasons import lasting_ms, seasons_left_out
from flink_jobs.config.smallest_shifts import in_words, rounded_down, shifts_found
from flink_jobs.config.two_sample_tests import usual_events
from flink_jobs.core.conditions.missing_reference import MissingReference
from flink_jobs.core.context import Context
from flink_jobs.core.events import PaneEvents
from flink_jobs.core.failures import DetectorFailedError
from flink_jobs.core.incidents.teller import Teller
from flink_jobs.core.memory import Memory
from flink_jobs.core.parts import earliest
from flink_jobs.core.references.collected_rows import CollectedRows
from flink_jobs.core.references.fitted import FittedView, ReferenceRows, fit_view, test_places
from flink_jobs.core.references.moving import forget_cells
from flink_jobs.core.references.stability import Stability
from flink_jobs.core.state.rows import StoredRows
from flink_jobs.core.state.status import ViewStatus
from flink_jobs.core.state.watch import Watch
from flink_jobs.core.views.columns import parts_needed
from flink_jobs.core.watchers.sequential import SequentialWatcher
from flink_jobs.core.watchers.watcher import Watcher
from flink_jobs.core.watchers.windowed import WindowedWatcher
from flink_jobs.core.watchers.work import PaneWork
from flink_jobs.records.alerts import Ending, ReferenceSummary
from flink_jobs.records.status import FoundShift

if TYPE_CHECKING:
    from flink_jobs.core.plan import ViewPlan

# A model that goes on needs no timer: its next pane closes its windows. A timer this number of
# panes later costs it one call in five instead of one for each pane.
PANES_OF_GRACE = 4


class ViewWatch:
    """A :class:`~flink_jobs.core.parts.Part`: one view of a model.

    Parameters
    ----------
    context : Context
    plan : ViewPlan
    status : ViewStatus
        What the view remembers.
    memory : Memory

    Attributes
    ----------
    teller : Teller
        Speaks for the view's own detector.
    rows : CollectedRows
        Of the reference that is being collected.
    missing : MissingReference
    stability : Stability
    watchers : list of Watcher
        One for each detector that the status knows; the view's own is the first.
    """

    def __init__(
        self, context: Context, plan: ViewPlan, status: ViewStatus, memory: Memory
    ) -> None:
        self.context = context
        self.plan = plan
        self.status = status
        self.memory = memory
        self.name = status.name
        self.sample_size = context.config.sample.size
        self._parts = parts_needed(plan.view.columns)
        self.teller = Teller(
            context, plan.main.judge, self.reference_summary, self.window_kind(plan.main.name),
            lambda: status.n_monitored,
        )  # fmt: skip
        self.rows = CollectedRows(context.entries, status)
        self.missing = MissingReference(context, status, plan.rule, self.teller)
        self.stability = Stability(self)
        self.watchers = self._made()

    # A part -------------------------------------------------------------------------------------

    def on_events(self, pane: PaneEvents) -> None:
        """Take a pane for the reference, and for the windows."""
        seen = pane.of_view(self.plan.view.row_places, self._parts)
        if not len(seen):
            # Requests alone, and the view is one of responses, or the other way round.
            self.wait_for_reference(pane.start_ms)
            return
        self.plan.rule.record(self, seen)
        self.wait_for_reference(pane.start_ms)
        if self.context.status.is_paused:
            return
        rest: PaneEvents | None = seen
        while rest is not None and self.status.phase == "collecting":
            rest = self.plan.rule.collect(self, rest)
        if rest is not None:
            self._watch(rest)

    def wait_for_reference(self, from_ms: int) -> None:
        """Note that the view lacks a reference, also where no event of a pane can be used."""
        if self.status.phase == "collecting":
            self.missing.wait(from_ms)

    def on_time(self, until_ms: int) -> None:
        """Complete references, test windows and notice what is overdue."""
        self.plan.rule.complete_by_time(self, until_ms)
        if self.is_testing:
            for watcher in self.watchers:
                watcher.test_closed(until_ms)
        if self.status.wants_new_reference:
            self.status.wants_new_reference = False
            self.start_anew(until_ms, Ending.NEW_REFERENCE)
            self.notice("its incident is over; a new reference is collected")
        if self.missing.is_due(until_ms):
            self.missing.report(self.plan.rule.overdue_reason(self))

    def due_ms(self) -> int | None:
        """Return when the next window closes, or the reference is complete or overdue."""
        return earliest((self.next_close_ms(), self.missing.due_ms()))

    def wake_ms(self) -> int | None:
        """Ask for a timer: windows can wait for the panes of a model that goes on."""
        close_ms = self._next_window_ms()
        if close_ms is not None:
            close_ms += PANES_OF_GRACE * self.context.config.panes.width_ms
        return earliest((close_ms, self.plan.rule.completes_ms(self), self.missing.due_ms()))

    def snapshot(self) -> None:
        """Put what the watchers hold into the status."""
        if self.is_testing:
            for watcher in self.watchers:
                watcher.snapshot()

    # What windows and references need -------------------------------------------------------------

    @property
    def is_testing(self) -> bool:
        """Tell whether windows close."""
        return self.status.phase == "monitoring" and not self.context.status.is_paused

    @property
    def oldest_ms(self) -> int | None:
        """Event time of the oldest event that a window may still need; None where none does."""
        return earliest(watcher.oldest_ms for watcher in self.watchers)

    @property
    def own(self) -> WindowedWatcher:
        """The view's own detector, which has windows."""
        return cast(WindowedWatcher, self.watchers[0])

    @property
    def n_bytes(self) -> int:
        """Size of all entries of the view."""
        n_bytes = self.status.reference_bytes + self.status.rows_bytes
        return n_bytes + sum(watcher.n_bytes for watcher in self.watchers)

    def next_close_ms(self) -> int | None:
        """Return when the next window closes or a reference is complete if no event comes."""
        return earliest((self._next_window_ms(), self.plan.rule.completes_ms(self)))

    def window_kind(self, detector: str) -> str:
        """Return the kind of a detector's windows."""
        detectors = self.plan.view.detectors
        found = next((each for each in detectors if each.name == detector), detectors[0])
        return str(found.window.__struct_config__.tag)

    def reference_summary(self) -> ReferenceSummary:
        """Return the reference that stays, as records show it."""
        status = self.status
        return ReferenceSummary(
            n_events=status.n_reference,
            fingerprint=status.reference_fingerprint,
            start_ms=status.reference_start_ms,
            end_ms=status.reference_end_ms,
        )

    def last_window(self) -> StoredRows | None:
        """Return the sample of the last closed window of the view's own detector."""
        return self.own.last_window() if self.is_testing and self.watchers else None

    def last_failure(self) -> str:
        """Return why the events of that window could not be measured; empty if they were."""
        return self.own.last_failure() if self.is_testing and self.watchers else ""

    def notice(self, text: str) -> None:
        """Say something about the view in the log."""
        self.context.notice(text, self.name)

    # References -----------------------------------------------------------------------------------

    def fit(self, rows: ReferenceRows) -> FittedView:
        """Fit the detectors; raises as :func:`~flink_jobs.core.references.fitted.fit_view`."""
        return fit_view(self.plan.view, rows, self.sample_size)

    def restored(self, read: Callable[[], bytes | None]) -> FittedView:
        """Return the detectors of the view's reference, from memory or from what ``read`` gives."""
        return self.memory.fitted.restored(
            self.plan.fingerprint, self.status.reference_fingerprint, read
        )

    def read_reference(self) -> bytes | None:
        """Read the entry of the reference."""
        return self.context.entries.load(self._reference_name, bytes)

    def begin_with(self, fitted: FittedView, from_ms: int) -> None:
        """Keep a reference, and watch against it from ``from_ms`` on."""
        block = fitted.to_block()
        self.context.entries.store(self._reference_name, block)
        self.context.actions.counts.reference_bytes += len(block)
        self.status.reference_bytes = len(block)
        fingerprint = fitted.fingerprint()
        self.memory.fitted.keep(self.plan.fingerprint, fingerprint, fitted)
        self.begin(fingerprint, fitted, from_ms)

    def begin(self, fingerprint: str, fitted: FittedView, from_ms: int) -> None:
        """Watch against a reference from ``from_ms`` on."""
        status = self.status
        status.phase = "monitoring"
        status.reference_fingerprint = fingerprint
        status.n_reference = fitted.n_ref
        status.n_collected = 0
        self.rows.clear()
        self.begin_windows(from_ms)
        what = f"a reference of {fitted.n_ref} events ({fingerprint})"
        self.notice(f"monitoring starts at {from_ms} ms against {what}")
        if (ref_ms := self._reference_ms()) is not None and (left_out := seasons_left_out(ref_ms)):
            self.notice(f"the reference is short: {left_out}")
        depends = self._dependence(fitted)
        for text in promises_of(
            self.context.config, self.plan.view, fitted.n_ref, depends, self._reference_ms()
        ):
            self.notice(text)
        for name, found in self.shifts_found().items():
            if found:
                self.notice(f"{name}: {in_words(found)}")

    def shifts_found(self) -> dict[str, list[FoundShift]]:
        """Return by detector how large a shift it finds, in windows like the last one."""
        status, config, view = self.status, self.context.config, self.plan.view
        if not status.n_reference:
            return {}
        try:
            depends = self._dependence(self.plan.rule.fitted(self))
        except DetectorFailedError:
            return {}
        n_test = self._window_events()
        # Models whose events do not depend on each other share what is found.
        whose = status.reference_fingerprint if depends else ""
        sizes = tuple(map(rounded_down, (status.n_reference, *n_test.values())))
        return self.memory.shifts_found(
            (self.plan.config_version, self.name, whose, sizes),
            lambda: shifts_found(config, view, status.n_reference, depends, n_test),
        )

    def _dependence(self, fitted: FittedView) -> dict[str, StreamDependence]:
        """Return by detector how its events depend on each other, where they do."""
        return {
            name: own
            for name, place in test_places(self.plan.view).items()
            if (own := fitted.dependence[place]) is not None
        }

    def _reference_ms(self) -> int | None:
        """How long the reference lasts in event time; None where it comes from no stream."""
        if (ref_ms := lasting_ms(self.plan.view.reference)) is not None:
            return ref_ms
        start_ms, end_ms = self.status.reference_start_ms, self.status.reference_end_ms
        return None if start_ms is None or end_ms is None else end_ms - start_ms

    def _window_events(self) -> dict[str, int]:
        """Return by detector the events of its last window; those to expect before the first."""
        status, ref_ms = self.status, self._reference_ms()
        last = {watch.name: watch.last_result for watch in status.watches}
        return {
            each.name: result.n_tested
            if (result := last.get(each.name)) is not None and result.level is not None
            else usual_events(each, status.n_reference, ref_ms)
            for each in self.plan.view.detectors
        }

    def begin_windows(self, from_ms: int) -> None:
        """Let the windows of every detector begin anew; lifecycles go on."""
        status = self.status
        status.n_monitored = 0
        old = {watcher.watch.name: watcher for watcher in self.watchers}
        for watcher in self.watchers:
            watcher.forget()
        status.watches = [
            old[name].watch if name in old else Watch(name=name)
            for name in self.plan.view.detector_names
        ]
        self.watchers = self._made()
        for watcher in self.watchers:
            watcher.begin(from_ms)

    def discard_rows(self, end_ms: int, reason: str) -> None:
        """Give up the reference that was collected until ``end_ms``, and collect the next."""
        self.notice(f"{reason}; collecting the next")
        self.context.actions.counts.references_unusable += 1
        self.missing.refuse(end_ms, reason)
        self.rows.clear()
        self.status.n_collected, self.status.reference_start_ms = 0, None

    def approve(self, fitted: FittedView, at_ms: int) -> None:
        """Make a window that an operator approved the reference."""
        self.end_incidents(at_ms, Ending.NEW_REFERENCE)
        self.stability.end(at_ms)
        self.status.is_approved = True
        self.status.reference_start_ms, self.status.reference_end_ms = None, at_ms
        self.begin_with(fitted, at_ms)

    def start_anew(self, at_ms: int, ending: Ending) -> None:
        """Forget the reference and collect a new one from the next events on."""
        self.end_incidents(at_ms, ending)
        self.forget_slices()
        status = self.status
        status.phase = "collecting"
        status.reference_fingerprint = ""
        status.n_reference = status.n_collected = status.n_monitored = 0
        status.reference_start_ms = status.reference_end_ms = None
        status.is_approved = False
        # Up to some megabytes that nothing reads again.
        self.context.entries.remove(self._reference_name)
        status.reference_bytes = 0
        self.rows.clear()

    def end_incidents(self, at_ms: int, ending: Ending) -> None:
        """End all that is open: anyone who saw an incident begin sees it end."""
        self.missing.end(at_ms, ending)
        for watcher in self.watchers:
            watcher.end(at_ms, ending)

    def forget_slices(self) -> None:
        """Remove the slices of all detectors."""
        for watcher in self.watchers:
            watcher.forget()

    def forget(self) -> None:
        """Remove all entries of the view."""
        self.forget_slices()
        self.rows.clear()
        forget_cells(self)
        self.context.entries.remove(self._reference_name)

    # ----------------------------------------------------------------------------------------------

    def _watch(self, pane: PaneEvents) -> None:
        fitted: FittedView | DetectorFailedError
        try:
            fitted = self.plan.rule.fitted(self)
        except DetectorFailedError as error:
            fitted = error
        work = PaneWork(pane, fitted, self.sample_size)
        for watcher in self.watchers:
            watcher.take(work, self.status.n_monitored)
        self.status.n_monitored += len(pane)

    def _next_window_ms(self) -> int | None:
        if not self.is_testing:
            return None
        return earliest(watcher.next_close_ms() for watcher in self.watchers)

    def _made(self) -> list[Watcher]:
        """Make the watchers of all detectors; the view's own speaks for one that is gone.

        So it does for one whose state is that of windows where the configuration has a memory, or
        the other way round: that state is about to end.
        """
        windowed = {plan.name: plan for plan in self.plan.watchers}
        sequential = {plan.name: plan for plan in self.plan.sequential}
        made: list[Watcher] = []
        for watch in self.status.watches:
            if watch.name in sequential and not watch.slices:
                made.append(SequentialWatcher(self, sequential[watch.name], watch))
            else:
                made.append(WindowedWatcher(self, windowed.get(watch.name, self.plan.main), watch))
        return made

    @property
    def _reference_name(self) -> str:
        return f"reference/{self.name}"
