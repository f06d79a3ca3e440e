"""Requests and responses of the Open Inference Protocol, version 2, as JSON.

KServe, MLServer and Triton write them. A request has ``inputs``, a response ``outputs``, both are
tensors; a message may have both. The path of a column is a tensor's name, or ``name[k]`` for value
k of each row; ``parameters.NAME`` is a parameter of the message, the same for all its rows.

Most messages of a topic are alike: their tensors have the same names, datatypes and widths, in one
order. A decoder is made for what the last messages were like (:mod:`.tensor_decoders`), so that no
Python runs for a value. What it does not take is read by a decoder that takes all, and checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from flink_jobs.config.columns import Column, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.parts import have_parts
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import Messages, ReadEvents, Unusable
from flink_jobs.intake.formats.binary_tensors import MARK, json_of, with_binary_data
from flink_jobs.intake.formats.json import DECODING_FAILS
from flink_jobs.intake.formats.json_bodies import decode_leniently
from flink_jobs.intake.formats.json_values import JsonValues
from flink_jobs.intake.formats.message_rows import (
    RowBlock,
    check_n_rows,
    gather,
    named,
)
from flink_jobs.intake.formats.names import EventNames, is_name
from flink_jobs.intake.formats.tensor_decoders import Like, LikeDecoder, Sides, like
from flink_jobs.intake.formats.tensor_plans import (
    INPUTS,
    OUTPUTS,
    Found,
    TensorPlan,
    not_a_message,
)
from flink_jobs.intake.formats.tensors import Tensor, signature_of
from flink_jobs.intake.unusable import UnusableEventError

# Messages, and rows, whose values exist as Python objects at a time.
_BLOCK_MESSAGES, _BLOCK_ROWS = 128, 1_024
_MOST_PLANS = 256
# Each takes about 0.1 ms for a tensor.
_MOST_DECODERS = 64


class _Body(Struct, gc=False):
    id: Any = None
    inputs: list[Tensor] | None = None
    outputs: list[Tensor] | None = None
    parameters: Any = None


_decode_body = msgspec.json.Decoder(_Body)
_id, _parameters = attrgetter("id"), attrgetter("parameters")
_inputs, _outputs = attrgetter("inputs"), attrgetter("outputs")


@dataclass(frozen=True, eq=False)
class _Read:
    """Messages read so far: their names, their rows, and why some have none."""

    ids: list[Any]
    blocks: list[RowBlock] = field(default_factory=list)
    broken: Unusable = field(default_factory=dict)


class OpenInference:
    """Reads requests and responses.

    Parameters
    ----------
    config : DriftJobConfig
    read : sequence of Column
        Those that become floats, in this order.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "open_inference", n_features = 2}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> payload = b'''{"id": "a", "inputs": [
    ...     {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}]}'''
    >>> events = OpenInference(config, columns_of(config)).read(Messages([payload], list))
    >>> events.event_ids, events.x.tolist()
    (['a[0]', 'a[1]'], [[1.0, 2.0], [3.0, 4.0]])
    """

    def __init__(self, config: DriftJobConfig, read: Sequence[Column]) -> None:
        self._config = config
        self._read = read
        self._columns = columns_of(config)
        self._are_parted = have_parts(config)
        self._names = EventNames(config)
        self._plans: dict[Sides, TensorPlan] = {}
        self._decoders: dict[tuple[Like | None, Like | None], LikeDecoder] = {}
        self._like: tuple[Like | None, Like | None] = (None, None)
        self._alike: LikeDecoder | None = None

    def values(self, messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
        """Look up values such as ``model_name`` in the messages."""
        payloads = [json_of(each) if MARK in each else each for each in messages.payloads]
        return JsonValues(paths).of(payloads)

    def read(self, messages: Messages) -> ReadEvents:
        """Read the rows of requests and responses."""
        read = _Read([None] * len(messages))
        first, step = 0, _BLOCK_MESSAGES
        while first < len(messages):
            numbers = range(first, min(first + step, len(messages)))
            n_blocks = len(read.blocks)
            self._read_block(numbers, messages.payloads, read)
            n = sum(sum(block.n_rows) for block in read.blocks[n_blocks:])
            first += len(numbers)
            step = min(_BLOCK_MESSAGES, max(1, _BLOCK_ROWS * len(numbers) // max(n, 1)))
        names = named(self._names, messages, ("id",), read.ids)
        return gather(
            messages, read.blocks, read.broken, names, self._read, are_parted=self._are_parted
        )

    def _read_block(self, numbers: Sequence[int], payloads: Sequence[bytes], read: _Read) -> None:
        """Read some messages, by the decoder of those before them if it takes them."""
        found: dict[Sides, list[Found]] = {}
        alike = self._alike
        try:
            if alike is None:
                raise msgspec.DecodeError
            decode = alike.decode
            bodies = list(map(decode, payloads[numbers[0] : numbers[-1] + 1]))
        except DECODING_FAILS:
            for number in numbers:
                self._read_one(number, payloads, read, found)
        else:
            self._take_alike(alike, numbers, payloads, bodies, read, found)
        read.blocks.extend(self._plan(sides).block(own) for sides, own in found.items())

    def _read_one(
        self,
        number: int,
        payloads: Sequence[bytes],
        read: _Read,
        found: dict[Sides, list[Found]],
    ) -> None:
        alike = self._alike
        if alike is not None:
            try:
                body = alike.decode(payloads[number])
            except DECODING_FAILS:
                pass
            else:
                self._take_alike(alike, [number], payloads, [body], read, found)
                return
        self._take(number, payloads[number], read, found)

    def _take_alike(
        self,
        alike: LikeDecoder,
        numbers: Sequence[int],
        payloads: Sequence[bytes],
        bodies: Sequence[Any],
        read: _Read,
        found: dict[Sides, list[Found]],
    ) -> None:
        """Take messages that were decoded as those that they are like."""
        for number, own_id in zip(numbers, map(_id, bodies), strict=True):
            read.ids[number] = own_id
        for places in _by_sides(bodies):
            own = [bodies[place] for place in places] if len(places) < len(bodies) else bodies
            mine = [numbers[place] for place in places]
            sides = alike.sides_of(own[0])
            if sides == (None, None) or not self._take_group(alike, sides, mine, own, read):
                for number in mine:
                    self._take(number, payloads[number], read, found)

    def _take_group(
        self,
        alike: LikeDecoder,
        sides: Sides,
        numbers: Sequence[int],
        bodies: Sequence[Any],
        read: _Read,
    ) -> bool:
        """Take messages with the same sides; not where one of them has to be looked at closely."""
        plan = self._plan(sides)
        own = alike.alike(bodies, plan.used)
        if own.values is None or max(own.n_rows) > self._config.input.max_rows:
            return False
        parameters = list(map(_parameters, bodies)) if plan.has_parameters else ()
        read.blocks.append(plan.rows(numbers, own.n_rows, own.values, parameters))
        return True

    def _take(
        self, number: int, payload: bytes, read: _Read, found: dict[Sides, list[Found]]
    ) -> None:
        """Take one message, whatever it is like."""
        body = None
        try:
            body = _body(payload)
            read.ids[number] = body.id
            if body.inputs is None and body.outputs is None:
                raise not_a_message()
            sides = (_signatures(body.inputs), _signatures(body.outputs))
            plan = self._plan(sides)
            own = plan.found(number, body)
            check_n_rows(own.n_rows, self._config)
        except UnusableEventError as error:
            event_id = body.id if body is not None and is_name(body.id) else None
            read.broken[number] = UnusableEventError(error.reason, error.detail, event_id)
            return
        found.setdefault(sides, []).append(own)
        self._learn(sides, plan, body, own.n_rows)

    def _plan(self, sides: Sides) -> TensorPlan:
        plan = self._plans.get(sides)
        if plan is None:
            plan = TensorPlan(self._columns, sides, are_parted=self._are_parted)
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            self._plans[sides] = plan
        return plan

    def _learn(self, sides: Sides, plan: TensorPlan, body: Any, n: int) -> None:
        """Make the decoder of what the next messages may be like, if that is not one already."""
        likes = list(self._like)
        for side in (INPUTS, OUTPUTS):
            signatures = sides[side]
            if signatures is not None:
                likes[side] = like(side, body, plan.used, signatures, n)
                if likes[side] is None:
                    return
        key = (likes[INPUTS], likes[OUTPUTS])
        decoder = self._decoders.get(key)
        if decoder is None:
            if len(self._decoders) >= _MOST_DECODERS:
                return
            decoder = self._decoders[key] = LikeDecoder(key)
        self._like, self._alike = key, decoder


def _by_sides(bodies: Sequence[Any]) -> list[Sequence[int]]:
    """Return the places of messages with the same sides together."""
    n = len(bodies)
    lacking = [list(map(side, bodies)).count(None) for side in (_inputs, _outputs)]
    if all(count in (0, n) for count in lacking):
        return [range(n)]
    groups: dict[tuple[bool, bool], list[int]] = {}
    for place, body in enumerate(bodies):
        has = (body.inputs is not None, body.outputs is not None)
        groups.setdefault(has, []).append(place)
    return list(groups.values())


def _signatures(tensors: list[Tensor] | None) -> Any:
    return None if tensors is None else tuple(map(signature_of, tensors))


def _body(payload: bytes) -> Any:
    try:
        return decode_leniently(_decode_body, payload)
    except UnusableEventError:
        if MARK not in payload:
            raise
    return with_binary_data(_decode_body, payload)
