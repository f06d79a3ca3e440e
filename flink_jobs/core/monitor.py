"""The drift monitor: panes, timers and commands in, actions out.

The same class runs in the Flink job and in memory. It keeps nothing of a model between calls but a
cache of restored detectors, which is keyed by the digest of what they are made of and can therefore
never disagree with the state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.tables.references import FirstEvents, FirstTime
from flink_jobs.core import timers
from flink_jobs.core.actions import Actions
from flink_jobs.core.commands.commands import Commands
from flink_jobs.core.conditions import missing_reference, silence
from flink_jobs.core.failures import DetectorFailedError, detector_code
from flink_jobs.core.plan import Plan, Plans
from flink_jobs.core.references import sources as baseline
from flink_jobs.core.references.blocks import References
from flink_jobs.core.sampling import sample_events
from flink_jobs.core.state.codec import read_block, write_block
from flink_jobs.core.state.segments import make_segment
from flink_jobs.core.state.state import MonitorState, RecentBlock, Status
from flink_jobs.core.turn import Turn
from flink_jobs.core.watchers.window_tester import WindowTester
from flink_jobs.core.windows.shared_rows import SharedRows
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Ending
from flink_jobs.records.control import PlacedCommand, StandingCommand
from flink_jobs.records.dead_letters import DeadLetter, Reason


class ConfigChangedError(RuntimeError):
    """State of another detector configuration, where the configuration says to refuse it."""


class DriftMonitor:
    """Watches models pane by pane.

    Parameters
    ----------
    config : DriftJobConfig
    trained : mapping of str to bytes, optional
        The reference blocks fitted on training sets, by :func:`~flink_jobs.config.job.trained_key`;
        needed where the configuration names one.
    shares_rows : bool
        Whether overlapping windows share what they can, which takes 8 MB: for one that watches few
        models at a time, as a backtest does. No result depends on it.
    """

    def __init__(
        self,
        config: DriftJobConfig,
        trained: Mapping[str, bytes] | None = None,
        *,
        shares_rows: bool = False,
    ) -> None:
        self._plans = Plans(config, trained or {})
        self._tester = WindowTester(References(), SharedRows() if shares_rows else None)
        self._commands = Commands(self._plans, self._tester)

    def on_pane(
        self, pane: Pane, state: MonitorState, standing: Sequence[StandingCommand] = ()
    ) -> Actions:
        """Take the next pane of a model; panes of a model come in event-time order.

        A pane that event time has passed can only be the late rest of one that was closed before a
        restore; its events go to the dead letters.

        Parameters
        ----------
        pane : Pane
        state : MonitorState
            Of the pane's model.
        standing : sequence of StandingCommand
            Commands to patterns of models; those that the model has taken are passed over.

        Raises
        ------
        ConfigChangedError
            When the state belongs to another configuration and ``on_config_change`` is ``refuse``.
        StateVersionError
            When the state was written by a version that this code does not read.
        """
        turn = self._turn(pane.model, state)
        turn.actions.dead_letters = list(pane.dead_letters)
        if _is_past(turn.status, pane):
            turn.actions.dead_letters += _late_after_restore(pane)
        else:
            self._start_anew_if_changed(turn)
            if turn.is_new:
                # It has no past that commands could have reached before this pane.
                self._advance(turn, pane.start_ms)
            self._take_commands(turn, standing)
            self._advance(turn, pane.start_ms)
            turn.status.last_pane_start_ms = pane.start_ms
            self._take(turn, pane)
            self._advance(turn, pane.end_ms)
            self._finish(turn)
        _count(turn, pane)
        return turn.actions

    def on_time(
        self,
        model: str,
        now_ms: int,
        state: MonitorState,
        standing: Sequence[StandingCommand] = (),
    ) -> Actions:
        """Event time has reached ``now_ms``, for which a timer of the model was registered.

        Whether and when this is called changes no record: a pane that comes later would have found
        the same windows closed. Raises as :meth:`on_pane`.
        """
        turn = self._turn(model, state)
        status = turn.status
        self._start_anew_if_changed(turn)
        if status.wake_ms is not None and now_ms >= status.wake_ms:
            status.wake_ms = None
        self._take_commands(turn, standing)
        # The pane that holds this moment is still to come.
        until_ms = now_ms - now_ms % turn.plan.config.panes.width_ms
        self._advance(turn, max(until_ms, status.now_ms or 0))
        self._finish(turn)
        return turn.actions

    def on_end(
        self, model: str, state: MonitorState, standing: Sequence[StandingCommand] = ()
    ) -> Actions:
        """Close the windows that hold events, since the input is over, and let no more time pass.

        A model has not fallen silent because a topic ends, and a command whose time lies after its
        last window goes on waiting for it. Raises as :meth:`on_pane`.
        """
        turn = self._turn(model, state)
        self._start_anew_if_changed(turn)
        turn.is_at_end = True
        turn.status.wake_ms = None
        self._take_commands(turn, standing)
        while (close_ms := timers.next_close_ms(turn)) is not None:
            self._advance(turn, close_ms)
        self._finish(turn)
        return turn.actions

    def on_command(
        self,
        model: str,
        placed: PlacedCommand,
        state: MonitorState,
        standing: Sequence[StandingCommand] = (),
    ) -> Actions:
        """Take a command to this model; raises as :meth:`on_pane`."""
        turn = self._turn(model, state)
        self._start_anew_if_changed(turn)
        self._take_commands(turn, standing)
        self._take_command(turn, placed)
        self._finish(turn)
        return turn.actions

    def _take_commands(self, turn: Turn, standing: Sequence[StandingCommand]) -> None:
        for placed in self._commands.not_taken(turn, standing):
            self._take_command(turn, placed)

    def _take_command(self, turn: Turn, placed: PlacedCommand) -> None:
        """Take a command and let it have all its effect before the next one of the same moment."""
        self._commands.take(turn, placed)
        if turn.status.now_ms is not None:
            self._advance(turn, turn.status.now_ms)

    def _turn(self, model: str, state: MonitorState) -> Turn:
        block = read_block(state)
        if block is None:
            plan = self._plans.of(model)
            status = Status(detector_fingerprint=plan.fingerprint)
            return Turn(model, state, plan, RecentBlock(status=status, segments=[]))
        try:
            turn = Turn(model, state, self._plans.of(model, block.status.change), block)
        except ConfigError as error:
            turn = Turn(model, state, self._plans.of(model), block)
            block.status.change = ""
            turn.notice(f"its changed configuration does not fit the job's any more: {error}")
        return turn

    def _start_anew_if_changed(self, turn: Turn) -> None:
        """Begin again where event time stood, whether a pane, a timer or a command comes first."""
        status, plan = turn.status, turn.plan
        if status.detector_fingerprint == plan.fingerprint and _has_its_training_set(status, plan):
            return
        what = (
            f"its state belongs to the configuration {status.detector_fingerprint} and the "
            f"reference {status.reference_fingerprint or 'being collected'}, this job runs the "
            f"configuration {plan.fingerprint}"
        )
        if plan.config.reference.on_config_change == "refuse":
            hint = 'set reference.on_config_change = "new_reference" to start a new reference'
            raise ConfigChangedError(f"model {turn.model}: {what}; {hint}")
        at_ms = status.now_ms or 0
        baseline.start_anew(turn, at_ms, Ending.NEW_CONFIGURATION)
        turn.follow(plan)
        turn.notice(f"{what}; a new reference starts at {at_ms} ms")

    def _advance(self, turn: Turn, until_ms: int) -> None:
        """Let event time pass: windows close, commands take effect, silence is noticed."""
        for at_ms, placed in self._commands.due(turn, until_ms):
            self._advance_quietly(turn, at_ms)
            self._commands.carry_out(turn, placed, at_ms)
        self._advance_quietly(turn, until_ms)

    def _advance_quietly(self, turn: Turn, until_ms: int) -> None:
        """Advance while no command takes effect."""
        status = turn.status
        for step_ms in timers.steps(turn, until_ms):
            baseline.complete_by_time(turn, step_ms)
            self._tester.test_closed(turn, step_ms)
            if turn.wants_new_reference:
                turn.wants_new_reference = False
                baseline.start_anew(turn, step_ms, Ending.NEW_REFERENCE)
                turn.notice("its incident is over; a new reference is collected")
            silence.report(turn, step_ms)
            missing_reference.report(turn, step_ms)
        status.now_ms = until_ms if status.now_ms is None else max(status.now_ms, until_ms)

    def _take(self, turn: Turn, pane: Pane) -> None:
        events = pane.events
        if len(events):
            silence.hear(turn, pane.start_ms, pane.end_ms)
            baseline.record_history(turn, pane)
        if turn.status.phase == "collecting":
            missing_reference.wait(turn, pane.start_ms)
            self._begin_without_collecting(turn, pane.start_ms)
        if turn.status.is_paused:
            turn.actions.counts.paused = len(events)
            return
        while turn.status.phase == "collecting" and len(events):
            events = baseline.collect(turn, pane, events)
        if turn.status.phase == "monitoring" and len(events):
            self._append(turn, pane.start_ms, events)

    def _begin_without_collecting(self, turn: Turn, from_ms: int) -> None:
        if turn.plan.trained is not None:
            baseline.begin_trained(turn, from_ms)
        elif turn.plan.moves:
            baseline.begin_moving(turn, from_ms)

    def _append(self, turn: Turn, start_ms: int, events: EventColumns) -> None:
        """Keep the events of a pane, reduced, and sampled where no window counts them."""
        config, status = turn.plan.config, turn.status
        kept, failure = events, ""
        if not turn.plan.counts_events:
            kept = sample_events(events, config.panes.max_events, config.detector.seed)
        if not turn.plan.moves:
            kept, failure = self._reduced(turn, kept)
        segment = make_segment(start_ms, status.n_monitored, len(events), kept, failure)
        turn.block.segments.append(segment)
        status.n_monitored += len(events)
        turn.actions.counts.sampled_out = len(events) - len(kept)

    def _reduced(self, turn: Turn, events: EventColumns) -> tuple[EventColumns, str]:
        """Reduced events, or why they could not be: no window that holds them can be tested."""
        try:
            fitted = self._tester.reference(turn)
            with detector_code():
                return events.with_x(fitted.main.reduce(events.x)), ""
        except DetectorFailedError as error:
            return events.with_x(np.zeros((len(events), 1))), str(error)

    def _finish(self, turn: Turn) -> None:
        """Forget what is no longer needed, ask for a timer and write the state."""
        if turn.is_testing:
            self._tester.forget(turn)
        timers.ask(turn)
        turn.actions.counts.recent_bytes += write_block(turn.state, turn.block)
        turn.actions.counts.alerts = len(turn.actions.alerts)
        _tell_reference(turn)


def _is_past(status: Status, pane: Pane) -> bool:
    """Whether event time has passed the pane."""
    return status.now_ms is not None and pane.end_ms <= status.now_ms


def _has_its_training_set(status: Status, plan: Plan) -> bool:
    if plan.trained is None or status.is_approved or not status.reference_fingerprint:
        return True
    return status.reference_fingerprint == plan.trained_fingerprint


def _count(turn: Turn, pane: Pane) -> None:
    counts = turn.actions.counts
    counts.events = len(pane.events) + len(pane.dead_letters)
    counts.dead_letters = len(turn.actions.dead_letters)
    counts.used = counts.events - counts.dead_letters


def _tell_reference(turn: Turn) -> None:
    status, actions = turn.status, turn.actions
    reference = turn.plan.config.reference
    if status.phase == "monitoring":
        actions.reference_events_missing = None if turn.plan.moves else 0
        actions.reference_age_events = None if turn.plan.moves else status.n_monitored
        if status.reference_end_ms is not None and status.now_ms is not None:
            actions.reference_age_ms = status.now_ms - status.reference_end_ms
    elif isinstance(reference, FirstEvents):
        actions.reference_events_missing = reference.n_events - status.n_collected
    elif isinstance(reference, FirstTime):
        actions.reference_events_missing = max(0, reference.min_events - status.n_collected)


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
