"""Takes the commands of operators and answers them.

A command takes effect at one moment of event time: when the model is next looked at, or before the
first pane that starts at its ``effective_ms``. All windows that ended before are closed before, so
that a command given the same time in a replay finds the same state.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence

import msgspec

from flink_jobs.config.overrides import matches
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.core.commands.refused import RefusedCommandError
from flink_jobs.core.failures import DetectorFailedError
from flink_jobs.core.plan import Plans
from flink_jobs.core.references.fitted import FittedView, UnusableReferenceError, rows_of
from flink_jobs.core.state.entries import encode
from flink_jobs.core.state.status import Status
from flink_jobs.core.status.describing import describe, open_incidents
from flink_jobs.core.views.view_watch import ViewWatch
from flink_jobs.core.watched_model import WatchedModel
from flink_jobs.records.alerts import Cause
from flink_jobs.records.control import (
    Acknowledge,
    ApproveCurrent,
    Audit,
    Command,
    Configure,
    Describe,
    Outcome,
    Pause,
    PlacedCommand,
    Rebaseline,
    Resume,
    Snooze,
    StandingCommand,
    audit_id,
    kind_of,
)
from flink_jobs.times import moment
from flink_jobs.version import __version__

_MOST_PENDING = 100


class Commands:
    """Carries commands out.

    Parameters
    ----------
    plans : Plans
    """

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    def take(self, model: WatchedModel, placed: PlacedCommand) -> None:
        """Carry a command out, or keep it until its time comes."""
        at_ms, now_ms = _moment(model, placed), model.context.status.now_ms or 0
        if placed.command.effective_ms is None or at_ms <= now_ms:
            self.carry_out(model, placed, now_ms)
        elif len(model.context.status.pending) >= _MOST_PENDING:
            reason = f"{_MOST_PENDING} commands wait already; send this one later"
            self._answer(model, placed, Outcome.REFUSED, reason, None)
        else:
            # Those of one moment in the order of the topic, in whatever order they came.
            bisect.insort_right(
                model.context.status.pending,
                placed,
                key=lambda each: (_moment(model, each), each.partition, each.offset),
            )
            reason = f"takes effect at {moment(at_ms)} of event time"
            self._answer(model, placed, Outcome.WAITING, reason, at_ms)

    def not_taken(
        self, model: WatchedModel, standing: Sequence[StandingCommand]
    ) -> Iterator[PlacedCommand]:
        """The commands to patterns that this model has to take, one by one; each comes once."""
        is_new = model.is_new
        for each in standing:
            if each.number < model.context.status.n_standing:
                continue
            model.context.status.n_standing = each.number + 1
            command = each.placed.command
            if is_new and not _concerns_new(model.context.status, command):
                continue
            if matches(command.model, model.name):
                yield each.placed

    def next_due_ms(self, model: WatchedModel, until_ms: int) -> int | None:
        """Return the moment of the first waiting command; None where it is after ``until_ms``."""
        pending = model.context.status.pending
        at_ms = _moment(model, pending[0]) if pending else None
        return at_ms if at_ms is not None and at_ms <= until_ms else None

    def carry_out(self, model: WatchedModel, placed: PlacedCommand, at_ms: int) -> None:
        """Carry a command out and answer it."""
        try:
            reason = self._apply(model, placed.command, at_ms)
        except RefusedCommandError as error:
            self._answer(model, placed, Outcome.REFUSED, str(error), None)
            return
        self._answer(model, placed, Outcome.APPLIED, reason, at_ms)

    def refuse_forgotten(self, model: WatchedModel, placed: PlacedCommand) -> None:
        """Answer a command that waited longer than its model was remembered."""
        reason = f"all state of the model was removed at {moment(model.context.forgotten_ms or 0)}"
        self._answer(model, placed, Outcome.REFUSED, reason, None)

    def _apply(self, model: WatchedModel, command: Command, at_ms: int) -> str:
        status = model.context.status
        match command:
            case Pause():
                return _pause(model)
            case Snooze():
                status.snoozed_until_ms = command.until_ms
                if command.until_ms <= at_ms:
                    return f"no alert is held back: event time has reached {moment(at_ms)}"
                return f"alerts are held back until {moment(command.until_ms)} of event time"
            case Configure():
                return self._configure(model, command, at_ms)
            case Resume():
                return _resume(model, at_ms)
        if model.is_new:
            raise RefusedCommandError(
                f"no event of {model.name!r} has been seen; check the name, or send it later"
            )
        match command:
            case Rebaseline():
                return _for_each(_views(model, command.view), at_ms, _rebaseline)
            case ApproveCurrent():
                return _approve(_views(model, command.view), at_ms)
            case Acknowledge():
                return _acknowledge(model, command.incident_id)
            case _:
                return "the status is attached"

    def _configure(self, model: WatchedModel, command: Configure, at_ms: int) -> str:
        change = msgspec.json.encode(command.change).decode() if command.change else ""
        try:
            plan = self._plans.of(model.name, change)
        except ConfigError as error:
            raise RefusedCommandError(str(error).replace("\n", "; ")) from error
        changed = model.changed_views(plan)
        if any(view.plan.rule.refuses_change for view in changed):
            raise RefusedCommandError(
                'this needs a new reference; set reference.on_config_change = "new_reference"'
            )
        model.follow(plan, at_ms, {view.name for view in changed})
        model.context.status.change = change
        return f"configuration {plan.config_version} holds" + (
            "; a new reference starts" if changed else ", the reference stays"
        )

    def _answer(
        self,
        model: WatchedModel,
        placed: PlacedCommand,
        outcome: Outcome,
        reason: str,
        effective_ms: int | None,
    ) -> None:
        command, is_applied = placed.command, outcome is Outcome.APPLIED
        is_described = is_applied and isinstance(command, Describe)
        audit = Audit(
            audit_id=audit_id(placed.partition, placed.offset, model.name, outcome),
            outcome=outcome,
            reason=reason,
            command_id=command.command_id,
            kind=kind_of(command),
            model=model.name,
            issued_by=command.issued_by,
            effective_ms=effective_ms,
            partition=placed.partition,
            offset=placed.offset,
            status=describe(model, effective_ms or 0) if is_applied else None,
            state_bytes=_state_bytes(model) if is_described else None,
            job=model.context.config.job.name,
            job_version=__version__,
        )
        model.context.actions.audits.append(audit)


def _state_bytes(model: WatchedModel) -> int:
    return len(encode(model.context.status)) + model.n_bytes


def _moment(model: WatchedModel, placed: PlacedCommand) -> int:
    """Return when a command takes effect: between panes, so that no pane is torn."""
    return model.context.pane_end_ms(placed.command.effective_ms or 0)


def _concerns_new(status: Status, command: Command) -> bool:
    """Say whether a command is for a new model too, and not about the past of others."""
    if isinstance(command, Pause | Snooze | Configure):
        return True
    if isinstance(command, Resume) and status.is_paused:
        return True
    return command.effective_ms is not None and command.effective_ms > (status.now_ms or 0)


def _views(model: WatchedModel, name: str | None) -> list[ViewWatch]:
    """The views that a command is about: the one that it names, or all."""
    found = [view for view in model.views if name in (None, view.name)]
    if not found:
        known = ", ".join(repr(view.name) for view in model.views)
        raise RefusedCommandError(f"the model has no view {name!r}; it has {known}")
    return found


def _pause(model: WatchedModel) -> str:
    for view in model.views:
        if view.status.phase == "monitoring":
            view.forget_slices()
    model.context.status.is_paused = True
    return "nothing is tested until the command resume"


def _resume(model: WatchedModel, at_ms: int) -> str:
    status = model.context.status
    if not status.is_paused:
        raise RefusedCommandError("it is not paused: there is nothing to resume")
    status.is_paused = False
    for view in model.views:
        if view.status.waiting_since_ms is not None:
            # Nothing was collected meanwhile.
            view.status.waiting_since_ms = at_ms
        if view.status.phase == "monitoring":
            view.begin_windows(at_ms)
    if any(view.status.phase == "collecting" for view in model.views):
        return "the reference is collected on from the next pane"
    return "windows begin with the next pane"


def _for_each(
    views: list[ViewWatch], at_ms: int, carry_out: Callable[[ViewWatch, int], str]
) -> str:
    """Carry a command out for several views; it is refused where no view takes it."""
    done, refused = [], []
    for view in views:
        try:
            done.append((view.name, carry_out(view, at_ms)))
        except RefusedCommandError as error:
            refused.append((view.name, str(error)))
    if not done:
        raise RefusedCommandError(_told(refused))
    return _told(done + [(name, f"refused: {why}") for name, why in refused])


def _told(answers: list[tuple[str, str]]) -> str:
    """Join the answers of views; their names only where they differ."""
    texts = {text for _, text in answers}
    if len(texts) == 1:
        return texts.pop()
    return "; ".join(f"{name}: {text}" for name, text in answers)


def _rebaseline(view: ViewWatch, at_ms: int) -> str:
    return view.plan.rule.rebaseline(view, at_ms)


def _approve(views: list[ViewWatch], at_ms: int) -> str:
    """Make the last windows of views their references: of all of them, or of none."""
    fitted = [(view, _fitted_to_last_window(view)) for view in views]
    for view, reference in fitted:
        view.approve(reference, at_ms)
    return _told(
        [
            (view.name, f"the {reference.n_ref} events of the last test window are the reference")
            for view, reference in fitted
        ]
    )


def _fitted_to_last_window(view: ViewWatch) -> FittedView:
    view.plan.rule.check_approval()
    sample = view.last_window()
    if sample is None:
        is_paused = view.context.status.is_paused
        paused = "it is paused: send resume, and " if is_paused else ""
        raise RefusedCommandError(
            f"{paused}no test window has closed since the reference: wait for one"
        )
    if failure := view.last_failure():
        raise RefusedCommandError(
            f"the events of the last test window could not be measured ({failure})"
        )
    fewest = view.plan.main.windows.min_events
    if len(sample) < fewest:
        raise RefusedCommandError(
            f"the last test window holds {len(sample)} events, fewer than window.min_events = "
            f"{fewest}: wait for one with more"
        )
    try:
        return view.fit(rows_of(sample.events(), sample.key_array))
    except (UnusableReferenceError, DetectorFailedError) as error:
        raise RefusedCommandError(f"the last window makes no reference ({error})") from error


def _acknowledge(model: WatchedModel, incident_id: str) -> str:
    for view in model.views:
        for watch in view.status.watches:
            if watch.incident.incident_id == incident_id:
                watch.incident.is_acknowledged = True
                return "no ongoing alert is written until it becomes worse"
    known = [each.incident_id for each in open_incidents(model) if each.cause is Cause.DRIFT]
    raise RefusedCommandError(
        f"no open drift incident has this id; open: {', '.join(known) or 'none'}"
    )
