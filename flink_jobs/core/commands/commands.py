"""Takes the commands of operators and answers them.

A command takes effect at one moment of event time: when the model is next looked at, or before the
first pane that starts at its ``effective_ms``. All windows that ended before are closed before, so
that a command given the same time in a replay finds the same state.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence

import msgspec

from flink_jobs.config.overrides import matches
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.tables.references import FirstEvents, FirstTime, MovingReference
from flink_jobs.core.failures import DetectorFailedError
from flink_jobs.core.plan import Plans
from flink_jobs.core.references import sources as baseline
from flink_jobs.core.references.blocks import UnusableReferenceError, refit_tests
from flink_jobs.core.state.codec import encode_recent
from flink_jobs.core.state.state import Status
from flink_jobs.core.turn import Turn
from flink_jobs.core.watchers.window_tester import WindowTester
from flink_jobs.records.alerts import Cause, Ending, Severity
from flink_jobs.records.control import (
    Acknowledge,
    ApproveCurrent,
    Audit,
    Command,
    Configure,
    Describe,
    ModelSummary,
    OpenIncident,
    Outcome,
    Pause,
    PlacedCommand,
    Rebaseline,
    Resume,
    Snooze,
    StandingCommand,
    ViewSummary,
    audit_id,
    kind_of,
)
from flink_jobs.version import __version__

_MOST_PENDING = 100


class RefusedCommandError(ValueError):
    """A command that cannot be carried out; the message says what to do."""


class Commands:
    """Carries commands out.

    Parameters
    ----------
    plans : Plans
    tester : WindowTester
    """

    def __init__(self, plans: Plans, tester: WindowTester) -> None:
        self._plans = plans
        self._tester = tester

    def take(self, turn: Turn, placed: PlacedCommand) -> None:
        """Carry a command out, or keep it until its time comes."""
        at_ms, now_ms = _moment(turn, placed), turn.status.now_ms or 0
        if placed.command.effective_ms is None or at_ms <= now_ms:
            self.carry_out(turn, placed, now_ms)
        elif len(turn.status.pending) >= _MOST_PENDING:
            reason = f"{_MOST_PENDING} commands wait already; send this one later"
            self._answer(turn, placed, Outcome.REFUSED, reason, None)
        else:
            # Those of one moment in the order of the topic, in whatever order they came.
            bisect.insort_right(
                turn.status.pending,
                placed,
                key=lambda each: (_moment(turn, each), each.partition, each.offset),
            )
            reason = f"takes effect at {at_ms} ms of event time"
            self._answer(turn, placed, Outcome.WAITING, reason, at_ms)

    def not_taken(self, turn: Turn, standing: Sequence[StandingCommand]) -> Iterator[PlacedCommand]:
        """The commands to patterns that this model has to take, one by one; each comes once."""
        is_new = turn.is_new
        for each in standing:
            if each.number < turn.status.n_standing:
                continue
            turn.status.n_standing = each.number + 1
            command = each.placed.command
            if is_new and not _concerns_new(turn.status, command):
                continue
            if matches(command.model, turn.model):
                yield each.placed

    def due(self, turn: Turn, until_ms: int) -> Iterator[tuple[int, PlacedCommand]]:
        """Take from the waiting commands those whose moment has come, one by one."""
        pending = turn.status.pending
        while pending and (at_ms := _moment(turn, pending[0])) <= until_ms:
            yield at_ms, pending.pop(0)

    def carry_out(self, turn: Turn, placed: PlacedCommand, at_ms: int) -> None:
        """Carry a command out and answer it."""
        try:
            reason = self._apply(turn, placed.command, at_ms)
        except RefusedCommandError as error:
            self._answer(turn, placed, Outcome.REFUSED, str(error), None)
            return
        summary = self._summary(turn) if isinstance(placed.command, Describe) else None
        self._answer(turn, placed, Outcome.APPLIED, reason, at_ms, summary)

    def _apply(self, turn: Turn, command: Command, at_ms: int) -> str:
        status = turn.status
        match command:
            case Pause():
                return _pause(turn)
            case Snooze():
                status.snoozed_until_ms = command.until_ms
                if command.until_ms <= at_ms:
                    return f"no alert is held back: event time has reached {command.until_ms} ms"
                return f"alerts are held back until {command.until_ms} ms of event time"
            case Configure():
                return self._configure(turn, command, at_ms)
            case Resume():
                return _resume(turn, at_ms)
        if turn.is_new:
            raise RefusedCommandError(
                f"no event of {turn.model!r} has been seen; check the name, or send it later"
            )
        match command:
            case Rebaseline():
                return _rebaseline(turn, at_ms)
            case ApproveCurrent():
                return self._approve(turn, at_ms)
            case Acknowledge():
                return _acknowledge(turn, command.incident_id)
            case _:
                return "the summary is attached"

    def _configure(self, turn: Turn, command: Configure, at_ms: int) -> str:
        base = self._plans.of(turn.model).config
        change = msgspec.json.encode(command.change).decode() if command.change else ""
        try:
            plan = self._plans.of(turn.model, change)
        except ConfigError as error:
            raise RefusedCommandError(str(error).replace("\n", "; ")) from error
        is_other = plan.fingerprint != turn.status.detector_fingerprint
        if is_other and base.reference.on_config_change == "refuse":
            raise RefusedCommandError(
                'this needs a new reference; set reference.on_config_change = "new_reference"'
            )
        if is_other:
            baseline.start_anew(turn, at_ms, Ending.NEW_CONFIGURATION)
            turn.follow(plan)
        turn.status.change, turn.plan = change, plan
        return f"configuration {plan.config_version} holds" + (
            "; a new reference starts" if is_other else ", the reference stays"
        )

    def _approve(self, turn: Turn, at_ms: int) -> str:
        reference = turn.plan.config.reference
        if isinstance(reference, MovingReference):
            raise RefusedCommandError(
                "the reference moves along by itself, and no window can take its place; "
                "configure another reference first"
            )
        _check_not_never(turn)
        z_ref = turn.last_window() if turn.is_testing else None
        if z_ref is None:
            paused = "it is paused: send resume, and " if turn.status.is_paused else ""
            raise RefusedCommandError(
                f"{paused}no test window has closed since the reference: wait for one"
            )
        fewest = turn.plan.main.windows.min_events
        if len(z_ref) < fewest:
            raise RefusedCommandError(
                f"the last test window holds {len(z_ref)} events, fewer than window.min_events = "
                f"{fewest}: wait for one with more"
            )
        try:
            fitted = refit_tests(turn.plan.config, self._tester.reference(turn), z_ref)
        except (UnusableReferenceError, DetectorFailedError) as error:
            raise RefusedCommandError(f"the last window makes no reference ({error})") from error
        baseline.approve(turn, fitted.to_block(), len(z_ref), at_ms)
        return f"the {len(z_ref)} events of the last test window are the reference"

    def _summary(self, turn: Turn) -> ModelSummary:
        status = turn.status
        blocks = (turn.state.read_reference(), turn.state.read_history())
        return ModelSummary(
            config_version=turn.plan.config_version,
            views=[
                ViewSummary(
                    phase=status.phase,
                    reference=turn.reference(),
                    n_collected=status.n_collected,
                    n_monitored=status.n_monitored,
                )
            ],
            now_ms=status.now_ms,
            heard_ms=status.heard_ms,
            is_paused=status.is_paused,
            snoozed_until_ms=status.snoozed_until_ms,
            change=status.change,
            incidents=_open_incidents(turn),
            n_pending=len(status.pending),
            state_bytes=len(encode_recent(turn.block)) + sum(len(b) for b in blocks if b),
        )

    def _answer(
        self,
        turn: Turn,
        placed: PlacedCommand,
        outcome: Outcome,
        reason: str,
        effective_ms: int | None,
        summary: ModelSummary | None = None,
    ) -> None:
        command = placed.command
        audit = Audit(
            audit_id=audit_id(placed.partition, placed.offset, turn.model, outcome),
            outcome=outcome,
            reason=reason,
            command_id=command.command_id,
            kind=kind_of(command),
            model=turn.model,
            issued_by=command.issued_by,
            effective_ms=effective_ms,
            partition=placed.partition,
            offset=placed.offset,
            summary=summary,
            job=turn.plan.config.job.name,
            job_version=__version__,
        )
        turn.actions.audits.append(audit)


def _moment(turn: Turn, placed: PlacedCommand) -> int:
    """When a command takes effect: between panes, so that no pane is torn."""
    return turn.pane_end_ms(placed.command.effective_ms or 0)


def _concerns_new(status: Status, command: Command) -> bool:
    """What was said about the past of other models is no concern of a new one."""
    if isinstance(command, Pause | Snooze | Configure):
        return True
    if isinstance(command, Resume) and status.is_paused:
        return True
    return command.effective_ms is not None and command.effective_ms > (status.now_ms or 0)


def _pause(turn: Turn) -> str:
    turn.status.is_paused = True
    turn.block.segments = [] if turn.status.phase == "monitoring" else turn.block.segments
    return "nothing is tested until the command resume"


def _resume(turn: Turn, at_ms: int) -> str:
    if not turn.status.is_paused:
        raise RefusedCommandError("it is not paused: there is nothing to resume")
    turn.status.is_paused = False
    if turn.status.waiting_since_ms is not None:
        # Nothing was collected meanwhile.
        turn.status.waiting_since_ms = at_ms
    if turn.status.phase == "monitoring":
        turn.status.n_monitored = 0
        baseline.begin_windows(turn, at_ms)
        return "windows begin with the next pane"
    return "the reference is collected on from the next pane"


def _rebaseline(turn: Turn, at_ms: int) -> str:
    if not isinstance(turn.plan.config.reference, FirstEvents | FirstTime):
        raise RefusedCommandError(
            "the reference is not collected from the first events of the model: for a training "
            "set submit the job with another one, or send approve_current"
        )
    _check_not_never(turn)
    baseline.start_anew(turn, at_ms, Ending.NEW_REFERENCE)
    from_when = "resume" if turn.status.is_paused else "now"
    return f"a new reference is collected from the next events after {from_when}"


def _check_not_never(turn: Turn) -> None:
    reference = turn.plan.config.reference
    if isinstance(reference, FirstEvents | FirstTime) and reference.rebaseline == "never":
        raise RefusedCommandError(
            'reference.rebaseline is "never": change it in job.toml, or send configure'
        )


def _acknowledge(turn: Turn, incident_id: str) -> str:
    for watch in turn.status.watches:
        if watch.incident.incident_id == incident_id:
            watch.incident.is_acknowledged = True
            return "no ongoing alert is written until it becomes worse"
    known = [each.incident_id for each in _open_incidents(turn) if each.cause is Cause.DRIFT]
    raise RefusedCommandError(
        f"no open drift incident has this id; open: {', '.join(known) or 'none'}"
    )


def _open_incidents(turn: Turn) -> list[OpenIncident]:
    main = turn.plan.main.name
    found = [
        OpenIncident(
            incident_id=watch.incident.incident_id,
            cause=Cause.DRIFT,
            detector=watch.name,
            severity=watch.incident.severity,
            is_acknowledged=watch.incident.is_acknowledged,
        )
        for watch in turn.status.watches
        if watch.incident.incident_id
    ]
    others = [
        (turn.status.silence_id, Cause.SILENCE, main),
        (turn.status.unstable_id, Cause.UNSTABLE_REFERENCE, main),
        (turn.status.no_reference_id, Cause.NO_REFERENCE, main),
        *((watch.failing_id, Cause.TEST_FAILED, watch.name) for watch in turn.status.watches),
        *((w.untested.incident_id, Cause.UNTESTED, w.name) for w in turn.status.watches),
    ]
    return found + [
        OpenIncident(incident_id=i, cause=cause, detector=name, severity=Severity.WARNING)
        for i, cause, name in others
        if i
    ]
