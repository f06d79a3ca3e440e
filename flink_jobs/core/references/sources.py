"""How a model gets its reference: collected, trained, approved, or moving along."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.tables.references import FirstEvents, FirstTime, MovingReference, covered_ms
from flink_jobs.config.tables.windows import TimeWindow
from flink_jobs.config.views import detectors_of
from flink_jobs.core.conditions import failed_tests, missing_reference, untested_windows
from flink_jobs.core.failures import DetectorFailedError
from flink_jobs.core.references.blocks import (
    FittedDetectors,
    UnusableReferenceError,
    compare_halves,
    fit_reference,
    reference_fingerprint,
)
from flink_jobs.core.references.moving import cell_ms, most_events_per_cell
from flink_jobs.core.sampling import sample_events
from flink_jobs.core.state.incident import Incident
from flink_jobs.core.state.segments import join_x, make_segment
from flink_jobs.core.state.state import Watch
from flink_jobs.core.turn import Turn
from flink_jobs.intake.event_columns import EventColumns, concatenate
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Cause, Ending, Severity, WindowSummary


def collect(turn: Turn, pane: Pane, events: EventColumns) -> EventColumns:
    """Add events to the reference being collected and return those it no longer needs."""
    status, reference = turn.status, turn.plan.config.reference
    if status.reference_start_ms is None:
        status.reference_start_ms = pane.start_ms
    n_wanted = len(events)
    if isinstance(reference, FirstEvents):
        n_wanted = min(n_wanted, reference.n_events - status.n_collected)
    wanted, rest = events.take(slice(n_wanted)), events.take(slice(n_wanted, None))
    segment = make_segment(pane.start_ms, status.n_collected, len(wanted), wanted)
    turn.block.segments.append(segment)
    status.n_collected += len(wanted)
    if isinstance(reference, FirstTime):
        _bound(turn, reference.max_events, 2 * reference.max_events)
        complete_by_time(turn, pane.end_ms)
        return rest
    if status.n_collected == reference.n_events:  # type: ignore[union-attr]
        _complete(turn, pane.start_ms if len(rest) else pane.end_ms, pane.end_ms)
    return rest


def complete_by_time(turn: Turn, until_ms: int) -> None:
    """End a reference that is collected for a time once event time has passed its end."""
    end_ms, reference = completes_ms(turn), turn.plan.config.reference
    if end_ms is not None and until_ms >= end_ms and isinstance(reference, FirstTime):
        _bound(turn, reference.max_events, reference.max_events)
        _complete(turn, end_ms, end_ms)


def completes_ms(turn: Turn) -> int | None:
    """The end of a reference that is collected for a time; None where only events complete it."""
    status, reference = turn.status, turn.plan.config.reference
    if status.phase != "collecting" or not isinstance(reference, FirstTime):
        return None
    if status.reference_start_ms is None or status.n_collected < reference.min_events:
        return None
    last_pane_end_ms = turn.block.segments[-1].start_ms + turn.plan.config.panes.width_ms
    return max(status.reference_start_ms + reference.duration_ms, last_pane_end_ms)


def begin(turn: Turn, fingerprint: str, n_ref: int, from_ms: int) -> None:
    """Watch the model against a reference from ``from_ms`` on."""
    status = turn.status
    status.phase = "monitoring"
    status.reference_fingerprint = fingerprint
    status.n_reference = n_ref
    status.n_collected = status.n_monitored = 0
    turn.block.segments = []
    begin_windows(turn, from_ms)
    what = f"a reference of {n_ref} events ({fingerprint})" if fingerprint else "what went before"
    turn.notice(f"monitoring starts at {from_ms} ms against {what}")


def begin_windows(turn: Turn, from_ms: int) -> None:
    """Let every detector's windows begin anew; its lifecycle goes on."""
    old = {
        watch.name: (watch.incident, watch.failing_id, watch.untested)
        for watch in turn.status.watches
    }
    turn.status.watches = []
    for watcher in turn.plan.watchers:
        watch = Watch(name=watcher.name)
        if watcher.name in old:
            watch.incident, watch.failing_id, watch.untested = old[watcher.name]
        watcher.windows.begin(watch, from_ms)
        turn.status.watches.append(watch)


