"""Takes the page's commands, checks them and sends them to the control topic."""

from __future__ import annotations

import uuid
from typing import Any, Literal

import msgspec
from msgspec import Struct

from flink_jobs.dashboard.state import LiveState
from flink_jobs.kafka.sending import CommandSender
from flink_jobs.records.command_decoder import UnusableCommandError, decode_command
from flink_jobs.records.control import Command, is_pattern

Kind = Literal[
    "acknowledge", "snooze", "pause", "resume", "rebaseline", "approve_current", "describe"
]


class RefusedOrderError(ValueError):
    """A command that is not sent; the message says why."""


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request of a button: a kind of command, for one model that the page shows.

    ``configure`` is not among them: a change belongs into a file that somebody reviews.
    """

    kind: Kind
    model: str
    incident_id: str | None = None
    until_ms: int | None = None


class CommandDesk:
    """Makes commands of orders.

    Parameters
    ----------
    sender : CommandSender
        Entered.
    state : LiveState
        Asked which models there are.
    issued_by : str
        Who uses the page, for the audit.
    """

    def __init__(self, sender: CommandSender, state: LiveState, issued_by: str) -> None:
        self._sender = sender
        self._state = state
        self._issued_by = issued_by

    def send(self, body: bytes) -> Command:
        """Send the command that the body asks for; returns when the brokers have it.

        Raises
        ------
        RefusedOrderError
            When it is not an order, or one that the job would refuse.
        FollowError
            When the brokers do not take it.
        """
        command = self._command(_decoded(body))
        self._sender.send(command)
        return command

    def _command(self, order: Order) -> Command:
        if not self._state.knows(order.model):
            raise RefusedOrderError("the page knows no such model: load it again")
        if is_pattern(order.model):
            # Whoever presses the button of one model may not reach all of them.
            raise RefusedOrderError(
                "the model's name holds *, which stands for any text in a command: use "
                "loudly control, with care"
            )
        given = {"incident_id": order.incident_id, "until_ms": order.until_ms}
        tree: dict[str, Any] = {
            "kind": order.kind,
            "command_id": str(uuid.uuid4()),
            "model": order.model,
            "issued_by": self._issued_by,
            **{name: value for name, value in given.items() if value is not None},
        }
        try:
            key, value = order.model.encode(), msgspec.json.encode(tree)
            return decode_command(key, value, partition=0, offset=0).command
        except UnusableCommandError as error:
            raise RefusedOrderError(str(error)) from error


def _decoded(body: bytes) -> Order:
    try:
        return msgspec.json.decode(body, type=Order)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedOrderError(f"this is not an order: {error}") from error
