"""Reads commands from the control topic; what cannot be used is refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from flink_jobs.records.control import KINDS, Audit, Command, Outcome, PlacedCommand, audit_id
from flink_jobs.version import __version__

MAX_COMMAND_BYTES = 65_536

# A change as deep as a configuration has 5 levels. What is deeper than Python's stack would be
# decoded here and end the job where it is written to the state.
_MAX_DEPTH = 16
_MAX_INTEGER = (1 << 63) - 1
_SHOWN_CHARACTERS = 200
# Of any number of them; the longest that a command may have is 1,024.
_QUOTED_CHARACTERS = 1_024

_decoder = msgspec.json.Decoder(Command)


class UnusableCommandError(ValueError):
    """A record on the control topic that is not a command.

    Attributes
    ----------
    reason : str
        What is wrong and what to do.
    command_id, kind, model : str or None
        None where the record could not be read that far.
    issued_by : str
        Empty where it could not be read that far.
    """

    def __init__(
        self,
        reason: str,
        command_id: str | None = None,
        kind: str | None = None,
        model: str | None = None,
        issued_by: str = "",
    ) -> None:
        self.reason = reason
        self.command_id = command_id
        self.kind = kind
        self.model = model
        self.issued_by = issued_by
        super().__init__(reason)


def decode_command(
    key: bytes | None, value: bytes | None, partition: int, offset: int
) -> PlacedCommand:
    """Decode and check one record of the control topic.

    Parameters
    ----------
    key, value : bytes or None
        Of the Kafka record.
    partition, offset : int
        Where it lies.

    Raises
    ------
    UnusableCommandError
        Whatever else the bytes are; nothing else is raised.

    Examples
    --------
    >>> value = b'{"kind": "pause", "command_id": "c-1", "model": "fraud"}'
    >>> decode_command(b"fraud", value, partition=0, offset=7).command.model
    'fraud'
    >>> decode_command(b"other", value, partition=0, offset=8)
    Traceback (most recent call last):
        ...
    flink_jobs.records.command_decoder.UnusableCommandError: the record's key is 'other' and its \
model 'fraud': send the model as key
    """
    if value is None:
        raise _without_content("the record has no value: send a command as a JSON object", key)
    if len(value) > MAX_COMMAND_BYTES:
        reason = f"{len(value):,} bytes are too many: a command has at most {MAX_COMMAND_BYTES:,}"
        raise _without_content(reason, key)
    try:
        command = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explain(key, value, error) from error
    reason = _key_problem(key, command.model) or _change_problem(getattr(command, "change", {}))
    if reason:
        raise _unusable(reason, msgspec.to_builtins(command), key)
    return PlacedCommand(command=command, partition=partition, offset=offset)


def refusal(error: UnusableCommandError, partition: int, offset: int, job: str) -> Audit:
    """The answer to a record that is not a command.

    Parameters
    ----------
    error : UnusableCommandError
    partition, offset : int
        Where the record lies on the control topic.
    job : str
        The job's name.
    """
    return Audit(
        audit_id=audit_id(partition, offset, error.model, Outcome.REFUSED),
        outcome=Outcome.REFUSED,
        reason=error.reason,
        command_id=error.command_id,
        kind=error.kind,
        model=error.model,
        issued_by=error.issued_by,
        partition=partition,
        offset=offset,
        job=job,
        job_version=__version__,
    )


def _explain(key: bytes | None, value: bytes, error: Exception) -> UnusableCommandError:
    """Find out what is wrong with a value that did not decode."""
    try:
        tree = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as not_json:
        detail = str(not_json)[:_SHOWN_CHARACTERS]
        return _without_content(f"the value cannot be read as JSON in UTF-8 ({detail})", key)
    if not isinstance(tree, dict):
        return _without_content("the value is not a JSON object: a command is one", key)
    return _unusable(_reason(tree, str(error)), tree, key)


def _reason(tree: Mapping[str, Any], message: str) -> str:
    kind, version = tree.get("kind"), tree.get("schema_version", 1)
    if not (isinstance(kind, str) and kind in KINDS):
        wrong = f"{_shown(kind)} is not a kind of command" if "kind" in tree else "it has no kind"
        return f"{wrong}: kind is one of {', '.join(KINDS)}"
    # Not isinstance: true is an int to Python, and no version of ours.
    if type(version) is not int or version != 1:
        return f"schema_version {_shown(version)} is unknown: this job reads version 1"
    keys = ", ".join(field.encode_name for field in msgspec.structs.fields(KINDS[kind]))
    return f"{message[:_SHOWN_CHARACTERS]}: {kind} has the keys {keys}"


def _key_problem(key: bytes | None, model: str) -> str:
    if key == model.encode():
        return ""
    if not key:
        return f"the record has no key: send it with its model {_shown(model)} as key"
    other = _shown(key.decode(errors="backslashreplace"))
    return f"the record's key is {other} and its model {_shown(model)}: send the model as key"


def _change_problem(change: Mapping[str, Any]) -> str:
    """Values that no configuration holds and the state cannot."""
    level: list[Any] = [change]
    for _ in range(_MAX_DEPTH):
        numbers = [each for each in level if type(each) is int]
        if any(not -_MAX_INTEGER <= number <= _MAX_INTEGER for number in numbers):
            return "change holds a whole number beyond 64 bits: use a smaller one"
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    nested = f"change is nested deeper than {_MAX_DEPTH} levels"
    return f"{nested}: give it tables like those of job.toml" if level else ""


def _without_content(reason: str, key: bytes | None) -> UnusableCommandError:
    return _unusable(reason, {}, key)


def _unusable(reason: str, tree: Mapping[str, Any], key: bytes | None) -> UnusableCommandError:
    """With what can be read of the command; the key stands for a model that cannot."""
    return UnusableCommandError(
        reason,
        command_id=_text(tree.get("command_id")),
        kind=_text(tree.get("kind")),
        model=_text(tree.get("model")) or _model_of_key(key),
        issued_by=_text(tree.get("issued_by")) or "",
    )


def _text(value: Any) -> str | None:
    return value[:_QUOTED_CHARACTERS] if isinstance(value, str) else None


def _model_of_key(key: bytes | None) -> str | None:
    try:
        return key.decode()[:_QUOTED_CHARACTERS] if key else None
    except UnicodeDecodeError:
        return None


def _shown(value: Any) -> str:
    """The value, unless it is so deep or long that Python refuses to write it."""
    if isinstance(value, str | float | bool | None):
        return repr(value)[:_SHOWN_CHARACTERS]
    return str(value) if value in range(1_000_000) else f"of type {type(value).__name__}"
