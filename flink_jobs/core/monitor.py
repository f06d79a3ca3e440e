"""The drift monitor: panes, timers and commands in, actions out.

The same class runs in the Flink job and in memory. It keeps nothing of a model between calls but
caches, which are keyed by digests of what they are made of and can therefore never disagree with
the state.
"""

from __future__ import annotations

from collections.abc import Sequence

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.core.actions import Actions
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.core.commands.commands import Commands
from flink_jobs.core.context import Context
from flink_jobs.core.events import PaneEvents
from flink_jobs.core.memory import Memory
from flink_jobs.core.plan import Plans
from flink_jobs.core.state.entries import Entries
from flink_jobs.core.state.model_state import ModelState
from flink_jobs.core.state.status import STATUS, Status
from flink_jobs.core.watched_model import ConfigChangedError, WatchedModel
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Ending
from flink_jobs.records.control import PlacedCommand, StandingCommand
from flink_jobs.records.dead_letters import DeadLetter, Reason

__all__ = ["ConfigChangedError", "DriftMonitor"]


class DriftMonitor:
    """Watches models pane by pane.

    Parameters
    ----------
    config : DriftJobConfig
    artefacts : Artefacts, optional
        By :func:`~flink_jobs.core.artefacts.read_artefacts`; needed where the configuration names
        files.

    Raises
    ------
    ImportError
        When there are models of the user's own, and ONNX Runtime is not installed.
    """

    def __init__(self, config: DriftJobConfig, artefacts: Artefacts | None = None) -> None:
        self._plans = Plans(config, artefacts or Artefacts())
        self._memory = Memory()
        self._commands = Commands(self._plans)

    def on_pane(
        self, pane: Pane, state: ModelState, standing: Sequence[StandingCommand] = ()
    ) -> Actions:
        """Take the next pane of a model; panes of a model come in event-time order.

        A pane that event time has passed can only be the late rest of one that was closed before a
        restore; its events go to the dead letters.

        Parameters
        ----------
        pane : Pane
        state : ModelState
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
        model = self._model(pane.model, state)
        status, actions = model.context.status, model.context.actions
        actions.dead_letters = list(pane.dead_letters)
        if status.now_ms is not None and pane.end_ms <= status.now_ms:
            actions.dead_letters += _late_after_restore(pane)
        else:
            model.follow_plan()
            if model.is_new:
                # It has no past that commands could have reached before this pane.
                self._advance(model, pane.start_ms)
            self._take_commands(model, standing)
            self._advance(model, pane.start_ms)
            if model.context.is_forgotten:
                self._forget(model)
                model = self._begun_again(model)
                self._advance(model, pane.start_ms)
                self._take_commands(model, standing)
                self._advance(model, pane.start_ms)
            self._take(model, pane)
            self._finish(model)
        _count(actions, pane)
        return actions

    def on_time(
        self,
        model: str,
        now_ms: int,
        state: ModelState,
        standing: Sequence[StandingCommand] = (),
    ) -> Actions:
        """Event time has reached ``now_ms``, for which a timer of the model was registered.

        Whether and when this is called changes no record: a pane that comes later would have found
        the same windows closed. Raises as :meth:`on_pane`.
        """
        watched = self._model(model, state)
        status = watched.context.status
        if watched.is_unknown:
            # A timer that was outstanding when the model was forgotten.
            return watched.context.actions
        watched.follow_plan()
        if status.wake_ms is not None and now_ms >= status.wake_ms:
            status.wake_ms = None
        self._take_commands(watched, standing)
        # The pane that holds this moment is still to come.
        until_ms = now_ms - now_ms % watched.context.config.panes.width_ms
        self._advance(watched, max(until_ms, status.now_ms or 0))
        self._finish(watched)
        return watched.context.actions

    def on_end(
        self, model: str, state: ModelState, standing: Sequence[StandingCommand] = ()
    ) -> Actions:
        """Close the windows that hold events, since the input is over, and let no more time pass.

        A model has not fallen silent because a topic ends, and a command whose time lies after its
        last window goes on waiting for it. Raises as :meth:`on_pane`.
        """
        watched = self._model(model, state)
        watched.follow_plan()
        watched.context.is_at_end = True
        watched.context.status.wake_ms = None
        self._take_commands(watched, standing)
        while (close_ms := watched.next_close_ms()) is not None:
            self._advance(watched, close_ms)
        watched.status_teller.tell_end()
        self._finish(watched)
        return watched.context.actions

    def on_command(
        self,
        model: str,
        placed: PlacedCommand,
        state: ModelState,
        standing: Sequence[StandingCommand] = (),
    ) -> Actions:
        """Take a command to this model; raises as :meth:`on_pane`."""
        watched = self._model(model, state)
        watched.follow_plan()
        self._take_commands(watched, standing)
        self._take_command(watched, placed)
        self._finish(watched)
        return watched.context.actions

    def _model(self, name: str, state: ModelState) -> WatchedModel:
        entries = Entries(state)
        status = entries.load(STATUS, Status) or Status()
        try:
            plan = self._plans.of(name, status.change)
        except ConfigError as error:
            status.change = ""
            plan = self._plans.of(name)
            context = Context(name, plan.config, status, entries)
            context.notice(f"its changed configuration does not fit the job's any more: {error}")
            return WatchedModel(context, plan, self._memory)
        return WatchedModel(Context(name, plan.config, status, entries), plan, self._memory)

    def _begun_again(self, gone: WatchedModel) -> WatchedModel:
        """Take a model that was forgotten for a new one."""
        plan, old = self._plans.of(gone.name), gone.context
        context = Context(gone.name, plan.config, Status(), old.entries, old.actions)
        return WatchedModel(context, plan, self._memory)

    def _take(self, model: WatchedModel, pane: Pane) -> None:
        model.context.status.last_pane_start_ms = pane.start_ms
        seed = model.context.config.detector.seed
        model.take(PaneEvents(pane.start_ms, pane.end_ms, pane.events, seed))
        self._advance(model, pane.end_ms)

    def _take_commands(self, model: WatchedModel, standing: Sequence[StandingCommand]) -> None:
        for placed in self._commands.not_taken(model, standing):
            self._take_command(model, placed)

    def _take_command(self, model: WatchedModel, placed: PlacedCommand) -> None:
        """Take a command and let it have all its effect before the next one of the same moment."""
        self._commands.take(model, placed)
        if model.context.status.now_ms is not None:
            self._advance(model, model.context.status.now_ms)
        else:
            model.status_teller.on_time(0)

    def _advance(self, model: WatchedModel, until_ms: int) -> None:
        """Let event time pass: windows close, commands take effect, silence is noticed."""
        while (at_ms := self._commands.next_due_ms(model, until_ms)) is not None:
            model.advance(at_ms)
            # It waits until its moment, of which records before tell.
            placed = model.context.status.pending.pop(0)
            if model.context.is_forgotten:
                self._commands.refuse_forgotten(model, placed)
            else:
                self._commands.carry_out(model, placed, at_ms)
                model.status_teller.on_time(at_ms)
        if not model.context.is_forgotten:
            model.advance(until_ms)

    def _finish(self, model: WatchedModel) -> None:
        if model.context.is_forgotten:
            self._forget(model)
            return
        model.finish()
        _tell_reference(model)

    def _forget(self, model: WatchedModel) -> None:
        """End what is open, and remove all state of a model that is gone."""
        context = model.context
        at_ms = context.forgotten_ms or 0
        for view in model.views:
            view.end_incidents(at_ms, Ending.FORGOTTEN)
            view.stability.end(at_ms, Ending.FORGOTTEN)
        model.silence.end(at_ms, Ending.FORGOTTEN)
        for placed in context.status.pending:
            self._commands.refuse_forgotten(model, placed)
        model.status_teller.tell_forgotten(at_ms)
        model.forget()
        context.actions.counts.alerts = len(context.actions.alerts)


def _count(actions: Actions, pane: Pane) -> None:
    counts = actions.counts
    counts.events = len(pane.events) + len(pane.dead_letters) + pane.n_duplicates
    counts.dead_letters = len(actions.dead_letters)
    counts.duplicates = pane.n_duplicates
    counts.used = counts.events - counts.dead_letters - counts.duplicates


def _tell_reference(model: WatchedModel) -> None:
    """Say how old the oldest reference is, and how many events the least complete one lacks."""
    actions, now_ms = model.context.actions, model.context.status.now_ms
    missing = [view.plan.rule.missing_events(view) for view in model.views
               if view.status.phase == "collecting"]  # fmt: skip
    if missing:
        known = [each for each in missing if each is not None]
        actions.reference_events_missing = max(known) if known else None
        return
    staying = [view.status for view in model.views if not view.plan.rule.moves]
    actions.reference_events_missing = 0 if staying else None
    if staying:
        actions.reference_age_events = max(status.n_monitored for status in staying)
    ends_ms = [s.reference_end_ms for s in staying if s.reference_end_ms is not None]
    if ends_ms and now_ms is not None:
        actions.reference_age_ms = now_ms - min(ends_ms)


def _late_after_restore(pane: Pane) -> list[DeadLetter]:
    events = pane.events
    return [
        DeadLetter(
            reason=Reason.LATE_AFTER_RESTORE,
            detail=f"the pane [{pane.start_ms}, {pane.end_ms}) was closed before a restore",
            model=pane.model,
            partition=int(events.partitions[row]),
            offset=int(events.offsets[row]),
            row=int(events.rows[row]),
            event_time_ms=int(events.times_ms[row]),
            event_id=events.event_ids[row],
        )
        for row in range(len(events))
    ]
