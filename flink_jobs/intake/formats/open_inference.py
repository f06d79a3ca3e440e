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
from typing import Any

import msgspec
from msgspec import Struct

from flink_jobs.config.columns import Column, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import Messages, ReadEvents, Unusable
from flink_jobs.intake.formats.json import DECODING_FAILS
from flink_jobs.intake.formats.message_rows import (
    MessageIds,
    RowBlock,
    are_parted,
    check_n_rows,
    gather,
)
from flink_jobs.intake.formats.single_values import decode_leniently, json_values, undecodable
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

# Messages whose values exist as Python objects at a time.
_BLOCK = 128
_MOST_PLANS = 256
# Each takes about 0.1 ms for a tensor.
_MOST_DECODERS = 64


class _Body(Struct, gc=False):
    id: Any = None
    inputs: list[Tensor] | None = None
    outputs: list[Tensor] | None = None
    parameters: Any = None


_decode_body = msgspec.json.Decoder(_Body)


class OpenInference:
    """Reads requests and responses.

    Parameters
    ----------
    config : DriftJobConfig
    read : sequence of Column
        Those that become floats, in this order.
    """

    def __init__(self, config: DriftJobConfig, read: Sequence[Column]) -> None:
        self._config = config
        self._read = read
        self._columns = columns_of(config)
        self._are_parted = are_parted(config)
        self._ids = MessageIds(config, ("id",))
        self._plans: dict[Sides, TensorPlan] = {}
        self._decoders: dict[tuple[Like | None, Like | None], LikeDecoder] = {}
        self._like: tuple[Like | None, Like | None] = (None, None)
        self._alike: LikeDecoder | None = None

    def values(self, messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
        """Look up values such as ``model_name`` in the messages."""
        return json_values(messages, paths)

    def read(self, messages: Messages) -> ReadEvents:
        """Read the rows of requests and responses."""
        own_ids: list[Any] = [None] * len(messages)
        blocks: list[RowBlock] = []
        broken: Unusable = {}
        for first in range(0, len(messages), _BLOCK):
            payloads = messages.payloads[first : first + _BLOCK]
            blocks += self._read_block(first, payloads, own_ids, broken)
        ids = self._ids.of(messages, own_ids, self.values)
        return gather(messages, blocks, broken, ids, self._read, are_parted=self._are_parted)

    def _read_block(
        self, first: int, payloads: Sequence[bytes], own_ids: list[Any], broken: Unusable
    ) -> list[RowBlock]:
        found: dict[Sides, list[Found]] = {}
        if self._alike is not None:
            try:
                bodies = list(map(self._alike.decode, payloads))
            except DECODING_FAILS:
                pass
            else:
                self._take_alike(first, payloads, bodies, own_ids, found, broken)
                return self._blocks(found)
        for message, payload in enumerate(payloads, start=first):
            if self._alike is not None:
                try:
                    body = self._alike.decode(payload)
                except DECODING_FAILS:
                    pass
                else:
                    self._take_alike(message, [payload], [body], own_ids, found, broken)
                    continue
            self._take(message, payload, own_ids, found, broken)
        return self._blocks(found)

    def _blocks(self, found: dict[Sides, list[Found]]) -> list[RowBlock]:
        return [self._plan(sides).block(own) for sides, own in found.items()]

    def _take_alike(
        self,
        first: int,
        payloads: Sequence[bytes],
        bodies: Sequence[Any],
        own_ids: list[Any],
        found: dict[Sides, list[Found]],
        broken: Unusable,
    ) -> None:
        """Take messages that were decoded as others that they are like."""
        alike = self._alike
        assert alike is not None  # noqa: S101 - it decoded them
        groups: dict[tuple[bool, bool], list[int]] = {}
        for place, body in enumerate(bodies):
            own_ids[first + place] = body.id
            has = (body.inputs is not None, body.outputs is not None)
            groups.setdefault(has, []).append(place)
        others: list[int] = groups.pop((False, False), [])
        for places in groups.values():
            sides = alike.sides_of(bodies[places[0]])
            messages = [first + place for place in places]
            used = self._plan(sides).used
            own = alike.found(messages, [bodies[place] for place in places], used)
            most = self._config.input.max_rows
            is_good = [each is not None and 1 <= each.n_rows <= most for each in own]
            found.setdefault(sides, []).extend(
                each for each, good in zip(own, is_good, strict=True) if good and each
            )
            others += [place for place, good in zip(places, is_good, strict=True) if not good]
        for place in others:
            self._take(first + place, payloads[place], own_ids, found, broken)

    def _take(
        self,
        message: int,
        payload: bytes,
        own_ids: list[Any],
        found: dict[Sides, list[Found]],
        broken: Unusable,
    ) -> None:
        """Take one message, whatever it is like."""
        try:
            body = decode_leniently(_decode_body, payload)
        except DECODING_FAILS as error:
            broken[message] = undecodable(error)
            return
        own_ids[message] = body.id
        try:
            if body.inputs is None and body.outputs is None:
                raise not_a_message()
            sides = (_signatures(body.inputs), _signatures(body.outputs))
            plan = self._plan(sides)
            own = plan.found(message, body)
            check_n_rows(own.n_rows, self._config)
        except UnusableEventError as error:
            event_id = body.id if isinstance(body.id, str) else None
            broken[message] = UnusableEventError(error.reason, error.detail, event_id)
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


def _signatures(tensors: list[Tensor] | None) -> Any:
    return None if tensors is None else tuple(map(signature_of, tensors))
