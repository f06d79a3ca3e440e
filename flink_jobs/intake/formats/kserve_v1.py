"""Requests and responses of KServe's first protocol: ``instances`` and ``predictions``.

Each instance and each prediction is a row: an object, a list of values or a single value
(:mod:`.row_lists`). A message has instances, predictions, or both.

References
----------
KServe, data plane V1: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
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
from flink_jobs.intake.formats.json_bodies import decode_leniently
from flink_jobs.intake.formats.json_values import JsonValues
from flink_jobs.intake.formats.message_rows import (
    RowBlock,
    are_parted,
    check_n_rows,
    gather,
    named,
)
from flink_jobs.intake.formats.names import EventNames
from flink_jobs.intake.formats.row_lists import RowListReader, RowLists
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason

_BLOCK = 128


class _Body(Struct, gc=False):
    instances: list[Any] | None = None
    predictions: list[Any] | None = None


_decode_body = msgspec.json.Decoder(_Body)


class KServeV1:
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
    ... input = {format = "kserve_v1", n_features = 2}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> messages = Messages([b'{"instances": [[1, 2], [3, 4]]}'], lambda: ["0:7"])
    >>> events = KServeV1(config, columns_of(config)).read(messages)
    >>> events.event_ids, events.x.tolist()
    (['0:7[0]', '0:7[1]'], [[1.0, 2.0], [3.0, 4.0]])
    """

    def __init__(self, config: DriftJobConfig, read: Sequence[Column]) -> None:
        self._config = config
        self._read = read
        self._are_parted = are_parted(config)
        self._rows = RowListReader(columns_of(config), are_parted=self._are_parted)
        self._names = EventNames(config)

    def values(self, messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
        """Look up values next to the rows."""
        return JsonValues(paths).of(messages.payloads)

    def read(self, messages: Messages) -> ReadEvents:
        """Read the rows of requests and responses."""
        broken: Unusable = {}
        blocks: list[RowBlock] = []
        for first in range(0, len(messages), _BLOCK):
            rows: list[RowLists] = []
            payloads = messages.payloads[first : first + _BLOCK]
            for message, payload in enumerate(payloads, start=first):
                try:
                    rows.append(self._row_lists(message, payload))
                except UnusableEventError as error:
                    broken[message] = error
            blocks += self._rows.blocks(rows)
        names = named(self._names, messages, (), [])
        return gather(messages, blocks, broken, names, self._read, are_parted=self._are_parted)

    def _row_lists(self, message: int, payload: bytes) -> RowLists:
        body = decode_leniently(_decode_body, payload)
        if body.instances is None and body.predictions is None:
            detail = "the message has neither instances nor predictions"
            raise UnusableEventError(Reason.INVALID_EVENT, detail)
        rows = RowLists(message, body.instances, body.predictions)
        check_row_lists(rows, self._config)
        return rows


def check_row_lists(rows: RowLists, config: DriftJobConfig) -> None:
    """Refuse messages without rows, with too many, and with other inputs than outputs.

    Raises
    ------
    UnusableEventError
    """
    counts = [len(part) for part in (rows.inputs, rows.outputs) if part is not None]
    if len(set(counts)) > 1:
        detail = f"the message has {counts[0]:,} rows of inputs and {counts[1]:,} of outputs"
        raise UnusableEventError(Reason.WRONG_LENGTH, detail)
    check_n_rows(counts[0], config)
