"""Commands to patterns of models, as Flink broadcast state and in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import takewhile

import msgspec
from pyflink.common import Types
from pyflink.datastream.state import BroadcastState, MapStateDescriptor, ReadOnlyBroadcastState

from flink_jobs.records.control import (
    Audit,
    Outcome,
    PlacedCommand,
    StandingCommand,
    audit_id,
    kind_of,
)
from flink_jobs.version import __version__

MAX_STANDING = 1_000
STANDING_STATE = MapStateDescriptor(
    "standing-commands", Types.LONG(), Types.PRIMITIVE_ARRAY(Types.BYTE())
)

_decoder = msgspec.json.Decoder(PlacedCommand)


class StandingCommands:
    """The last commands to many models, numbered in the order of the control topic.

    Every subtask numbers alike, since all read the same topic in the same order. The list in memory
    is read from state once: a look into broadcast state costs round trips to the JVM, too many for
    every pane.
    """

    def __init__(self) -> None:
        self._commands: deque[StandingCommand] | None = None

    def all(self, state: ReadOnlyBroadcastState) -> Sequence[StandingCommand]:
        """The commands, oldest first."""
        if self._commands is None:
            entries = sorted((int(number), bytes(data)) for number, data in state.items())
            self._commands = deque(
                StandingCommand(number, _decoder.decode(data)) for number, data in entries
            )
        return self._commands

    def before(
        self, placed: PlacedCommand, state: ReadOnlyBroadcastState
    ) -> Sequence[StandingCommand]:
        """The commands that lie before another on the control topic, oldest first.

        Commands to one model come by way of a Python worker, so that a later one to many may be
        here first.
        """
        return list(takewhile(lambda each: not _is_after(each.placed, placed), self.all(state)))

    def add(self, placed: PlacedCommand, state: BroadcastState) -> None:
        """Number a command and keep it; the oldest goes when there are too many."""
        self.all(state)
        commands = self._commands
        assert commands is not None  # noqa: S101 - read in the line above
        number = commands[-1].number + 1 if commands else 0
        commands.append(StandingCommand(number, placed))
        state.put(number, msgspec.json.encode(placed))
        if len(commands) > MAX_STANDING:
            state.remove(commands.popleft().number)


def _is_after(one: PlacedCommand, other: PlacedCommand) -> bool:
    """Say whether Kafka orders them so; it does within a partition."""
    return one.partition == other.partition and one.offset > other.offset


def accepted(placed: PlacedCommand, job: str) -> Audit:
    """The answer to a command to many models, before each of them answers for itself."""
    command = placed.command
    return Audit(
        audit_id=audit_id(placed.partition, placed.offset, command.model, Outcome.ACCEPTED),
        outcome=Outcome.ACCEPTED,
        reason="each model that matches takes it with its next pane",
        command_id=command.command_id,
        kind=kind_of(command),
        model=command.model,
        issued_by=command.issued_by,
        effective_ms=command.effective_ms,
        partition=placed.partition,
        offset=placed.offset,
        job=job,
        job_version=__version__,
    )