def begin_trained(turn: Turn, from_ms: int) -> None:
    """Watch the model against its training set."""
    block = turn.plan.trained
    assert block is not None  # noqa: S101 - called where there is one
    turn.status.is_approved = False
    turn.status.reference_start_ms = turn.status.reference_end_ms = None
    _end_unstable(turn, from_ms)
    begin(turn, reference_fingerprint(block), _n_ref(block), from_ms)


def begin_moving(turn: Turn, from_ms: int) -> None:
    """Watch the model against a reference that moves along."""
    _end_unstable(turn, from_ms)
    begin(turn, "", 0, from_ms)


def approve(turn: Turn, block: bytes, n_ref: int, from_ms: int) -> None:
    """Make a window that an operator approved the reference."""
    status = turn.status
    end_incidents(turn, from_ms, Ending.NEW_REFERENCE)
    _end_unstable(turn, from_ms)
    _store(turn, block)
    status.is_approved = True
    status.reference_start_ms, status.reference_end_ms = None, from_ms
    begin(turn, reference_fingerprint(block), n_ref, from_ms)


def start_anew(turn: Turn, at_ms: int, ending: Ending) -> None:
    """Forget the reference and collect a new one from the next events on."""
    status = turn.status
    end_incidents(turn, at_ms, ending)
    status.phase = "collecting"
    status.reference_fingerprint = ""
    status.n_reference = status.n_collected = status.n_monitored = 0
    status.reference_start_ms = status.reference_end_ms = None
    status.is_approved = False
    turn.block.segments = []


def end_incidents(turn: Turn, at_ms: int, ending: Ending) -> None:
    """Whoever saw an incident begin sees it end, whatever ends it."""
    watchers = {watcher.name: watcher for watcher in turn.plan.watchers}
    missing_reference.end(turn, at_ms, ending)
    for watch in turn.status.watches:
        # A detector that the configuration no longer has is spoken for by the main one.
        watcher = watchers.get(watch.name, turn.plan.main)
        failed_tests.end(turn, watch, watcher, turn.moment(at_ms), ending)
        untested_windows.end(turn, watch, watcher, turn.moment(at_ms), ending)
        alert = watcher.judge.end_incident(
            turn.model, watch.incident, turn.moment(at_ms), turn.reference(), ending
        )
        if alert is not None:
            turn.actions.alerts.append(msgspec.structs.replace(alert, detector=watch.name))


def _end_unstable(turn: Turn, at_ms: int) -> None:
    """End the incident about a reference that drifted when one comes that is not judged so."""
    status = turn.status
    if not status.unstable_id:
        return
    incident = Incident(incident_id=status.unstable_id, told=Severity.WARNING)
    alert = turn.plan.main.judge.end_incident(
        turn.model, incident, turn.moment(at_ms), turn.reference(), Ending.NEW_REFERENCE
    )
    assert alert is not None  # noqa: S101 - it was told
    turn.actions.alerts.append(msgspec.structs.replace(alert, cause=Cause.UNSTABLE_REFERENCE))
    status.unstable_id = ""


def record_history(turn: Turn, pane: Pane) -> None:
    """Add a pane's raw events to the cell of a moving reference that is being filled."""
    config = turn.plan.config
    reference = config.reference
    if not isinstance(reference, MovingReference) or not len(pane.events):
        return
    width_ms = cell_ms(reference)
    cell_start_ms = pane.start_ms - pane.start_ms % width_ms
    filling = turn.block.filling
    if filling is not None and filling.start_ms < cell_start_ms:
        keep_from_ms = cell_start_ms - _reach_ms(reference) - _longest_window_ms(turn, pane)
        turn.history.add(filling, filling.start_ms, keep_from_ms)
        block = turn.history.to_block()
        turn.state.write_history(block)
        turn.actions.counts.history_bytes += len(block)
        filling = None
    events = pane.events if filling is None else concatenate([filling.columns(), pane.events])
    n_seen = len(pane.events) + (0 if filling is None else filling.n_seen)
    kept = sample_events(events, most_events_per_cell(reference), config.detector.seed)
    turn.block.filling = make_segment(cell_start_ms, 0, n_seen, kept)


