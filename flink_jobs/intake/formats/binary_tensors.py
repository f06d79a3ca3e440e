"""Tensors whose data lie in bytes behind the JSON of a message.

Triton's client writes them so by default. Over HTTP a header tells how long the JSON is; here its
end is where the JSON ends, and the sizes that the tensors say must add up to the rest.

References
----------
Open Inference Protocol, binary tensor data extension:
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/extension_binary_data.md
"""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import numpy as np

from flink_jobs.intake.formats.json_bodies import decode_leniently
from flink_jobs.intake.formats.tensors import Tensor, wrong
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason

MARK = b'"binary_data_size"'
_DTYPES = {
    "BOOL": "?",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}
_LENGTH_BYTES = 4
_find_end = json.JSONDecoder().raw_decode


def json_of(payload: bytes) -> bytes:
    """Return a message without the bytes behind its JSON; as it is where it is not JSON.

    Examples
    --------
    >>> json_of(b'{"id": "a"}' + bytes(8))
    b'{"id": "a"}'
    """
    try:
        # One character for each byte: where it ends does not depend on what it says.
        return payload[: _find_end(payload.decode("latin-1"))[1]]
    except (ValueError, RecursionError):
        return payload


def with_binary_data(decoder: Any, payload: bytes) -> Any:
    """Decode a message with bytes behind its JSON, and put them into its tensors.

    Parameters
    ----------
    decoder : msgspec.json.Decoder
        Of a struct with ``inputs`` and ``outputs``.
    payload : bytes

    Raises
    ------
    UnusableEventError
        When JSON, sizes and bytes do not fit together.
    """
    head = json_of(payload)
    body = decode_leniently(decoder, head)
    rest = memoryview(payload)[len(head) :]
    for tensor in chain(body.inputs or (), body.outputs or ()):
        size = (tensor.parameters or {}).get("binary_data_size")
        if size is None:
            continue
        if not isinstance(size, int) or not 0 <= size <= len(rest):
            raise wrong(tensor.name, f"has a binary_data_size of {size!r:.20}, beyond the message")
        tensor.data = _values(tensor, rest[:size])
        rest = rest[size:]
    if len(rest):
        detail = f"{len(rest):,} bytes behind the JSON are of no tensor"
        raise UnusableEventError(Reason.INVALID_EVENT, detail)
    return body


def _values(tensor: Tensor, data: memoryview) -> list[Any]:
    if tensor.datatype == "BYTES":
        return _texts(tensor, data)
    dtype = _DTYPES.get(tensor.datatype)
    if dtype is None:
        raise wrong(tensor.name, f"has bytes of the datatype {tensor.datatype!r:.20}")
    if len(data) % np.dtype(dtype).itemsize:
        detail = f"has {len(data):,} bytes, which is not a whole number of {tensor.datatype}"
        raise wrong(tensor.name, detail, Reason.WRONG_LENGTH)
    return list(np.frombuffer(data, dtype=dtype).tolist())


def _texts(tensor: Tensor, data: memoryview) -> list[Any]:
    """Return texts, before each of which lies its length."""
    texts: list[Any] = []
    while len(data):
        n = int.from_bytes(data[:_LENGTH_BYTES], "little")
        text, data = bytes(data[_LENGTH_BYTES:][:n]), data[_LENGTH_BYTES + n :]
        if len(text) < n:
            detail = "has texts that are longer than its bytes"
            raise wrong(tensor.name, detail, Reason.WRONG_LENGTH)
        try:
            texts.append(text.decode())
        except UnicodeDecodeError:
            raise wrong(tensor.name, "has bytes that are not a text in UTF-8") from None
    return texts
