"""Columns of a table as text, such as names of events and of models."""

from __future__ import annotations

import uuid
from typing import Any

import pyarrow as pa

_UUID_BYTES = 16


def text_of(column: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """A column as text, null where it is none, and what is wrong with the rows that are not text.

    Sixteen bytes of a fixed width are a UUID.

    Examples
    --------
    >>> text_of(pa.array([b"caf", bytes([233])]))[1]
    {1: 'is not UTF-8'}
    >>> text_of(pa.array([bytes(16)], pa.binary(16)))[0][0].as_py()
    '00000000-0000-0000-0000-000000000000'
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column, {}
    is_fixed = pa.types.is_fixed_size_binary(kind)
    try:
        if not is_fixed:
            return column.cast(pa.string()), {}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    is_uuid = is_fixed and kind.byte_width == _UUID_BYTES
    texts: list[str | None] = []
    wrong: dict[int, str] = {}
    for place, value in enumerate(column.to_pylist()):
        try:
            texts.append(_text(value, is_uuid=is_uuid))
        except ValueError as error:
            texts.append(None)
            wrong[place] = str(error)
    return pa.array(texts, pa.string()), wrong


def _text(value: Any, *, is_uuid: bool) -> str | None:
    if value is None:
        return None
    if is_uuid:
        return str(uuid.UUID(bytes=value))
    if isinstance(value, list | dict):
        raise ValueError("holds several values")
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
