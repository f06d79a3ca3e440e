"""Lines of SageMaker's data capture: what an endpoint was sent, and what it answered.

A line has ``captureData.endpointInput``, ``captureData.endpointOutput`` or both. Their data are
CSV, JSON, or either in base64. Lines of CSV are rows, whose values are in the order of the columns.
JSON is a list of rows, an object with ``instances`` or ``predictions``, one row, or a row in each
line.

References
----------
Amazon SageMaker, data capture:
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture.html
"""

from __future__ import annotations

import base64
import binascii
import csv
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
from flink_jobs.intake.formats.kserve_v1 import check_row_lists
from flink_jobs.intake.formats.message_rows import RowBlock, are_parted, gather, named
from flink_jobs.intake.formats.names import EventNames
from flink_jobs.intake.formats.row_lists import RowListReader, RowLists, TextRow
from flink_jobs.intake.formats.tensors import shown
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason

_BLOCK = 128
_ROWS = ("instances", "predictions")


class _Capture(Struct, gc=False):
    data: Any = None
    encoding: str = "CSV"
    observedContentType: str | None = None  # noqa: N815 - their name


class _CaptureData(Struct, gc=False):
    endpointInput: _Capture | None = None  # noqa: N815
    endpointOutput: _Capture | None = None  # noqa: N815


class _EventMetadata(Struct, gc=False):
    eventId: Any = None  # noqa: N815


class _Line(Struct, gc=False):
    captureData: _CaptureData  # noqa: N815
    eventMetadata: _EventMetadata | None = None  # noqa: N815


_decode_line = msgspec.json.Decoder(_Line)
_decode_json = msgspec.json.Decoder()


class SageMaker:
    r"""Reads lines of data capture.

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
    ... input = {format = "sagemaker", n_features = 2}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> line = b'''{"captureData": {"endpointInput": {"data": "1,2\\n3,4", "encoding": "CSV"}},
    ...     "eventMetadata": {"eventId": "a"}}'''
    >>> events = SageMaker(config, columns_of(config)).read(Messages([line], list))
    >>> events.event_ids, events.x.tolist()
    (['a[0]', 'a[1]'], [[1.0, 2.0], [3.0, 4.0]])
    """

    def __init__(self, config: DriftJobConfig, read: Sequence[Column]) -> None:
        self._config = config
        self._read = read
        self._are_parted = are_parted(config)
        columns = columns_of(config)
        self._n_outputs = sum(column.size for column in columns if column.role == "output")
        self._rows = RowListReader(columns, are_parted=self._are_parted)
        self._names = EventNames(config)

    def values(self, messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
        """Look up values such as ``eventMetadata.inferenceTime``."""
        return JsonValues(paths).of(messages.payloads)

    def read(self, messages: Messages) -> ReadEvents:
        """Read the rows of captured requests and answers."""
        broken: Unusable = {}
        blocks: list[RowBlock] = []
        own_ids: list[Any] = [None] * len(messages)
        for first in range(0, len(messages), _BLOCK):
            rows: list[RowLists] = []
            payloads = messages.payloads[first : first + _BLOCK]
            for message, payload in enumerate(payloads, start=first):
                try:
                    line = decode_leniently(_decode_line, payload)
                    own_ids[message] = line.eventMetadata and line.eventMetadata.eventId
                    rows.append(self._row_lists(message, line.captureData))
                except UnusableEventError as error:
                    broken[message] = error
            blocks += self._rows.blocks(rows)
        names = named(self._names, messages, ("eventMetadata", "eventId"), own_ids)
        return gather(messages, blocks, broken, names, self._read, are_parted=self._are_parted)

    def _row_lists(self, message: int, data: _CaptureData) -> RowLists:
        if data.endpointInput is None and data.endpointOutput is None:
            detail = "captureData has neither endpointInput nor endpointOutput"
            raise UnusableEventError(Reason.INVALID_EVENT, detail)
        inputs = _rows(data.endpointInput, "endpointInput")
        outputs = _rows(data.endpointOutput, "endpointOutput")
        if inputs is not None and outputs is not None:
            outputs = self._one_of_each(outputs, len(inputs))
        rows = RowLists(message, inputs, outputs)
        check_row_lists(rows, self._config)
        return rows

    def _one_of_each(self, outputs: list[Any], n_inputs: int) -> list[Any]:
        """Return an output of each row where they lie in one line, as XGBoost writes them."""
        is_one_line = len(outputs) == 1 and n_inputs > 1 and self._n_outputs == 1
        if is_one_line and isinstance(outputs[0], TextRow) and len(outputs[0]) == n_inputs:
            return [TextRow([text]) for text in outputs[0]]
        return outputs


def _rows(capture: _Capture | None, name: str) -> list[Any] | None:
    """Return the rows of what was captured; None where nothing was."""
    if capture is None:
        return None
    if not isinstance(capture.data, str):
        raise _wrong(name, f"data is {shown(capture.data)}, expected a text")
    data, encoding = capture.data, capture.encoding.upper()
    if encoding == "BASE64":
        data, encoding = _decoded(data, name), _encoding_of(capture.observedContentType, name)
    if encoding == "CSV":
        return _csv_rows(data)
    if encoding == "JSON":
        return _json_rows(data, name)
    raise _wrong(name, f"encoding is {shown(capture.encoding)}, expected CSV, JSON or BASE64")


def _decoded(data: str, name: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        raise _wrong(name, "data is not the base64 of a text") from None


def _encoding_of(content_type: str | None, name: str) -> str:
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == "text/csv":
        return "CSV"
    if "json" in kind:
        return "JSON"
    found = shown(content_type)
    raise _wrong(name, f"observedContentType is {found}, expected text/csv or application/json")


def _csv_rows(data: str) -> list[Any]:
    lines = data.splitlines()
    if '"' not in data:
        return [TextRow(line.split(",")) for line in lines if line]
    return [TextRow(row) for row in csv.reader(lines) if row]


def _json_rows(data: str, name: str) -> list[Any]:
    lines = [line for line in data.splitlines() if line.strip()]
    try:
        tree = decode_leniently(_decode_json, data.encode(errors="backslashreplace"))
    except UnusableEventError as error:
        if len(lines) < 2:
            raise _wrong(name, f"data is not JSON: {error.detail}", error.reason) from None
        return [_json_row(line, place, name) for place, line in enumerate(lines)]
    if isinstance(tree, dict):
        listed = next((tree[key] for key in _ROWS if isinstance(tree.get(key), list)), None)
        return [tree] if listed is None else listed
    is_rows = isinstance(tree, list) and any(isinstance(each, list | dict) for each in tree)
    return tree if is_rows else [tree]


def _json_row(line: str, place: int, name: str) -> Any:
    try:
        return decode_leniently(_decode_json, line.encode(errors="backslashreplace"))
    except UnusableEventError as error:
        detail = f"line {place + 1} of data is not JSON: {error.detail}"
        raise _wrong(name, detail, error.reason) from None


def _wrong(name: str, detail: str, reason: Reason = Reason.INVALID_EVENT) -> UnusableEventError:
    return UnusableEventError(reason, f"captureData.{name}: {detail}")
