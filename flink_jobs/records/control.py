"""Commands of operators and the answers to them, record version 1.

A command is a JSON record on the control topic whose key is its model, or a pattern of models in
which ``*`` is any text. Each is answered on the audit topic. JSON Schemas of both are committed in
``flink_jobs/records/schemas``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from flink_jobs.records.alerts import record_id
from flink_jobs.records.status import ModelStatus

# To the end of the year 9999: no integer that the state, a timer of Flink or a date cannot hold.
ViewName = Annotated[str, Meta(min_length=1, max_length=80)]
EventTimeMs = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """The fields that all commands share.

    Attributes
    ----------
    command_id : str
        The sender's name for the command; the answers carry it.
    model : str
        A model, or a pattern with ``*``.
    effective_ms : int or None
        Event time: the command takes effect before the first pane that starts then or later. None
        for at once.
    issued_by : str
        Who sent it, for the audit.
    """

    schema_version: Literal[1] = 1
    command_id: Annotated[str, Meta(min_length=1, max_length=128)]
    model: Annotated[str, Meta(min_length=1, max_length=1_024)]
    effective_ms: EventTimeMs | None = None
    issued_by: Annotated[str, Meta(max_length=256)] = ""


class Rebaseline(_Command, frozen=True, kw_only=True, tag="rebaseline"):
    """Collect a new reference from the next events on, for one view or for all.

    Of a reference that moves, fit the detectors anew to what it holds now.
    """

    view: ViewName | None = None


class ApproveCurrent(_Command, frozen=True, kw_only=True, tag="approve_current"):
    """Make the last closed test window of the main detector the reference of a view, or of all."""

    view: ViewName | None = None


class Snooze(_Command, frozen=True, kw_only=True, tag="snooze"):
    """Write no alert before ``until_ms`` of event time; what is held back is counted.

    Anyone who saw an incident begin sees it end: of such an incident ``recovered`` is written.
    """

    until_ms: EventTimeMs


class Acknowledge(_Command, frozen=True, kw_only=True, tag="acknowledge"):
    """Write no further ongoing alert of an open incident, until it becomes worse."""

    incident_id: Annotated[str, Meta(min_length=1, max_length=128)]


class Pause(_Command, frozen=True, kw_only=True, tag="pause"):
    """Test nothing until ``resume``."""


class Resume(_Command, frozen=True, kw_only=True, tag="resume"):
    """Test again, from the next pane on, against the same reference."""


class Configure(_Command, frozen=True, kw_only=True, tag="configure"):
    """Change the configuration of a model; takes the place of an earlier change.

    ``change`` holds tables with the keys that differ from the job's file, as an override there; an
    empty one goes back to the file.
    """

    change: dict[str, Any]


class Describe(_Command, frozen=True, kw_only=True, tag="describe"):
    """Answer with the status of the model, and change nothing."""


Command = Rebaseline | ApproveCurrent | Snooze | Acknowledge | Pause | Resume | Configure | Describe

KINDS: dict[str, type[Command]] = {
    command.__struct_config__.tag: command for command in get_args(Command)
}
"""The type of command of each kind."""


class PlacedCommand(Struct, frozen=True):
    """A command and where it lies on the control topic."""

    command: Command
    partition: int
    offset: int


class StandingCommand(Struct, frozen=True):
    """A command to a pattern of models, which each of them takes when it is next seen.

    ``number`` counts these commands in the order of the control topic.
    """

    number: int
    placed: PlacedCommand


class Outcome(StrEnum):
    """The outcome of a command.

    ``waiting`` is answered when it has still to take effect, ``accepted`` for a pattern, which each
    model takes with its next pane; each is followed by ``applied`` or ``refused`` for each model.
    """

    APPLIED = "applied"
    REFUSED = "refused"
    WAITING = "waiting"
    ACCEPTED = "accepted"


class Audit(Struct, frozen=True, kw_only=True):
    """The answer to a command, as it lies on the audit topic (keyed by model).

    Attributes
    ----------
    audit_id : str
        The same in a replay.
    reason : str
        Why it was refused, or what was done.
    command_id, kind, model : str or None
        None where the command could not be read that far.
    effective_ms : int or None
        Event time from which it holds. A command with this time gives the same alerts in a replay.
    partition, offset : int
        Where the command lies on the control topic.
    status : ModelStatus or None
        Of the model, once the command has been applied.
    state_bytes : int or None
        Size of the model's state, with the answer to ``describe``.
    """

    schema_version: Literal[1] = 1
    audit_id: str
    outcome: Outcome
    reason: str
    command_id: str | None
    kind: str | None
    model: str | None
    issued_by: str = ""
    effective_ms: int | None = None
    partition: int
    offset: int
    status: ModelStatus | None = None
    state_bytes: int | None = None
    job: str
    job_version: str


def kind_of(command: Command) -> str:
    """The command's kind.

    Examples
    --------
    >>> kind_of(Pause(command_id="c-1", model="fraud"))
    'pause'
    """
    return str(command.__struct_config__.tag)


def is_pattern(model: str) -> bool:
    """Say whether a command's model stands for several.

    Examples
    --------
    >>> is_pattern("fraud-*"), is_pattern("fraud")
    (True, False)
    """
    return "*" in model


def audit_id(partition: int, offset: int, model: str | None, outcome: Outcome) -> str:
    """The identifier of an answer, from the command's place and what became of it."""
    return record_id("audit", partition, offset, model or "", outcome.value)


def encode_command(command: Command) -> tuple[bytes, bytes]:
    """Key and value of the Kafka record for a command."""
    return command.model.encode(), msgspec.json.encode(command)


def encode_audit(audit: Audit) -> tuple[bytes, bytes]:
    """Key and value of the Kafka record for an answer."""
    return (audit.model or "").encode(), msgspec.json.encode(audit)