def _reach_ms(reference: MovingReference) -> int:
    """How far before a window's start its reference begins."""
    return covered_ms(reference) + cell_ms(reference)


def _longest_window_ms(turn: Turn, pane: Pane) -> int:
    """How long before this pane a window that is still open may have started."""
    segments = turn.block.segments
    kept_ms = pane.start_ms - segments[0].start_ms if segments else 0
    windows = [detector.window for detector in detectors_of(turn.plan.config)]
    sizes_ms = [w.size_ms for w in windows if isinstance(w, TimeWindow)]
    return kept_ms + max(sizes_ms, default=0)


def _complete(turn: Turn, from_ms: int, end_ms: int) -> None:
    x_ref = join_x(turn.block.segments)
    status = turn.status
    try:
        block = fit_reference(turn.plan.config, x_ref)
    except (UnusableReferenceError, DetectorFailedError) as error:
        _discard(turn, end_ms, f"{len(x_ref):,} events make no reference ({error})")
        return
    status.reference_end_ms = end_ms
    _store(turn, block)
    begin(turn, reference_fingerprint(block), len(x_ref), from_ms)
    missing_reference.end(turn, end_ms, Ending.NORMAL)
    try:
        _report_stability(turn, x_ref)
    except DetectorFailedError as error:
        turn.notice(f"the halves of its reference could not be compared ({error})")
        _end_unstable(turn, end_ms)


def _discard(turn: Turn, end_ms: int, reason: str) -> None:
    """Give up the reference that was collected until ``end_ms``, and collect the next."""
    status = turn.status
    turn.notice(f"{reason}; collecting the next")
    turn.actions.counts.references_unusable += 1
    missing_reference.refuse(turn, end_ms, reason)
    turn.block.segments = []
    status.n_collected, status.reference_start_ms = 0, None


def _store(turn: Turn, block: bytes) -> None:
    turn.state.write_reference(block)
    turn.actions.counts.reference_bytes += len(block)


def _report_stability(turn: Turn, x_ref: NDArray[np.float64]) -> None:
    """A reference that drifts while it is collected is no reference; say so."""
    status = turn.status
    assert status.reference_start_ms is not None  # noqa: S101 - set with the first event
    assert status.reference_end_ms is not None  # noqa: S101 - set with the last event
    config = turn.plan.config
    identity = msgspec.json.encode((config.detector.seed, turn.model, status.reference_start_ms))
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(identity).digest()[:16], "big"))
    compared = compare_halves(config, x_ref, rng)
    if compared is None:
        _end_unstable(turn, status.reference_end_ms)
        return
    window = WindowSummary(
        kind="time",
        start_ms=status.reference_start_ms,
        end_ms=status.reference_end_ms,
        closed_ms=status.reference_end_ms,
        first_event=0,
        n_events=len(x_ref),
        n_tested=len(x_ref),
    )
    alert = turn.plan.main.judge.reference_stability(
        turn.model, *compared, window, status.unstable_id
    )
    if alert is None:
        return
    is_snoozed = status.snoozed_until_ms is not None and window.closed_ms < status.snoozed_until_ms
    if is_snoozed and not status.unstable_id:
        status.watches[0].incident.n_suppressed += 1
        turn.notice("its reference drifted while it was collected; alerts are snoozed")
        return
    turn.actions.alerts.append(alert)
    status.unstable_id = "" if status.unstable_id else alert.incident_id


def _bound(turn: Turn, most: int, tolerated: int) -> None:
    """Keep a sample of what has been collected once it exceeds what is tolerated."""
    segments = turn.block.segments
    if sum(len(s) for s in segments) > tolerated:
        events = concatenate([s.columns() for s in segments])
        kept = sample_events(events, most, turn.plan.config.detector.seed)
        turn.block.segments = [make_segment(segments[-1].start_ms, 0, len(events), kept)]


def _n_ref(block: bytes) -> int:
    return FittedDetectors.from_block(block).main.n_ref
